// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads, forks, signal handlers, reseeds and memory pressure, all at the same time. Every
 * value that a call returns is kept and compared with the others.
 *
 * usage: guest_soak [--set MIB] [--seed N] [--image VDSO] [--patience SECONDS]
 *                   [--plant FAULT] [--aborts] [SECONDS]
 *
 *	SECONDS		how long; default 60. Up to four times that, if too few events have
 *			happened on a busy machine
 *	--set		memory for the values; default half of the memory, at most 256
 *	--image		a vDSO image, hosted in this process, instead of the running kernel's
 *	--patience	a thread without progress for so long hangs; default 30
 *	--plant		a fault that the test must find: repeat, zero, short, errno, overrun,
 *			child, hang or leak
 *	--aborts	the running kernel aborts calls that signals interrupt
 *
 * With DROPPABLE_STRICT in the environment the kernel must have everything that the test
 * uses; otherwise the test leaves out what the kernel lacks, and says so.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <vdso/getrandom.h>

#include "../vdso_host/vdso_host.h"
#include "droppable_util.h"
#include "parse_vdso.h"
#include "soak.h"

#define SKIP		4
#define TOLD_EVERY	10		/* seconds */
#define WARM_UP		3
#define LONGER		4		/* times as long, if events are missing */
#define MOST_MIB	256

/* Events for each minute; with fewer the test proves nothing. */
#define LEAST_CALLS	20000
#define LEAST_DROPS	2000
#define LEAST_OF_KIND	200
#define LEAST_RESEEDS	200
#define LEAST_FORKS	40
#define LEAST_SIGNALS	400
#define LEAST_JUMPS	100

struct soak_shared *soak;
struct soak_vdso vdso;
enum soak_plant plant;
bool strict;

static const char * const plants[PLANTS] = {
	"nothing", "repeat", "zero", "short", "errno", "overrun", "child", "hang", "leak"
};

static unsigned int hang_after = 30;
static unsigned int asked;		/* SECONDS of the command line */

void soak_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("Bail out! ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(1);
}

void soak_fault(enum soak_fault fault, const char *format, ...)
{
	va_list args;

	if (!__atomic_fetch_add(&soak->faults[fault], 1, __ATOMIC_RELAXED)) {
		va_start(args, format);
		vsnprintf(soak->text[fault], sizeof(soak->text[fault]), format, args);
		va_end(args);
	}
	__atomic_store_n(&soak->stop, true, __ATOMIC_RELAXED);
}

void soak_sleep_us(unsigned int us)
{
	struct timespec pause = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&pause, NULL);
}

