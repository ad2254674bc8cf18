// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../kselftest.h"
#include "droppable_util.h"

#define CGROUPS		"/sys/fs/cgroup"
#define PATTERN_SIZE	32

#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define HUGE_PAGES	THP "enabled"
#define HUGE_EFFORT	THP "defrag"

#define PATIENCE_S	60

#define must(condition, ...) do {			\
	if (!(condition))				\
		ksft_exit_fail_msg(__VA_ARGS__);	\
} while (0)

bool patience(time_t *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (*end)
		usleep(10000);
	else
		*end = now.tv_sec + PATIENCE_S;
	return now.tv_sec < *end;
}

/* Made, not stored: a program's own pages must not look like it on the swap. */
static uint8_t pattern_byte(size_t i)
{
	return 0x80 | (i * 37 + (i >> 3) * 11 + 5);
}

static bool starts_with_pattern(const uint8_t *p)
{
	for (size_t i = 0; i < PATTERN_SIZE; i++)
		if (p[i] != pattern_byte(i))
			return false;
	return true;
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
	must(!madvise(aligned, len, MADV_HUGEPAGE), "MADV_HUGEPAGE: %s\n", strerror(errno));
	return aligned;
}

void fill_pages(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = pattern_byte(i % PATTERN_SIZE);
}

long count_dropped(const uint8_t *p, size_t len)
{
	size_t page = getpagesize();
	long dropped = 0;

	for (size_t at = 0; at < len; at += page) {
		bool zeros = !p[at];

		for (size_t i = 0; i < page; i++)
			if (p[at + i] != (zeros ? 0 : pattern_byte(i % PATTERN_SIZE)))
				return -1;
		dropped += zeros;
	}
	return dropped;
}

bool swap_is_on(void)
{
	return file_number("/proc/meminfo", "SwapTotal:", NULL) > 0;
}

static long count_on_device(const char *device)
{
	/* Not through the page cache, which does not see what is swapped. */
	int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	size_t size = 1 << 20, page = getpagesize();
	ssize_t got;
	uint8_t *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long found = 0;

	must(fd >= 0, "opening the swap device %s: %s\n", device, strerror(errno));
	must(buffer != MAP_FAILED, "mmap: %s\n", strerror(errno));
	while ((got = read(fd, buffer, size)) > 0) {
		long here = 0;

		for (ssize_t at = 0; at < got; at += page)
			here += starts_with_pattern(buffer + at);
		found += here;
		/* What was found is not to be swapped from here. */
		if (here)
			madvise(buffer, size, MADV_DONTNEED);
	}
	must(!got, "reading the swap device %s: %s\n", device, strerror(errno));
	munmap(buffer, size);
	close(fd);
	return found;
}

long count_on_swap(void)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[512], device[256];
	long found = 0;

	must(f, "/proc/swaps: %s\n", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s", device) == 1 && device[0] == '/')
			found += count_on_device(device);
	fclose(f);
	return found;
}

static long swapped_before;

static __attribute__((constructor)) void note_swapped(void)
{
	swapped_before = file_number("/proc/vmstat", "pswpout ", NULL);
}

bool kernel_since(int major, int minor)
{
	int is_major, is_minor;
	struct utsname name;

	return !uname(&name) && sscanf(name.release, "%d.%d", &is_major, &is_minor) == 2 &&
	       (is_major > major || (is_major == major && is_minor >= minor));
}

bool renew_swap(void)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[512], devices[8][256];
	bool renewed = true;
	int n = 0;

	must(f, "/proc/swaps: %s\n", strerror(errno));
	while (n < 8 && fgets(line, sizeof(line), f))
		n += sscanf(line, "%255s", devices[n]) == 1 && devices[n][0] == '/';
	fclose(f);
	while (n--)
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

/* The first line that starts with @key; of smaps, the one about @p. */
static bool file_line(const char *file, const char *key, const void *p, char *line, int size)
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

static uint64_t word_of(const char *file, uint64_t index)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	uint64_t word;

	must(fd >= 0, "opening %s: %s\n", file, strerror(errno));
	must(pread(fd, &word, sizeof(word), index * sizeof(word)) == sizeof(word),
	     "reading %s: %s\n", file, strerror(errno));
	close(fd);
	return word;
}

uint64_t page_frame(const void *p)
{
	const uint64_t present = 1ULL << 63, frame = (1ULL << 55) - 1;
	uint64_t entry = word_of("/proc/self/pagemap", (unsigned long)p / getpagesize());

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
		flags = word_of("/proc/kpageflags", frame & ~(HUGE_SIZE / getpagesize() - 1));
	return flags;
}

/* Some kernels, Linux 6.12 is one, say of every anonymous page that it is KSM's. */
static uint64_t ksm_flag(void)
{
	static bool asked;
	static uint64_t flag = KPF_KSM;

	if (!asked) {
		uint8_t *p = map_pages(MAP_PRIVATE, getpagesize());

		*p = 1;
		if (page_flags(p) & KPF_KSM)
			flag = 0;
		munmap(p, getpagesize());
		asked = true;
	}
	return flag;
}

bool are_droppable(uint64_t flags)
{
	return (flags & KPF_ANON) && !(flags & (KPF_SWAPBACKED | KPF_SWAPCACHE | ksm_flag()));
}

bool is_droppable_page(const void *p)
{
	uint64_t frame = page_frame(p);

	return frame && are_droppable(frame_flags(frame));
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

/* The word of a setting of transparent huge pages that is in force. */
static void save_setting(const char *file, char word[16])
{
	FILE *f = fopen(file, "re");

	if (!f || fscanf(f, "%*[^[][%15[^]]", word) != 1)
		word[0] = '\0';
	if (f)
		fclose(f);
}

bool allow_huge(struct huge_settings *saved)
{
	bool allowed;

	save_setting(HUGE_PAGES, saved->pages);
	save_setting(HUGE_EFFORT, saved->effort);
	allowed = write_to_file(HUGE_PAGES, "madvise");
	return write_to_file(HUGE_EFFORT, "madvise") && allowed;
}

void restore_huge(const struct huge_settings *saved)
{
	write_to_file(HUGE_PAGES, saved->pages);
	write_to_file(HUGE_EFFORT, saved->effort);
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
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return set_cgroup(name, "cgroup.procs", text);
}

bool enter_cgroup(const char *name, const char *max)
{
	return make_cgroup(name, max) && move_to_cgroup(name, getpid());
}

long cgroup_number(const char *name, const char *file, const char *key)
{
	return file_number(cgroup_file(name, file), key, NULL);
}

void reclaim_cgroup(const char *name, size_t bytes)
{
	char amount[32];

	snprintf(amount, sizeof(amount), "%zu", bytes);
	if (!set_cgroup(name, "memory.reclaim", amount))
		must(errno == EAGAIN || errno == EINTR, "memory.reclaim: %s\n", strerror(errno));
}

void leave_cgroup(const char *name)
{
	move_to_cgroup("", getpid());
	rmdir(cgroup_file(name, ""));
}
