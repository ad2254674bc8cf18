// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <sched.h>
#include <sys/swap.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include "../kselftest.h"
#include "droppable_util.h"

#define CGROUPS		"/sys/fs/cgroup"
#define PATTERN_SIZE	32

#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define HUGE_PAGES	THP "enabled"
#define HUGE_DEFRAG	THP "defrag"

#define TIMEOUT_MS	90000
#define MAX_CHANGED	8
#define MAX_DEVICES	8
#define SWAP_READ	1048576
#define MAX_PAGE	65536

#define must(condition, ...) do {			\
	if (!(condition))				\
		ksft_exit_fail_msg(__VA_ARGS__);	\
} while (0)

size_t page;

static pid_t program;
static long swapped_before;

/* The settings of transparent huge pages when the program started. */
static char huge_pages[16], huge_defrag[16];

static void save_word(const char *file, char word[16])
{
	FILE *f = fopen(file, "re");

	if (!f || fscanf(f, "%*[^[][%15[^]]", word) != 1)
		word[0] = '\0';
	if (f)
		fclose(f);
}

static __attribute__((constructor)) void save_settings_at_start(void)
{
	page = getpagesize();
	program = getpid();
	swapped_before = file_number("/proc/vmstat", "pswpout ", NULL);
	save_word(HUGE_PAGES, huge_pages);
	save_word(HUGE_DEFRAG, huge_defrag);
}

static void allow_huge_pages(void)
{
	static bool done;

	if (!done) {
		write_to_file(HUGE_PAGES, "madvise");
		write_to_file(HUGE_DEFRAG, "madvise");
	}
	done = true;
}

/* Only in the program itself: the harness runs tests in children, which may call exit(). */
static __attribute__((destructor)) void restore_settings_at_exit(void)
{
	if (getpid() != program)
		return;
	write_to_file(HUGE_PAGES, huge_pages);
	write_to_file(HUGE_DEFRAG, huge_defrag);
}

long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool may_retry(long *end)
{
	long now = now_ms();

	if (*end)
		usleep(10000);
	else
		*end = now + TIMEOUT_MS;
	return now < *end;
}

static uint8_t pattern_byte(size_t i)
{
	return 0x80 | (i * 37 + (i >> 3) * 11 + 5);
}

/*
 * A page of the pattern, to copy and compare. It is not page aligned: if the kernel swaps
 * this program's own pages, none of them starts with the pattern.
 */
const uint8_t *pattern_page(void)
{
	static uint64_t buffer[(MAX_PAGE + 8) / 8];
	uint8_t *p = (uint8_t *)buffer + 1;

	for (size_t i = 0; i < page && !p[i]; i++)
		p[i] = pattern_byte(i % PATTERN_SIZE);
	return p;
}

static bool starts_with_pattern(const void *p)
{
	return !memcmp(p, pattern_page(), PATTERN_SIZE);
}

uint8_t *map_pages(int type, size_t len)
{
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, type | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap of %zu bytes, type %d: %s\n", len, type, strerror(errno));
	return p;
}

uint8_t *map_huge(int type, size_t len)
{
	uint8_t *p = map_pages(type, len + HUGE_SIZE), *aligned;

	aligned = (uint8_t *)(((unsigned long)p + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1));
	if (aligned > p)
		munmap(p, aligned - p);
	munmap(aligned + len, p + HUGE_SIZE - aligned);
	allow_huge_pages();
	must(!madvise(aligned, len, MADV_HUGEPAGE), "MADV_HUGEPAGE: %s\n", strerror(errno));
	return aligned;
}

void fill_pages(uint8_t *p, size_t len)
{
	for (size_t at = 0; at < len; at += page)
		memcpy(p + at, pattern_page(), page);
}

bool is_zero(const void *p, size_t len)
{
	for (const uint8_t *byte = p; len; len--)
		if (*byte++)
			return false;
	return true;
}