void soak_pin(unsigned int number)
{
	static cpu_set_t allowed;
	cpu_set_t one;

	CPU_ZERO(&one);
	/* The processors of the whole program, read before the first call changes the affinity. */
	if (!CPU_COUNT(&allowed) && sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	number %= CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !number--)
			CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static double now(void)
{
	return now_ms() / 1e3;
}

static void skip(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(SKIP);
}

static void open_vdso(const char *image)
{
	struct { uint32_t size, prot, flags, reserved[13]; } params;
	unsigned long base = getauxval(AT_SYSINFO_EHDR);
	void *p;

	if (image) {
		vdso.host = vdso_host_open(image);
		if (!vdso.host)
			soak_die("%s", vdso_host_error());
		vdso.fn = vdso_host_sym(vdso.host, "__vdso_getrandom");
		if (vdso_host_set_core(vdso.host, getenv("VDSO_CORE")))
			skip("this processor does not run the core that VDSO_CORE names");
	} else if (base) {
		vdso_init_from_sysinfo_ehdr(base);
		vdso.fn = vdso_sym("LINUX_2.6", "__vdso_getrandom");
	}
	if (!vdso.fn && strict)
		soak_die("there is no __vdso_getrandom");
	if (!vdso.fn)
		skip("this kernel's vDSO has no getrandom");
	if (vdso.fn(NULL, 0, 0, &params, ~0UL))
		soak_die("the query fails");
	vdso.size = params.size;
	vdso.prot = params.prot;
	vdso.flags = params.flags;
	vdso.ours = vdso.size == sizeof(struct vgetrandom_state);
	p = mmap(NULL, 4096, vdso.prot, vdso.flags, -1, 0);
	vdso.droppable = p != MAP_FAILED;
	if (vdso.droppable) {
		munmap(p, 4096);
		return;
	}
	if (strict)
		soak_die("no droppable memory: %s", strerror(errno));
	printf("# no droppable memory here: uses MADV_DONTNEED instead of drops\n");
	vdso.flags = MAP_PRIVATE | MAP_ANONYMOUS;
}

static struct soak_counts sum(void)
{
	struct soak_counts all = { 0 };

	for (int i = 0; i < WORKERS; i++)
		for (size_t j = 0; j < sizeof(all) / sizeof(uint64_t); j++)
			((uint64_t *)&all)[j] += ((uint64_t *)&soak->counts[i])[j];
	return all;
}

static void tell(FILE *to, double seconds)
{
	struct soak_counts all = sum();
	struct set_figures set = set_figures();

	fprintf(to, "# %.0f s: %lu calls (%lu by the library), ", seconds, all.calls, all.library);
	fprintf(to, "%lu drops seen (%lu of idle states), ", all.drops + all.idle_drops,
		all.idle_drops);
	fprintf(to, "%lu reseeds (%lu seen), %lu forks (%lu in handlers), ",
		soak->reseeds, all.generations, all.forks + all.handler_forks,
		all.handler_forks);
	fprintf(to, "%lu signals, %lu jumps, %lu threads\n", all.signals, all.jumps, all.threads);
	fprintf(to, "# %.0f s: %lu values returned, %lu of them compared with all others; ",
		seconds, set.asked, set.compared);
	if (set.bits)
		fprintf(to, "now those in which %u bits are 0, one in %llu; ", set.bits,
			1ULL << set.bits);
	fprintf(to, "set %lu %% full\n", set.held * 100 / set.slots);
	fflush(to);
}

/* An event that must happen more than @least times, if it can. */
struct event {
	const char *name;
	uint64_t count, least;
	bool can;
};

#define EVENTS	9

static void fill_events(struct event *events)
{
	const struct soak_counts all = sum();
	const bool pressed = press_real() && vdso.droppable;
	const struct event now[EVENTS] = {
		{ "calls", all.calls, LEAST_CALLS, true },
		{ "drops", all.drops + all.idle_drops, LEAST_DROPS, true },
		{ "drops of states in use", all.drops, LEAST_OF_KIND, true },
		{ "drops of idle states", all.idle_drops, LEAST_OF_KIND, pressed },
		{ "reseeds", vdso.ours ? all.generations : soak->reseeds, LEAST_RESEEDS,
		  soak->reseeds || strict },
		{ "forks", all.forks, LEAST_FORKS, true },
		{ "forks in handlers", all.handler_forks, LEAST_FORKS, true },
		{ "signals", all.signals, LEAST_SIGNALS, true },
		{ "jumps out of handlers", all.jumps, LEAST_JUMPS, vdso.aborts },
	};

	memcpy(events, now, sizeof(now));
	for (int i = 0; i < EVENTS; i++)
		events[i].least = events[i].least * asked / 60;
}

static bool happened(const struct event *event)
{
	return !event->can || event->count > event->least;
}

static bool all_happened(void)
{
	struct event events[EVENTS];

	fill_events(events);
	for (int i = 0; i < EVENTS; i++)
		if (!happened(&events[i]))
			return false;
	return true;
}

/* Report threads and processes that hang. The test then ends without waiting for them. */
static void watch(double *moved, uint64_t *last)
{
	static const char * const others[] = {
		"the dropper", "the reseeder", "the process that makes memory pressure"
	};

	for (int i = 0; i < ACTORS; i++) {
		uint64_t progress = __atomic_load_n(&soak->progress[i], __ATOMIC_RELAXED);

		if (progress != last[i] || (i == HOG && !(press_real() && vdso.droppable))) {
			last[i] = progress;
			moved[i] = now();
		} else if (now() - moved[i] > hang_after) {
			soak_fault(HANGS, "%s (%d) has not moved for %u s",
				   i < WORKERS ? "a thread" : others[i - WORKERS], i, hang_after);
		}
	}
}

static int verdict(double seconds, bool complete);

static bool all_ended;

static void *give_up(void *arg)
{
	double *began = arg;

	for (unsigned int i = 0; i < hang_after * 20; i++) {
		soak_sleep_us(50000);
		if (__atomic_load_n(&all_ended, __ATOMIC_RELAXED))
			return NULL;
	}
	soak_fault(HANGS, "a thread or process does not end");
	_exit(verdict(now() - *began, false));
}

/* Runs up to LONGER times as long if the machine is too busy for enough events. */
static void run(unsigned int seconds, uint64_t seed, bool warm_up)
{
	double began = now(), told = began, moved[ACTORS];
	uint64_t last[ACTORS];
	pthread_t watchdog;

	memcpy(last, soak->progress, sizeof(last));
	for (int i = 0; i < ACTORS; i++)
		moved[i] = began;
	draw_start(next_random(&seed));
	press_start(next_random(&seed) | 1);
	while (!stopped() && (now() - began < seconds ||
			      (!warm_up && now() - began < LONGER * seconds && !all_happened()))) {
		soak_sleep_us(100000);
		watch(moved, last);
		if (!warm_up && now() - told >= TOLD_EVERY) {
			told = now();
			tell(stderr, told - began);
		}
	}
	if (soak->faults[HANGS])
		_exit(verdict(now() - began, false));
	__atomic_store_n(&soak->stop, true, __ATOMIC_RELAXED);
	__atomic_store_n(&all_ended, false, __ATOMIC_RELAXED);
	if (pthread_create(&watchdog, NULL, give_up, &began))
		soak_die("pthread_create failed");
	press_stop();
	draw_stop();
	__atomic_store_n(&all_ended, true, __ATOMIC_RELAXED);
	pthread_join(watchdog, NULL);
}

static int verdict(double seconds, bool complete)
{
	static const char * const tests[FAULTS] = {
		[REPEATED] = "no value is returned twice",
		[ZERO] = "no value is zeros",
		[BAD_CALL] = "calls return what they should, and so do children",
		[HANGS] = "no thread or process hangs",
		[LEAKS] = "nothing leaks",
	};
	struct event events[EVENTS];
	int bad = 0, n = 0;

	fill_events(events);
	tell(stdout, seconds);
	printf("# pages that the dropper dropped: %lu\n", soak->taken);
	for (int i = 0; i < FAULTS; i++) {
		/* A check for leaks that was not made counts as failed. */
		bool failed = soak->faults[i] || (i == LEAKS && !complete);

		bad += failed;
		printf("%sok %d %s\n", failed ? "not " : "", ++n, tests[i]);
		if (soak->faults[i])
			printf("# %s (and %lu more)\n", soak->text[i], soak->faults[i] - 1);
	}
	for (int i = 0; i < EVENTS; i++) {
		bool failed = !happened(&events[i]);

		if (!events[i].can) {
			printf("ok %d enough %s # SKIP this kernel, or this user, cannot\n", ++n,
			       events[i].name);
			continue;
		}
		bad += failed;
		printf("%sok %d enough %s\n", failed ? "not " : "", ++n, events[i].name);
		printf("# %lu, and more than %lu are wanted\n", events[i].count, events[i].least);
	}
	printf("1..%d\n", n);
	fflush(stdout);
	return bad != 0;
}

static unsigned long parse_number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (!*text || *end)
		soak_die("'%s' is no number", text);
	return value;
}

