// SPDX-License-Identifier: MIT
/*
 * Whether threads that make calls at the same time get in each other's way.
 *
 * Of what there is on this kernel with its own vDSO: our vDSO, hosted with each of its
 * cores, bench.c measures, at the same size.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <string.h>

#include "comparison.h"
#include "rounds.h"
#include "scaling.h"

#define BYTES		32
#define MAX_COUNTS	16

static unsigned int counts[MAX_COUNTS];
static size_t nr_counts;

/* As bench.c: powers of two, and as many as there are processors. */
static void plan_counts(void)
{
	unsigned int threads, nr;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_getaffinity");
	nr = CPU_COUNT(&cpus);
	for (threads = 1; threads < nr && nr_counts < MAX_COUNTS - 1; threads *= 2)
		counts[nr_counts++] = threads;
	counts[nr_counts++] = nr;
}

/* With the core that the library wants: for small requests all are the same. */
static bool takes_part(const struct entry *entry)
{
	return !strcmp(setting_name(entry->way->setting), setting_name(HERE)) &&
	       !entry->way->core && !*entry->remote.hello.absent;
}

static void print_line(const struct entry *entry, const struct timing *timings)
{
	const struct hello *hello = &entry->remote.hello;
	size_t c;

	printf("%-19s%-10s%-17s%-11s", hello->impl, hello->core, comparison_called(entry->way),
	       hello->libc);
	for (c = 0; c < nr_counts; c++)
		printf("%8.1f", counts[c] * 1e3 / timings[c].ns);
	putchar('\n');
}

static void print_table(const struct entry *const *entries, size_t nr,
			const struct timing *timings)
{
	size_t c, i;

	printf("\n%s, %d bytes: millions of calls a second, by threads\n%-57s",
	       setting_name(HERE), BYTES, "");
	for (c = 0; c < nr_counts; c++)
		printf("%8u", counts[c]);
	putchar('\n');
	for (i = 0; i < nr; i++)
		print_line(entries[i], &timings[i * nr_counts]);
}

static void write_rows(FILE *rows, const struct entry *entry, const struct timing *timings)
{
	const struct hello *hello = &entry->remote.hello;
	size_t c;

	for (c = 0; c < nr_counts; c++)
		fprintf(rows,
			"{\"where\": \"%s\", \"impl\": \"%s\", \"core\": \"%s\", \"libc\": \"%s\", \"call\": \"%s\", \"bytes\": %d, \"threads\": %u, \"ns_per_call\": %.2f}\n",
			setting_name(entry->way->setting), hello->impl, hello->core, hello->libc,
			comparison_called(entry->way), BYTES, counts[c], timings[c].ns);
}

void scaling_find(const struct places *places, unsigned int rounds, double slice_ns,
		  FILE *rows)
{
	static struct timing timings[MAX_ENTRIES * MAX_COUNTS];
	static struct comparison comparison;
	const struct entry *entries[MAX_ENTRIES];
	const struct entry *entry;
	size_t c, i, nr = 0;

	plan_counts();
	comparison_open(&comparison, places);
	for (entry = comparison.entries; entry < comparison.entries + comparison.nr_entries;
	     entry++) {
		if (!takes_part(entry))
			continue;
		for (c = 0; c < nr_counts; c++)
			timings[nr * nr_counts + c] = (struct timing) {
				.remote = &entry->remote, .bytes = BYTES, .threads = counts[c],
			};
		entries[nr++] = entry;
	}
	fprintf(stderr, "libraries: %zu figures over threads: %.0f s or more\n",
		nr * nr_counts, nr * nr_counts * rounds * slice_ns / 1e9);
	rounds_run(timings, nr * nr_counts, rounds, slice_ns);
	print_table(entries, nr, timings);
	for (i = 0; rows && i < nr; i++)
		write_rows(rows, entries[i], &timings[i * nr_counts]);
}