long count_dropped(const uint8_t *p, size_t len)
{
	static const uint8_t zeros[MAX_PAGE];
	long dropped = 0;

	for (size_t at = 0; at < len; at += page) {
		bool is_zeros = !p[at];

		if (memcmp(p + at, is_zeros ? zeros : pattern_page(), page))
			return -1;
		dropped += is_zeros;
	}
	return dropped;
}

bool swap_is_on(void)
{
	return file_number("/proc/meminfo", "SwapTotal:", NULL) > 0;
}

static long read_device(const char *device, bool (*matches)(const void *page))
{
	/* O_DIRECT: the page cache would return stale data. */
	int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	uint8_t *buffer = map_pages(MAP_PRIVATE, SWAP_READ);
	long found = 0;
	ssize_t got;

	must(fd >= 0, "opening the swap device %s: %s\n", device, strerror(errno));
	while ((got = read(fd, buffer, SWAP_READ)) > 0) {
		long here = 0;

		for (ssize_t at = 0; at < got; at += page)
			here += matches(buffer + at);
		found += here;
		/* Otherwise the kernel may swap this copy. */
		if (here)
			madvise(buffer, SWAP_READ, MADV_DONTNEED);
	}
	must(!got, "reading the swap device %s: %s\n", device, strerror(errno));
	munmap(buffer, SWAP_READ);
	close(fd);
	return found;
}

static int swap_devices(char devices[MAX_DEVICES][256])
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[512];
	int n = 0;

	must(f, "/proc/swaps: %s\n", strerror(errno));
	while (n < MAX_DEVICES && fgets(line, sizeof(line), f))
		n += sscanf(line, "%255s", devices[n]) == 1 && devices[n][0] == '/';
	fclose(f);
	return n;
}

long read_swap(bool (*matches)(const void *page))
{
	char devices[MAX_DEVICES][256];
	long found = 0;

	for (int n = swap_devices(devices); n--;)
		found += read_device(devices[n], matches);
	return found;
}

long count_on_swap(void)
{
	return read_swap(starts_with_pattern);
}

bool kernel_is_at_least(int major, int minor)
{
	int is_major, is_minor;
	struct utsname name;

	return !uname(&name) && sscanf(name.release, "%d.%d", &is_major, &is_minor) == 2 &&
	       (is_major > major || (is_major == major && is_minor >= minor));
}

bool reset_swap(void)
{
	char devices[MAX_DEVICES][256];
	bool renewed = true;

	for (int n = swap_devices(devices); n--;)
		renewed = !swapoff(devices[n]) && !swapon(devices[n], 0) && renewed;
	return renewed;
}

long found_on_swap(void)
{
	long swapped = vm_counter("pswpout"), found;

	if (swapped == swapped_before)
		return 0;
	found = count_on_swap();
	if (!found)
		swapped_before = swapped;
	return found;
}