static enum soak_plant find_plant(const char *name)
{
	int i = 0;

	while (strcmp(plants[i], name))
		if (++i == PLANTS)
			soak_die("'%s' cannot be planted", name);
	return i;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "set", 1, NULL, 's' }, { "seed", 1, NULL, 'r' }, { "image", 1, NULL, 'i' },
		{ "patience", 1, NULL, 'p' }, { "plant", 1, NULL, 'f' },
		{ "aborts", 0, NULL, 'a' }, { 0 },
	};
	const char *image = NULL;
	size_t mib = file_number("/proc/meminfo", "MemTotal:", NULL) >> 11;
	struct soak_usage before, after;
	uint64_t seed = 0;
	double began;

	setvbuf(stdout, NULL, _IOLBF, 0);
	strict = getenv("DROPPABLE_STRICT");
	/* Blocks until the kernel's RNG is seeded. */
	if (syscall(SYS_getrandom, &seed, sizeof(seed) / 2, 0) != sizeof(seed) / 2)
		soak_die("getrandom: %s", strerror(errno));
	if (mib > MOST_MIB)
		mib = MOST_MIB;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
		if (c == 's')
			mib = parse_number(optarg);
		else if (c == 'r')
			seed = parse_number(optarg);
		else if (c == 'i')
			image = optarg;
		else if (c == 'p')
			hang_after = parse_number(optarg);
		else if (c == 'f')
			plant = find_plant(optarg);
		else if (c == 'a')
			vdso.aborts = true;
		else
			return 2;
	}
	asked = parse_number(argv[optind] ? argv[optind] : "60");

	soak = mmap(NULL, sizeof(*soak), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (soak == MAP_FAILED || (mlock(soak, sizeof(*soak)) && strict))
		soak_die("shared memory: %s", strerror(errno));
	open_vdso(image);
	set_open(mib);
	press_open();
	printf("# seed %lu, %u s, states of %zu bytes, %zu MiB for values%s%s\n", seed, asked,
	       vdso.size, mib, plant ? ", planted fault: " : "", plant ? plants[plant] : "");
	if (!press_real())
		printf("# no memory cgroup: no memory pressure, idle states are not dropped\n");

	/* All threads inherit this, except those that soak_draw.c moves. */
	soak_pin(0);
	/* The warm-up allocates all memory that is kept. Later increases are leaks. */
	run(WARM_UP, seed + 1, true);
	before = usage_now();
	began = now();
	if (!soak->faults[REPEATED] && !soak->faults[ZERO] && !soak->faults[BAD_CALL]) {
		memset(soak->counts, 0, sizeof(soak->counts));
		soak->reseeds = 0;
		soak->taken = 0;
		soak->stop = false;
		run(asked, seed + 2, false);
	}
	after = usage_now();
	usage_compare(&before, &after);
	return verdict(now() - began, true);
}
