// SPDX-License-Identifier: MIT
/*
 * The cost of madvise(MADV_FREE) for different mappings: a worker (see worker.h) that
 * 'bench/run lazyfree' starts in kernels that it boots.
 *
 * Its questions are CASE:ns, nanoseconds per GiB; CASE:splits, huge pages split per GiB; and
 * CASE:freed, the fraction of the memory that is lazily free afterwards. Their "bytes" are MiB.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE	4096UL
#define HUGE	(2UL << 20)
#define GIB	(1UL << 30)

/* Offset into a page table where a huge page begins: then two page tables map it. */
#define SHIFT	(200 * PAGE)

struct result {
	double	ns;
	long	splits;
	long	lazy_kb;
};

/* The number after @key at the start of a line; with @p, in smaps' entry for @p. */
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
	/* Allows for the alignment. */
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
		errx(1, "the kernel did not allocate huge pages");
	/* From here on, khugepaged must not collapse pages. */
	if (madvise(p, len, MADV_NOHUGEPAGE))
		err(1, "MADV_NOHUGEPAGE");
	return p;
}

/* Protect a part of each huge page, and undo that: this splits the PMDs, but not the huge pages. */
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

/* Move the pages to an address where no PMD can map a huge page. */
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
	/* A second call drains the pages that wait in the per-CPU list. */
	madvise(p, PAGE, MADV_FREE);
	result.lazy_kb = number("/proc/self/smaps", "LazyFree:", p);
	return result;
}

/* The answer to a question: :ns and :splits per GiB, :freed as a fraction of the memory. */
static double answer(const char *name, size_t len)
{
	size_t i, of_case;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result result;
		char *p;

		of_case = strlen(cases[i].name);
		if (strncmp(name, cases[i].name, of_case) || name[of_case] != ':')
			continue;
		p = cases[i].map(len);
		result = measure(p, len);
		munmap(p, len);
		if (!strcmp(name + of_case, ":ns"))
			return result.ns * GIB / len;
		if (!strcmp(name + of_case, ":splits"))
			return (double)result.splits * GIB / len;
		if (!strcmp(name + of_case, ":freed"))
			return result.lazy_kb * 1024.0 / len;
	}
	errx(2, "unknown question '%s'", name);
}

int main(void)
{
	char line[128], name[64];
	size_t mib;

	setlinebuf(stdout);
	puts("{}");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "ask %63s %zu", name, &mib) != 2 || !mib || mib % 2)
			errx(2, "invalid request (or an odd number of MiB): %s", line);
		printf("%.4f\n", answer(name, mib << 20));
	}
	return 0;
}