bool file_line(const char *file, const char *key, const void *p, char *line, int size)
{
	unsigned long start, end;
	FILE *f = fopen(file, "re");
	bool here = !p, found = false;

	while (f && !found && fgets(line, size, f)) {
		if (p && sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (unsigned long)p >= start && (unsigned long)p < end;
		found = here && !strncmp(line, key, strlen(key));
	}
	if (f)
		fclose(f);
	return found;
}

long file_number(const char *file, const char *key, const void *p)
{
	char line[512];

	return file_line(file, key, p, line, sizeof(line)) ? atol(line + strlen(key)) : -1;
}

long vm_counter(const char *key)
{
	char with_space[64];
	long value;

	snprintf(with_space, sizeof(with_space), "%s ", key);
	value = file_number("/proc/vmstat", with_space, NULL);
	must(value >= 0, "/proc/vmstat has no %s\n", key);
	return value;
}

long smaps_kb_of(pid_t pid, const void *p, const char *key)
{
	char file[32];
	long value;

	snprintf(file, sizeof(file), "/proc/%d/smaps", pid);
	value = file_number(file, key, p);
	must(value >= 0, "%s has no %s for %p\n", file, key, p);
	return value;
}

long smaps_kb(const void *p, const char *key)
{
	return smaps_kb_of(getpid(), p, key);
}

bool smaps_flag(const void *p, const char *flag)
{
	char line[512];

	must(file_line("/proc/self/smaps", "VmFlags:", p, line, sizeof(line)),
	     "/proc/self/smaps has no VmFlags: for %p\n", p);
	return strstr(line + strlen("VmFlags:"), flag);
}

void read_words(const char *file, uint64_t first, uint64_t *words, size_t nr)
{
	size_t size = nr * sizeof(*words);
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	must(fd >= 0, "opening %s: %s\n", file, strerror(errno));
	must(pread(fd, words, size, first * sizeof(*words)) == (ssize_t)size,
	     "reading %s: %s\n", file, strerror(errno));
	close(fd);
}

static uint64_t word_of(const char *file, uint64_t index)
{
	uint64_t word;

	read_words(file, index, &word, 1);
	return word;
}

uint64_t page_frame(const void *p)
{
	const uint64_t present = 1ULL << 63, frame = (1ULL << 55) - 1;
	uint64_t entry = word_of("/proc/self/pagemap", (unsigned long)p / page);

	return entry & present ? entry & frame : 0;
}

uint64_t page_flags(const void *p)
{
	uint64_t frame = page_frame(p);

	return frame ? word_of("/proc/kpageflags", frame) : 0;
}

uint64_t frame_flags(uint64_t frame)
{
	uint64_t flags = word_of("/proc/kpageflags", frame);

	if (flags & KPF_COMPOUND_TAIL)
		flags = word_of("/proc/kpageflags", frame & ~(HUGE_SIZE / page - 1));
	return flags;
}

/* Some kernels, for example Linux 6.12, report every anonymous page as KSM's. */
static uint64_t ksm_flag(void)
{
	static bool known;
	static uint64_t flag = KPF_KSM;

	if (!known) {
		uint8_t *p = map_pages(MAP_PRIVATE, page);

		*p = 1;
		if (page_flags(p) & KPF_KSM)
			flag = 0;
		munmap(p, page);
		known = true;
	}
	return flag;
}

bool flags_are_droppable(uint64_t flags)
{
	return (flags & KPF_ANON) && !(flags & (KPF_SWAPBACKED | KPF_SWAPCACHE | ksm_flag()));
}

bool is_droppable_page(const void *p)
{
	uint64_t frame = page_frame(p);

	return frame && flags_are_droppable(frame_flags(frame));
}

/*
 * Like is_droppable_page() for each page, but reads the flags of a huge page once. The pages must
 * have all flags of @also too.
 */
static long count_flagged(const uint8_t *p, size_t len, uint64_t also)
{
	size_t huge = HUGE_SIZE / page;
	uint64_t flags = 0, first = 0, frame;
	long found = 0;

	for (size_t at = 0; at < len; at += page) {
		frame = page_frame(p + at);
		if (!frame)
			continue;
		if (!(flags & KPF_THP) || frame / huge != first / huge)
			flags = frame_flags(frame);
		first = frame;
		if (flags_are_droppable(flags) && (flags & also) == also)
			found++;
		/* The check itself allocates memory, so reclaim may drop the page meanwhile. */
		else if ((flags & KPF_ANON) && page_frame(p + at) == frame)
			return -1;
	}
	return found;
}

long count_droppable(const uint8_t *p, size_t len)
{
	return count_flagged(p, len, 0);
}

/* Retries, because another task may hold a reference to a page for a moment. */
bool pageout_until(uint8_t *p, size_t len, long pages)
{
	long end = 0;
	long left;

	do {
		drain_lists();
		if (madvise(p, len, MADV_PAGEOUT))
			return false;
		left = count_droppable(p, len);
	} while (left > pages && may_retry(&end));
	return left >= 0 && left <= pages;
}

const char *check_droppable(uint8_t *p, size_t len, long present)
{
	long pages = len / page, droppable, dropped;

	/* Only patched kernels have the flag. Without it, a freed page is not cleared. */
	droppable = count_flagged(p, len, getenv("DROPPABLE_STRICT") ? KPF_OWNER_PRIVATE : 0);
	if (droppable < 0)
		return "an anonymous page is not droppable";
	if (droppable < present)
		return "fewer pages are present than expected";
	dropped = count_dropped(p, len);
	if (dropped < 0)
		return "a page holds neither the pattern nor zeros";
	if (pages - dropped < present)
		return "fewer pages hold the pattern than expected";
	if (!pageout_until(p, len, 0))
		return "MADV_PAGEOUT does not drop all pages";
	if (found_on_swap())
		return "a page with the pattern is on swap";
	if (count_dropped(p, len) != pages)
		return "a dropped page does not read as zeros";
	return "";
}

bool hold_pages(int ends[2], void *p, size_t len)
{
	struct iovec pages = { p, len };

	return !pipe(ends) && vmsplice(ends[1], &pages, 1, SPLICE_F_NONBLOCK) == (ssize_t)len;
}

bool pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

void drain_lists(void)
{
	unsigned long nodes = 1;

	syscall(SYS_migrate_pages, 0, 8 * sizeof(nodes), &nodes, &nodes);
}

bool write_to_file(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return done;
}

bool write_number(const char *file, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	return write_to_file(file, text);
}

static struct {
	const char *file;
	long number;
} changed[MAX_CHANGED];
static int nr_changed;

bool change_setting(const char *file, long number)
{
	long was = file_number(file, "", NULL);

	if (nr_changed == MAX_CHANGED || !write_number(file, number))
		return false;
	changed[nr_changed].file = file;
	changed[nr_changed++].number = was;
	return true;
}

bool restore_settings(void)
{
	bool restored = true;

	for (; nr_changed; nr_changed--)
		restored &= write_number(changed[nr_changed - 1].file,
					 changed[nr_changed - 1].number);
	return restored;
}

static const char *cgroup_file(const char *name, const char *file)
{
	static char path[256];

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", name, file);
	return path;
}

bool set_cgroup(const char *name, const char *file, const char *value)
{
	return write_to_file(cgroup_file(name, file), value);
}

bool make_cgroup(const char *name, const char *max)
{
	if (!write_to_file(CGROUPS "/cgroup.subtree_control", "+memory"))
		return false;
	if (mkdir(cgroup_file(name, ""), 0755) && errno != EEXIST)
		return false;
	return set_cgroup(name, "memory.max", max);
}

bool move_to_cgroup(const char *name, pid_t pid)
{
	return write_number(cgroup_file(name, "cgroup.procs"), pid);
}

bool enter_cgroup(const char *name, const char *max)
{
	return make_cgroup(name, max) && move_to_cgroup(name, getpid());
}

bool limit_cgroup(const char *name, long max)
{
	return write_number(cgroup_file(name, "memory.max"), max);
}

long cgroup_number(const char *name, const char *file, const char *key)
{
	return file_number(cgroup_file(name, file), key, NULL);
}

void reclaim_cgroup(const char *name, size_t bytes)
{
	if (!write_number(cgroup_file(name, "memory.reclaim"), bytes))
		must(errno == EAGAIN || errno == EINTR, "memory.reclaim: %s\n", strerror(errno));
}

long resident(const uint8_t *p)
{
	return smaps_kb(p, "Rss:") * 1024 / page;
}

void reclaim_until(const char *name, const uint8_t *p, long pages)
{
	for (long end = 0; resident(p) > pages && may_retry(&end);) {
		drain_lists();
		reclaim_cgroup(name, resident(p) * page);
	}
}

void leave_cgroup(const char *name)
{
	move_to_cgroup("", getpid());
	rmdir(cgroup_file(name, ""));
}
