// SPDX-License-Identifier: MIT
/*
 * From which size on libvgetrandom gains by expanding a key.
 *
 * Both ways are measured through the library, which is told never to expand, or always
 * to: so both make the same decisions on their way, and a thread's first call, which is
 * not timed, brings both what they need.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "crossover.h"
#include "rounds.h"

#define ALWAYS	"1"
#define NEVER	"off"

static const size_t sizes[] = {
	64, 96, 128, 160, 192, 224, 256, 288, 320, 384, 448, 512, 513, 576, 640, 768,
};

static const char * const cores[] = { "avx512", "avx512vl", "avx2", "sse2" };
static const enum setting settings[] = { HERE, NO_VDSO };

#define NR_SIZES	ARRAY_SIZE(sizes)
#define NR_CORES	ARRAY_SIZE(cores)
#define NR_SETTINGS	ARRAY_SIZE(settings)
#define MAX_TIMINGS	(NR_SETTINGS * (NR_CORES + 1) * NR_SIZES)

/* Those who expand, by core; after them the one who does not. */
#define SMALL		NR_CORES
#define NR_REMOTES	(NR_CORES + 1)

static struct remote remotes[NR_SETTINGS][NR_REMOTES];

/* Once for all of them, as long as it is the same reason. */
static void print_absent(size_t s, size_t r)
{
	const char *why = remotes[s][r].hello.absent;
	static const char *last;

	if (!*why || (last && !strcmp(last, why)))
		return;
	last = why;
	printf("crossover, %s: %s is left out: %s\n", setting_name(settings[s]),
	       r == SMALL ? "what is not expanded" : cores[r], why);
}

static void start_all(const struct places *places)
{
	size_t s, r;

	for (s = 0; s < NR_SETTINGS; s++) {
		for (r = 0; r < NR_REMOTES; r++) {
			const struct way way = {
				settings[s], "vgetrandom", true,
				r == SMALL ? NULL : cores[r], r == SMALL ? NEVER : ALWAYS,
			};
			struct hello *hello = &remotes[s][r].hello;

			way_start(&remotes[s][r], &way, places);
			if (r != SMALL && !*hello->absent && !hello->large_from)
				strcpy(hello->absent, "the library does not expand here");
			print_absent(s, r);
		}
	}
}

static const struct timing *find(const struct timing *timings, size_t nr,
				 const struct remote *remote, size_t bytes)
{
	const struct timing *timing;

	for (timing = timings; timing < timings + nr; timing++)
		if (timing->remote == remote && timing->bytes == bytes)
			return timing;
	/* They are made for each of each. */
	abort();
}

static void write_row(FILE *rows, size_t s, size_t r, const struct timing *expand,
		      const struct timing *small)
{
	fprintf(rows,
		"{\"where\": \"%s\", \"impl\": \"libvgetrandom\", \"core\": \"%s\", \"bytes\": %zu, \"ns_expanded\": %.2f, \"ns_not_expanded\": %.2f}\n",
		setting_name(settings[s]), cores[r], expand->bytes, expand->ns, small->ns);
}

static void print_line(const struct timing *timings, size_t nr, size_t s, size_t r, FILE *rows)
{
	const struct timing *timing, *small;
	size_t i, from = 0;

	if (*remotes[s][r].hello.absent)
		return;
	printf("%-12s", r == SMALL ? s ? "system call" : "vDSO" : cores[r]);
	for (i = NR_SIZES; i-- > 0; ) {
		timing = find(timings, nr, &remotes[s][r], sizes[i]);
		small = find(timings, nr, &remotes[s][SMALL], sizes[i]);
		if (timing->ns >= small->ns)
			break;
		from = sizes[i];
	}
	for (i = 0; i < NR_SIZES; i++) {
		timing = find(timings, nr, &remotes[s][r], sizes[i]);
		small = find(timings, nr, &remotes[s][SMALL], sizes[i]);
		printf("%7.0f", timing->ns);
		if (rows && r != SMALL)
			write_row(rows, s, r, timing, small);
	}
	if (from)
		printf("%10zu", from);
	putchar('\n');
}

static void print_table(const struct timing *timings, size_t nr, size_t s, FILE *rows)
{
	size_t i, r;

	if (*remotes[s][SMALL].hello.absent)
		return;
	printf("\n%s: ns to expand a key, by bytes, and from where on that is always faster\n%-12s",
	       setting_name(settings[s]), "");
	for (i = 0; i < NR_SIZES; i++)
		printf("%7zu", sizes[i]);
	printf("%10s\n", "from");
	for (r = 0; r < NR_REMOTES; r++)
		print_line(timings, nr, s, r, rows);
}

void crossover_find(const struct places *places, unsigned int rounds, double slice_ns,
		    FILE *rows)
{
	static struct timing timings[MAX_TIMINGS];
	size_t i, s, r, nr = 0;

	start_all(places);
	for (i = 0; i < NR_SIZES; i++)
		for (s = 0; s < NR_SETTINGS; s++)
			for (r = 0; r < NR_REMOTES; r++)
				if (!*remotes[s][r].hello.absent)
					timings[nr++] = (struct timing) {
						.remote = &remotes[s][r], .bytes = sizes[i],
						.threads = 1,
					};
	fprintf(stderr, "libraries: %zu figures around the crossover: %.0f s or more\n", nr,
		nr * rounds * slice_ns / 1e9);
	rounds_run(timings, nr, rounds, slice_ns);
	for (s = 0; s < NR_SETTINGS; s++)
		print_table(timings, nr, s, rows);
}
