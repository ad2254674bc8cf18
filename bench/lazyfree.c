// SPDX-License-Identifier: MIT
/*
 * What madvise(MADV_FREE) costs, by how the memory is mapped. bench/lazyfree-run
 * boots kernels to run this in them.
 *
 * usage: lazyfree MIB ROUNDS
 *
 * Prints a line for each case: its name, nanoseconds per GiB in the best round,
 * huge pages split per GiB, and which part of the memory was marked lazily free.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE	4096UL
#define HUGE	(2UL << 20)
#define GIB	(1UL << 30)

/* Where in a page table a huge page begins that lies in two of them. */
#define SHIFT	(200 * PAGE)

struct result {
	double	ns;
	long	splits;
	long	lazy_kb;
};

/* The number after @key, which starts a line; of smaps, in the part about @p. */
static long number(const char *file, const char *key, const void *p)
{
	unsigned long start, end;
	char line[256];
	FILE *f = fopen(file, "re");
	int here = !p;
	long value = -1;

	if (!f)
		err(1, "%s", file);
	while (value < 0 && fgets(line, sizeof(line), f)) {
		if (p && sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (unsigned long)p >= start && (unsigned long)p < end;
		if (here && !strncmp(line, key, strlen(key)))
			value = atol(line + strlen(key));
	}
	fclose(f);
	if (value < 0)
		errx(1, "%s has no %s", file, key);
	return value;
}

static char *map(size_t len, int advice)
{
	/* Room for the shift behind it, and to align it. */
	char *p = mmap(NULL, len + 2 * HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *aligned = (char *)(((unsigned long)p + HUGE - 1) & -HUGE);

	if (p == MAP_FAILED)
		err(1, "mmap of %zu MiB", len >> 20);
	if (aligned > p)
		munmap(p, aligned - p);
	munmap(aligned + len, p + 2 * HUGE - aligned);
	if (madvise(aligned, len, advice))
		err(1, "madvise(%d)", advice);
	memset(aligned, 0x5a, len);
	return aligned;
}

static char *map_base(size_t len)
{
	return map(len, MADV_NOHUGEPAGE);
}

static char *map_huge(size_t len)
{
	char *p = map(len, MADV_HUGEPAGE);

	if (number("/proc/self/smaps", "AnonHugePages:", p) != (long)len / 1024)
		errx(1, "the kernel did not give huge pages");
	/* khugepaged is to leave them as they are. */
	if (madvise(p, len, MADV_NOHUGEPAGE))
		err(1, "MADV_NOHUGEPAGE");
	return p;
}

/* One page of each with other rights, and back: the huge pages stay whole. */
static char *map_ptes(size_t len)
{
	char *p = map_huge(len);

	for (size_t at = 0; at < len; at += HUGE)
		if (mprotect(p + at, PAGE, PROT_READ))
			err(1, "mprotect");
	if (mprotect(p, len, PROT_READ | PROT_WRITE))
		err(1, "mprotect");
	return p;
}

/* To where no huge page can be mapped as one. */
static char *map_two_tables(size_t len)
{
	char *p = map_huge(len), *room, *to;

	room = mmap(NULL, len + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		err(1, "mmap");
	munmap(room, len + 2 * HUGE);
	to = (char *)(((unsigned long)room + HUGE - 1) & -HUGE) + SHIFT;
	if (mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		err(1, "mremap");
	return to;
}

static const struct {
	const char	*name;
	char		*(*map)(size_t len);
} cases[] = {
	{ "base-pages",		map_base },
	{ "huge",		map_huge },
	{ "huge-ptes",		map_ptes },
	{ "huge-two-tables",	map_two_tables },
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static struct result measure(char *p, size_t len)
{
	struct result result = { .splits = number("/proc/vmstat", "thp_split_page ", NULL) };

	result.ns = -now_ns();
	if (madvise(p, len, MADV_FREE))
		err(1, "MADV_FREE");
	result.ns += now_ns();
	result.splits = number("/proc/vmstat", "thp_split_page ", NULL) - result.splits;
	/* The next call puts on the list what waits in that of the CPU. */
	madvise(p, PAGE, MADV_FREE);
	result.lazy_kb = number("/proc/self/smaps", "LazyFree:", p);
	return result;
}

int main(int argc, char **argv)
{
	size_t len = argc == 3 ? strtoul(argv[1], NULL, 0) << 20 : 0;
	int rounds = argc == 3 ? atoi(argv[2]) : 0;
	cpu_set_t one;

	if (!len || len % HUGE || rounds < 1)
		errx(2, "usage: lazyfree MIB ROUNDS; MIB is even");
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result best = { .ns = -1 };

		for (int round = 0; round < rounds; round++) {
			char *p = cases[i].map(len);
			struct result result = measure(p, len);

			munmap(p, len);
			if (best.ns < 0 || result.ns < best.ns)
				best = result;
		}
		printf("%s %.0f %.1f %.4f\n", cases[i].name, best.ns * GIB / len,
		       (double)best.splits * GIB / len, best.lazy_kb * 1024.0 / len);
	}
	return 0;
}
