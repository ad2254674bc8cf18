// SPDX-License-Identifier: MIT
/*
 * What is asked of libvgetrandom, and what it does.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "promises.h"

/*
 * Two measurements of the same code differ, even their minima: where code lies decides
 * on a nanosecond, and the time of a system call on this is less sure than that.
 */
#define NOISE_NS	1.0
#define NOISE_RATIO	0.03

#define LARGE_FROM	1024
#define KEY_BYTES	32
#define MOST_OVERHEAD	2.5
#define SMALL_BYTES	128	/* with no way around the system call, small is up to here */

static unsigned int checked;
static unsigned int missed;

static bool is_slower(double ours, double theirs)
{
	return ours > theirs * (1 + NOISE_RATIO) + NOISE_NS;
}

static void print_sizes(void)
{
	size_t s;

	printf("%-44s", "");
	for (s = 0; s < NR_LIBRARY_SIZES; s++)
		printf("%8zu", library_sizes[s]);
	putchar('\n');
}

static void print_cell(double value, int decimals, bool is_missed)
{
	checked += !isnan(value);
	missed += is_missed;
	if (isnan(value))
		printf("%8s", "-");
	else
		printf("%7.*f%c", decimals, value, is_missed ? '!' : ' ');
}

/* @least: theirs over ours from 1024 bytes on; 0: nothing but not to be slower. */
static void against_newer(const struct comparison *comparison, const struct entry *ours,
			  const char *name, double least)
{
	const struct entry *theirs = comparison_find(comparison, NEWER, "getrandom", false, NULL);
	double our_ns, their_ns;
	size_t s;
	bool bad;

	if (!ours || !theirs)
		return;
	printf("%-44s", name);
	for (s = 0; s < NR_LIBRARY_SIZES; s++) {
		our_ns = comparison_ns(comparison, ours, library_sizes[s]);
		their_ns = comparison_ns(comparison, theirs, library_sizes[s]);
		bad = is_slower(our_ns, their_ns) ||
		      (library_sizes[s] >= LARGE_FROM && their_ns < least * our_ns);
		print_cell(their_ns / our_ns, 2, bad);
	}
	putchar('\n');
}

/*
 * The least that expanding takes: drawing a key, and the passes. How long a pass is comes
 * from what requests of many of them take.
 */
static double limit_ns(const struct comparison *comparison, const struct entry *ours,
		       size_t pass_bytes, size_t bytes)
{
	const struct entry *vdso = comparison_find(comparison, HERE, "__vdso_getrandom", false,
						   NULL);
	const size_t many = library_sizes[NR_LIBRARY_SIZES - 1];
	const size_t fewer = library_sizes[NR_LIBRARY_SIZES - 2];
	double pass_ns = (comparison_ns(comparison, ours, many) -
			  comparison_ns(comparison, ours, fewer)) * pass_bytes / (many - fewer);

	return comparison_ns(comparison, vdso, KEY_BYTES) +
	       (bytes + pass_bytes - 1) / pass_bytes * pass_ns;
}

static void print_limit(const struct comparison *comparison, const struct entry *ours,
			size_t pass_bytes)
{
	const struct entry *theirs = comparison_find(comparison, NEWER, "getrandom", false, NULL);
	size_t s;

	if (!ours)
		return;
	printf("%-44s", "    if there were but a key and the passes");
	for (s = 0; s < NR_LIBRARY_SIZES; s++)
		print_cell(library_sizes[s] < LARGE_FROM ? NAN :
			   comparison_ns(comparison, theirs, library_sizes[s]) /
			   limit_ns(comparison, ours, pass_bytes, library_sizes[s]), 2, false);
	putchar('\n');
}

