/* SPDX-License-Identifier: MIT */
/*
 * libvgetrandom and what it is compared with, at all sizes.
 */
#ifndef _BENCH_COMPARISON_H
#define _BENCH_COMPARISON_H

#include <stdio.h>

#include "rounds.h"
#include "settings.h"

#define NR_LIBRARY_SIZES	12
#define MAX_ENTRIES		32

extern const size_t library_sizes[NR_LIBRARY_SIZES];

/**
 * struct entry - one that is compared
 * @way: what it calls, and how
 * @remote: who does
 */
struct entry {
	const struct way	*way;
	struct remote		remote;
};

/**
 * struct comparison - all of them
 * @entries: also those that are absent
 * @nr_entries: how many
 * @timings: of those that are not, at all sizes
 * @nr_timings: how many
 */
struct comparison {
	struct entry	entries[MAX_ENTRIES];
	size_t		nr_entries;
	struct timing	timings[MAX_ENTRIES * NR_LIBRARY_SIZES];
	size_t		nr_timings;
};

/**
 * comparison_open - start them all
 * @comparison: filled in, without timings
 * @places: where there is what they need
 *
 * Says who is absent, and why.
 */
void comparison_open(struct comparison *comparison, const struct places *places);

/**
 * comparison_called - the name of the function that is called
 * @way: in which way
 *
 * Return: a string, until the next call.
 */
const char *comparison_called(const struct way *way);

/**
 * comparison_run - start them all, and time them
 * @comparison: filled in
 * @places: where there is what they need
 * @rounds: as rounds_run()
 * @slice_ns: likewise
 *
 * Says who is absent, and why.
 */
void comparison_run(struct comparison *comparison, const struct places *places,
		    unsigned int rounds, double slice_ns);

/**
 * comparison_find - one of them by what it is
 * @comparison: all
 * @setting: what it runs on
 * @function: what it calls
 * @preload: with libvgetrandom preloaded, or without
 * @core: with this core, and no other; NULL: with the one that the library wants
 *
 * Return: NULL if it is absent.
 */
const struct entry *comparison_find(const struct comparison *comparison, enum setting setting,
				    const char *function, bool preload, const char *core);

/**
 * comparison_ns - the time of a call
 * @comparison: all
 * @entry: of one that is not absent; NULL is allowed
 * @bytes: for how many bytes
 *
 * Return: NAN if it has not been measured.
 */
double comparison_ns(const struct comparison *comparison, const struct entry *entry,
		     size_t bytes);

/**
 * comparison_print - print tables, a line for each
 * @comparison: all
 */
void comparison_print(const struct comparison *comparison);

/**
 * comparison_write - write JSON objects, one a line
 * @comparison: all
 * @out: where to
 */
void comparison_write(const struct comparison *comparison, FILE *out);

#endif /* _BENCH_COMPARISON_H */
