// SPDX-License-Identifier: GPL-2.0-only
/*
 * vgetrandom.ko keeps the promises of module/vgetrandom.c, on a stock kernel.
 *
 *	guest_module MODE... FILE
 *
 * loads FILE for each MODE, and unloads it again:
 *
 *	early	before the RNG is ready; then all tests that need no disarmed probe
 *	refused	FILE.refused, whose probe the kernel refuses: only the tick publishes
 *	ftrace	probes are disarmed by kernel.ftrace_enabled
 *	kprobes	probes are disarmed by debugfs's kprobes/enabled
 *	vmfork	likewise; prints "ready", and waits until it is restored with another ID
 *
 * Needs a boot without a trusted seed, as scripts/vm does.
 */
#define _GNU_SOURCE
#include <linux/magic.h>
#include <linux/random.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>

#include "../../../module/page.h"
#include "guest.h"

#define FTRACE		"/proc/sys/kernel/ftrace_enabled"
#define KPROBES		"/sys/kernel/debug/kprobes/enabled"

#define AT_ONCE		"seen at once\n"
#define LATE		"seen within 60 s: "
#define DISARMED	"probes are disarmed"
#define REFUSED		"the kernel refuses"

#define THREADS		64
#define THREAD_RESEEDS	200
#define LOADS		16

static const char *file;
static const struct vgetrandom_page *mapped;

static void ok(const char *what)
{
	static int number;

	printf("ok %d %s\n", ++number, what);
}

static int load(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC), rc;

	check(fd >= 0, "%s: %s", name, strerror(errno));
	rc = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
	close(fd);
	return rc;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "vgetrandom", O_NONBLOCK) ? errno : 0;
}

static int open_page(void)
{
	int fd = open(VGETRANDOM_PAGE_PATH, O_RDONLY | O_CLOEXEC);

	check(fd >= 0, "opening " VGETRANDOM_PAGE_PATH ": %s", strerror(errno));
	return fd;
}

static const struct vgetrandom_page *map(void)
{
	int fd = open_page();
	void *p = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);

	check(p != MAP_FAILED, "mapping the page: %s", strerror(errno));
	close(fd);
	return p;
}

static void unmap(void)
{
	check(!munmap((void *)mapped, getpagesize()), "munmap: %s", strerror(errno));
	mapped = NULL;
}

static uint64_t generation(void)
{
	return __atomic_load_n(&mapped->rng.generation, __ATOMIC_ACQUIRE);
}

static bool ready(void)
{
	return __atomic_load_n(&mapped->rng.is_ready, __ATOMIC_ACQUIRE);
}

static long uptime(void)
{
	struct timespec up;

	clock_gettime(CLOCK_MONOTONIC, &up);
	return up.tv_sec;
}

/* Seconds from this uptime until the next tick. */
static long next_tick(long up)
{
	return up / 2 < 5 ? 5 : up / 2 > 60 ? 60 : up / 2;
}

/* A margin for a busy machine, shorter than the time to the second tick. */
static long a_tick(void)
{
	return next_tick(uptime()) + 3;
}

static void wait_for_generation(uint64_t before, const char *what)
{
	for (long end = uptime() + a_tick(); generation() == before; usleep(10000))
		check(uptime() <= end, "%s: no tick has published", what);
}

static bool reseeds_are(const char *wanted)
{
	char text[256] = "";
	int fd = open(VGETRANDOM_RESEEDS_PATH, O_RDONLY | O_CLOEXEC);

	check(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "reading " VGETRANDOM_RESEEDS_PATH ": %s",
	      strerror(errno));
	close(fd);
	return !strncmp(text, wanted, strlen(wanted));
}

static void wait_for_reseeds(const char *wanted, int ticks)
{
	while (ticks--)
		for (long end = uptime() + a_tick(); uptime() <= end; usleep(10000))
			if (reseeds_are(wanted))
				return;
	fail(VGETRANDOM_RESEEDS_PATH " does not say \"%s\"", wanted);
}

static bool log_has(const char *wanted)
{
	static char text[1 << 20];
	int len = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text) - 1);

	check(len >= 0, "klogctl: %s", strerror(errno));
	text[len] = 0;
	return strstr(text, wanted);
}