static void print_against_newer(const struct comparison *comparison)
{
	static const struct {
		const char	*name;
		double		least;		/* from LARGE_FROM on; 0: nothing */
		size_t		pass_bytes;
	} cores[] = {
		{ "avx512", 8, 1024 },
		{ "avx512vl", 0, 512 },
		{ "avx2", 4, 512 },
		{ "sse2", 0, 512 },
	};
	const struct entry *ours;
	char text[64];
	size_t c;

	if (!comparison_find(comparison, NEWER, "getrandom", false, NULL))
		return;
	printf("\ntargets: glibc 2.41's time over ours: nowhere less than 1 (%.0f %% and %.0f ns are noise)\n",
	       100 * NOISE_RATIO, NOISE_NS);
	print_sizes();
	against_newer(comparison, comparison_find(comparison, HERE, "getrandom", true, NULL),
		      "getrandom, preloaded", 0);
	against_newer(comparison, comparison_find(comparison, NEWER, "getrandom", true, NULL),
		      "getrandom, preloaded on glibc 2.41", 0);
	for (c = 0; c < ARRAY_SIZE(cores); c++) {
		ours = comparison_find(comparison, HERE, "vgetrandom", true, cores[c].name);
		snprintf(text, sizeof(text), cores[c].least ? "%s, from %d on at least %.0f" : "%s",
			 cores[c].name, LARGE_FROM, cores[c].least);
		against_newer(comparison, ours, text, cores[c].least);
		print_limit(comparison, ours, cores[c].pass_bytes);
	}
}

/*
 * What a call costs more than one of the vDSO function, as long as it is served by that.
 * @most: at small sizes; INFINITY: nothing is asked of it
 */
static void print_overhead(const struct comparison *comparison, const char *name,
			   const struct entry *ours, const struct entry *theirs, double most)
{
	size_t from, s;
	double ns;

	if (!ours || !theirs)
		return;
	from = ours->remote.hello.large_from;
	printf("%-44s", name);
	for (s = 0; s < NR_LIBRARY_SIZES; s++) {
		ns = NAN;
		if (!from || library_sizes[s] < from)
			ns = comparison_ns(comparison, ours, library_sizes[s]) -
			     comparison_ns(comparison, theirs, library_sizes[s]);
		print_cell(ns, 1, library_sizes[s] <= 16 && ns > most);
	}
	putchar('\n');
}

static void print_overheads(const struct comparison *comparison)
{
	const struct entry *vdso = comparison_find(comparison, HERE, "__vdso_getrandom", false,
						   NULL);
	const struct entry *our_vdso = comparison_find(comparison, OUR_VDSO, "__vdso_getrandom",
						       false, NULL);

	if (!vdso)
		return;
	printf("\ntargets: ns more than a call of the vDSO function: at 4 and 16 bytes at most %.1f\n",
	       MOST_OVERHEAD);
	print_sizes();
	print_overhead(comparison, "getrandom, preloaded",
		       comparison_find(comparison, HERE, "getrandom", true, NULL), vdso,
		       MOST_OVERHEAD);
	print_overhead(comparison, "vgetrandom",
		       comparison_find(comparison, HERE, "vgetrandom", true, "avx2"), vdso,
		       MOST_OVERHEAD);
	print_overhead(comparison, "glibc 2.41's getrandom",
		       comparison_find(comparison, NEWER, "getrandom", false, NULL), vdso,
		       INFINITY);
	print_overhead(comparison, "vgetrandom, on our vDSO",
		       comparison_find(comparison, OUR_VDSO, "vgetrandom", true, NULL), our_vdso,
		       MOST_OVERHEAD);
}

static void print_no_vdso(const struct comparison *comparison)
{
	const struct entry *ours = comparison_find(comparison, NO_VDSO, "vgetrandom", true, NULL);
	const struct entry *theirs = comparison_find(comparison, NO_VDSO, "syscall", false, NULL);
	double our_ns, their_ns;
	size_t s;

	if (!ours || !theirs)
		return;
	printf("\ntargets: without a vDSO, the system call's time over ours: up to %d bytes the same\n",
	       SMALL_BYTES);
	print_sizes();
	printf("%-44s", "vgetrandom");
	for (s = 0; s < NR_LIBRARY_SIZES; s++) {
		our_ns = comparison_ns(comparison, ours, library_sizes[s]);
		their_ns = comparison_ns(comparison, theirs, library_sizes[s]);
		print_cell(their_ns / our_ns, 2, is_slower(our_ns, their_ns));
	}
	putchar('\n');
}

void promises_print(const struct comparison *comparison)
{
	checked = 0;
	missed = 0;
	print_against_newer(comparison);
	print_overheads(comparison);
	print_no_vdso(comparison);
	if (missed)
		printf("%u of them missed, marked with \"!\"\n", missed);
	else if (checked)
		puts("all of them reached");
}
