// SPDX-License-Identifier: MIT
/*
 * bench: how long does it take to get random bytes? Our vDSO against the ways
 * there are already. See show_help(); bench/run is what calls this.
 */
#define _GNU_SOURCE
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contenders.h"
#include "measure.h"
#include "report.h"

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))

static const size_t sizes[] = { 1, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 65536, 1048576 };

struct options {
	const char	*image;
	const char	*rows;
	struct schedule	schedule;
};

static void show_help(FILE *out)
{
	fputs("usage: bench [--image VDSO64_SO_DBG] [--rounds N] [--slice-ms N] [--rows FILE]\n"
	      "       bench --host\n"
	      "\n"
	      "Times vDSO getrandom(), libc's and the system call, on one thread and on all\n"
	      "processors, and prints tables.\n"
	      "\n"
	      "  --image FILE  \"native\": host this image of our vDSO as \"vdso\"; without it,\n"
	      "                \"guest\": the running kernel is ours, and so is its vDSO\n"
	      "  --rounds N    each figure is the best of N slices of time (20)\n"
	      "  --slice-ms N  how long a slice is (10)\n"
	      "  --rows FILE   write each figure as a JSON object on a line; \"-\": to stdout\n"
	      "  --host        print the machine as a JSON object, and do nothing else\n", out);
}

static unsigned int parse_count(const char *name, const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < 1 || value > 100000)
		errx(2, "--%s %s: not a number from 1 to 100000", name, text);
	return value;
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "image",	required_argument, NULL, 'i' },
		{ "rounds",	required_argument, NULL, 'n' },
		{ "slice-ms",	required_argument, NULL, 's' },
		{ "rows",	required_argument, NULL, 'r' },
		{ "host",	no_argument,	   NULL, 'H' },
		{ "help",	no_argument,	   NULL, 'h' },
		{ }
	};
	struct options options = { .schedule = { .rounds = 20, .slice_ns = 10e6 } };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'i':
			options.image = optarg;
			break;
		case 'n':
			options.schedule.rounds = parse_count("rounds", optarg);
			break;
		case 's':
			options.schedule.slice_ns = parse_count("slice-ms", optarg) * 1e6;
			break;
		case 'r':
			options.rows = optarg;
			break;
		case 'H':
			report_host(stdout);
			exit(0);
		case 'h':
			show_help(stdout);
			exit(0);
		default:
			show_help(stderr);
			exit(2);
		}
	}
	/* Who takes the rows from stdout is a program. */
	options.schedule.show_progress = isatty(STDERR_FILENO) &&
		(!options.rows || strcmp(options.rows, "-"));
	if (optind < argc)
		errx(2, "%s: it takes no arguments but options; see --help", argv[optind]);
	return options;
}

/* In this order contenders alternate: first by threads, then size, then who. */
static size_t plan(struct figure *figures, const struct contender *contenders,
		   const unsigned int *threads, size_t nr_threads)
{
	size_t t, s, c, nr = 0;

	for (t = 0; t < nr_threads; t++)
		for (s = 0; s < ARRAY_SIZE(sizes); s++)
			for (c = 0; c < NR_CONTENDERS; c++)
				if (!contenders[c].absent)
					figures[nr++] = (struct figure) {
						.contender = &contenders[c],
						.bytes = sizes[s],
						.threads = threads[t],
					};
	return nr;
}

static void write_rows(const char *path, const struct figure *figures, size_t nr,
		       const char *where)
{
	FILE *out = strcmp(path, "-") ? fopen(path, "w") : stdout;

	if (!out)
		err(1, "%s", path);
	report_rows(out, figures, nr, where);
	if (fflush(out) || ferror(out) || (out != stdout && fclose(out)))
		err(1, "%s: cannot write the rows", path);
}

int main(int argc, char **argv)
{
	struct figure figures[2 * ARRAY_SIZE(sizes) * NR_CONTENDERS];
	const struct options options = parse_options(argc, argv);
	const char *where = options.image ? "native" : "guest";
	struct contender contenders[NR_CONTENDERS];
	unsigned int threads[2];
	size_t i, nr, nr_threads;

	/* In step with stderr, also into a file. */
	setlinebuf(stdout);
	threads[0] = 1;
	threads[1] = measure_open(sizes[ARRAY_SIZE(sizes) - 1]);
	nr_threads = threads[1] > 1 ? 2 : 1;

	contenders_open(contenders, options.image, threads[1]);
	for (i = 0; i < NR_CONTENDERS; i++)
		if (contenders[i].absent)
			printf("%s is left out: %s\n", contenders[i].impl, contenders[i].absent);
	if (nr_threads == 1)
		puts("\"all cores\" is left out: there is only one");

	nr = plan(figures, contenders, threads, nr_threads);
	fprintf(stderr,
		"bench: %s: %zu figures, each the best of %u times %.0f ms: %.1f s or more\n",
		where, nr, options.schedule.rounds, options.schedule.slice_ns / 1e6,
		nr * options.schedule.rounds * options.schedule.slice_ns / 1e9);
	measure(figures, nr, &options.schedule);

	for (i = 0; i < nr_threads; i++)
		report_table(contenders, figures, nr, where, threads[i]);
	if (options.rows)
		write_rows(options.rows, figures, nr, where);
	if (fflush(stdout))
		err(1, "cannot write the tables");
	return 0;
}