/* Whether a reseed is published before RNDRESEEDCRNG returns. */
static bool reseed_is_seen(void)
{
	uint64_t before = generation();

	guest_reseed();
	return generation() != before;
}

static void see_a_reseed(void)
{
	check(reseed_is_seen(), "a reseed is not seen");
}

static void load_and_map(const char *name)
{
	int err = load(name);

	check(!err, "loading %s: %s", name, strerror(err));
	mapped = map();
}

static void unmap_and_unload(void)
{
	int err;

	unmap();
	err = unload();
	check(!err, "unloading: %s", strerror(err));
}

static void becomes_ready(void)
{
	uint64_t before = generation();
	uint8_t byte;

	check(syscall(SYS_getrandom, &byte, 1, GRND_NONBLOCK) == -1 && errno == EAGAIN,
	      "the RNG is ready already: boot with random.trust_cpu=off random.trust_bootloader=off");
	check(!ready(), "the page says ready, and the RNG is not");
	ok("the RNG is not ready, and the page says so");

	guest_add_entropy();
	check(ready(), "the RNG is ready, and the page does not say so");
	check(generation() != before, "the RNG is ready, and the generation is still the same");
	ok("RNDADDENTROPY that makes the RNG ready is published before it returns");
}

static void layout(void)
{
	check(mapped->magic == VGETRANDOM_PAGE_MAGIC, "the magic number is %llx",
	      (unsigned long long)mapped->magic);
	check(mapped->version == VGETRANDOM_PAGE_VERSION, "the version is %u", mapped->version);
	check(!memcmp(mapped->cores, vgetrandom_page_cores, sizeof(mapped->cores)),
	      "the table of cores is another");
	check(generation(), "the generation is 0");
}

/* No program asks the kernel for bytes meanwhile. */
static void quiet(void)
{
	uint64_t before = generation();
	unsigned int changes = 0;
	long end = uptime();

	for (int i = 0; i < 4; i++)
		end += next_tick(end);
	for (end += 3; uptime() < end; usleep(10000)) {
		changes += generation() != before;
		before = generation();
	}
	check(changes >= 2, "%u reseeds by time until uptime was %ld s", changes, end);
	check(reseeds_are(AT_ONCE), "the RNG does not reseed: the module does not ask it for bytes");
	ok("without any request the RNG reseeds, and that is published");
}

static void ioctls(void)
{
	for (int i = 0; i < 100; i++)
		check(reseed_is_seen(), "RNDRESEEDCRNG returns, and is not published");
	ok("RNDRESEEDCRNG is published before it returns");
}

static void *reseed_often(void *unused)
{
	(void)unused;
	for (int i = 0; i < THREAD_RESEEDS; i++)
		check(reseed_is_seen(), "RNDRESEEDCRNG of a thread returns, and is not published");
	return NULL;
}

/*
 * Expect a generation for each reseed: reseed_is_seen() alone may see the one of another thread
 * and hide a missed reseed.
 */
static void threads(void)
{
	pthread_t thread[THREADS];
	uint64_t before = generation(), seen;

	for (int i = 0; i < THREADS; i++)
		check(!pthread_create(&thread[i], NULL, reseed_often, NULL), "pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	seen = generation() - before;
	check(seen >= THREADS * THREAD_RESEEDS, "%u reseeds by %u threads, of which %llu were seen",
	      THREADS * THREAD_RESEEDS, THREADS, (unsigned long long)seen);
	ok("64 threads reseed, and not one is missed");
}

/* Suspend only until processes are frozen, as in generation.c. */
static void suspend(const char *what)
{
	uint64_t before;

	/* Otherwise the kernel would spin for 5 s, in which a tick could come. */
	guest_write("/sys/module/suspend/parameters/pm_test_delay", "0");
	guest_write("/sys/power/pm_test", "freezer");
	before = generation();
	guest_write("/sys/power/state", "freeze");
	check(generation() != before, "resume is not published");
	guest_write("/sys/power/pm_test", "none");
	ok(what);
}

static void refuses(int prot, int flags, size_t pages, off_t offset, const char *what)
{
	int fd = open_page();
	void *p = mmap(NULL, pages * getpagesize(), prot, flags, fd, offset * getpagesize());

	check(p == MAP_FAILED, "the page can be mapped %s", what);
	check(errno == EACCES || errno == EPERM || errno == EINVAL, "mapping it %s: %s", what,
	      strerror(errno));
	close(fd);
}

/* The page cannot be mapped in any other way. */
static void stays_readable(void *p)
{
	size_t size = getpagesize();
	uint64_t value = 0;
	int fd;

	check(mprotect(p, size, PROT_READ | PROT_WRITE) == -1 && errno == EACCES,
	      "mprotect() makes it writable");
	check(mprotect(p, size, PROT_READ | PROT_EXEC) == -1 && errno == EACCES,
	      "mprotect() makes it executable");
	check(mremap(p, size, 2 * size, MREMAP_MAYMOVE) == MAP_FAILED, "mremap() makes it larger");
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	check(fd >= 0, "/proc/self/mem: %s", strerror(errno));
	check(pwrite(fd, &value, sizeof(value), (off_t)(uintptr_t)p) == -1,
	      "a debugger can write to it");
	close(fd);
}

static void mappings(void)
{
	size_t size = getpagesize();
	void *private;
	int fd;

	refuses(PROT_READ | PROT_WRITE, MAP_SHARED, 1, 0, "for writing");
	refuses(PROT_READ | PROT_WRITE, MAP_PRIVATE, 1, 0, "for writing, privately");
	refuses(PROT_READ | PROT_EXEC, MAP_PRIVATE, 1, 0, "for execution");
	refuses(PROT_READ, MAP_SHARED, 2, 0, "with a page behind it");
	refuses(PROT_READ, MAP_SHARED, 1, 1, "from its second page on");
	check(open(VGETRANDOM_PAGE_PATH, O_RDWR | O_CLOEXEC) == -1, "root can open it for writing");
	fd = open_page();
	private = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	check(private != MAP_FAILED, "mapping the page privately: %s", strerror(errno));
	stays_readable((void *)mapped);
	stays_readable(private);
	munmap(private, size);
	ok("the page can be read: not written, executed, or mapped with more than it");

	check(!madvise((void *)mapped, size, MADV_DONTNEED), "MADV_DONTNEED: %s", strerror(errno));
	layout();
	see_a_reseed();
	guest_in_child(see_a_reseed);
	ok("the mapping outlives MADV_DONTNEED and fork()");
}

/* As in a container: another user, no /dev, and a read-only /sys. */
static void contained(void)
{
	struct statfs fs;

	check(!unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	      !umount2("/dev", MNT_DETACH) &&
	      !mount("none", "/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
	      "a mount namespace: %s", strerror(errno));
	check(!setgid(65534) && !setuid(65534), "setuid: %s", strerror(errno));
	check(access("/dev/urandom", F_OK), "/dev is still there");
	check(!statfs(VGETRANDOM_PAGE_PATH, &fs) && fs.f_type == SYSFS_MAGIC, "not sysfs");
	check(fs.f_flags & ST_RDONLY, "/sys can be written to");
	check(map()->rng.generation == generation(), "the page is another");
	check(reseeds_are(AT_ONCE), VGETRANDOM_RESEEDS_PATH " says something else");
}

static void in_use(void)
{
	pid_t pid;
	int fd;

	check(unload() == EAGAIN, "a module whose page is mapped can be unloaded");
	fflush(stdout);
	pid = fork();
	if (!pid)
		pause();
	check(pid > 0, "fork: %s", strerror(errno));
	unmap();
	check(unload() == EAGAIN, "a module whose page a child has mapped can be unloaded");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fd = open_page();
	check(!unload(), "a module whose page is not mapped cannot be unloaded");
	check(mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED,
	      "the page of a module that is gone can be mapped");
	close(fd);
	ok("rmmod fails while the page is mapped, by a child too, and works after that");
}

static void reloads(void)
{
	uint64_t at[LOADS], distance;

	for (int i = 0; i < LOADS; i++) {
		load_and_map(file);
		at[i] = generation();
		check(ready(), "loaded when the RNG is ready, and the page does not say so");
		for (int j = 0; j < i; j++) {
			distance = at[i] > at[j] ? at[i] - at[j] : at[j] - at[i];
			check(distance >> 32, "generations of two loads are near to each other");
		}
		unmap_and_unload();
	}
	ok("after a reload no generation comes again");
}

static void early(void)
{
	load_and_map(file);
	check(reseeds_are(AT_ONCE), "reseeds are not seen at once");
	layout();
	ok("the page has the layout of page.h");
	becomes_ready();
	quiet();
	ioctls();
	threads();
	suspend("resume is published");
	mappings();
	guest_in_child(contained);
	ok("an unprivileged user has it without /dev, and with /sys read-only");
	in_use();
	reloads();
}

static void refused(void)
{
	char name[256];
	uint64_t before;

	snprintf(name, sizeof(name), "%s.refused", file);
	load_and_map(name);
	check(reseeds_are(LATE REFUSED), VGETRANDOM_RESEEDS_PATH " does not say that the probe is refused");
	check(log_has("within 60 s: " REFUSED), "the log does not say that the probe is refused");
	guest_add_entropy();
	for (long end = uptime() + a_tick(); !ready(); usleep(10000))
		check(uptime() <= end, "no tick has published that the RNG is ready");
	check(!reseed_is_seen(), "a reseed is seen without a probe: this shows nothing");
	suspend("a probe is refused: resume is published");
	before = generation();
	wait_for_generation(before, "a probe is refused");
	check(reseeds_are(LATE REFUSED), VGETRANDOM_RESEEDS_PATH " says something else meanwhile");
	unmap_and_unload();
	ok("a probe is refused: the module works with the tick, and says so");
}

static void load_ready(void)
{
	guest_add_entropy();
	load_and_map(file);
	check(ready() && reseed_is_seen(), "a reseed is not seen");
}

static void disarmed(const char *by)
{
	load_ready();
	/* Newer kernels refuse this. */
	if (!write_to_file(by, "0") && errno == EOPNOTSUPP && !strcmp(by, FTRACE)) {
		see_a_reseed();
		unmap_and_unload();
		ok("this kernel refuses to disarm probes by kernel.ftrace_enabled");
		return;
	}
	check(!reseed_is_seen(), "a reseed is seen with probes disarmed by %s", by);
	wait_for_generation(generation(), by);
	suspend("probes are disarmed: resume is published");
	check(!reseed_is_seen(), "a reseed is seen at once: the probes are armed again");
	wait_for_generation(generation(), by);
	ok("probes are disarmed: the tick publishes");

	wait_for_reseeds(LATE DISARMED, 3);
	check(log_has("within 60 s: " DISARMED), "the log does not say that probes are disarmed");
	ok("probes are disarmed: the log and " VGETRANDOM_RESEEDS_PATH " say so");

	guest_write(by, "1");
	check(reseed_is_seen(), "a reseed is not seen with probes armed again");
	wait_for_reseeds(AT_ONCE, 1);
	check(log_has("vgetrandom: reseeds are seen at once"), "the log does not say so");
	unmap_and_unload();
	ok("probes are armed again: the log and " VGETRANDOM_RESEEDS_PATH " say so");
}

static void vmfork(void)
{
	uint64_t before, next;

	load_ready();
	guest_write(KPROBES, "0");
	check(!reseed_is_seen(), "a reseed is seen with disarmed probes");
	printf("ready\n");
	/*
	 * The tick may publish as well. So read the generation before the log: @before is from
	 * before the message.
	 */
	next = generation();
	do {
		before = next;
		next = generation();
		usleep(1000);
	} while (!log_has("due to virtual machine fork"));
	for (int i = 0; generation() == before; i++) {
		check(i < 500, "the RNG is told that the machine was forked: not published");
		usleep(1000);
	}
	unmap_and_unload();
	ok("probes are disarmed: vmgenid is published");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	check(argc > 2, "usage: guest_module MODE... FILE");
	file = argv[argc - 1];
	for (int i = 1; i < argc - 1; i++) {
		if (!strcmp(argv[i], "early"))
			early();
		else if (!strcmp(argv[i], "refused"))
			refused();
		else if (!strcmp(argv[i], "ftrace"))
			disarmed(FTRACE);
		else if (!strcmp(argv[i], "kprobes"))
			disarmed(KPROBES);
		else if (!strcmp(argv[i], "vmfork"))
			vmfork();
		else
			fail("unexpected argument '%s'", argv[i]);
	}
	return 0;
}
