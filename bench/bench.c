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

#include "also.h"
#include "contenders.h"
#include "instructions.h"
#include "limits.h"
#include "measure.h"
#include "report.h"
#include "switches.h"
#include "targets.h"

static const size_t sizes[] = { 1, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 65536, 1048576 };

/* The most for which instructions are counted: a trap each takes its time. */
#define MAX_COUNTED		65536
#define MAX_COUNTED_QUICK	4096
#define MAX_COUNTED_OPENSSL	4096
#define SCALING_BYTES	32

#define MAX_THREAD_COUNTS	16
#define MAX_FIGURES	(MAX_THREAD_COUNTS * ARRAY_SIZE(sizes) * MAX_CONTENDERS)

struct options {
	const char	*image;
	const char	*rows;
	const char	*switches;
	bool		all;
	bool		quick;
	struct schedule	schedule;
};

/**
 * struct results - all that has been measured
 * @figures: first those that take part in tables and rows, then those for limits
 * @nr_figures: how many are of the first kind
 * @nr_all: how many there are
 * @instructions: instructions per call
 * @nr_instructions: for how many
 * @limits: what could be
 * @nr_limits: for how many
 * @facts: the rest
 */
struct results {
	struct figure		figures[MAX_FIGURES + 2 * NR_CORES];
	size_t			nr_figures;
	size_t			nr_all;
	struct instructions	instructions[ARRAY_SIZE(sizes) * MAX_CONTENDERS];
	size_t			nr_instructions;
	struct limit		limits[ARRAY_SIZE(sizes) * NR_CORES];
	size_t			nr_limits;
	struct facts		facts;
};

static void show_help(FILE *out)
{
	fputs("usage: bench [--image VDSO64_SO_DBG] [--rounds N] [--slice-ms N] [--rows FILE]\n"
	      "             [--all [--quick]]\n"
	      "       bench --host\n"
	      "\n"
	      "Times vDSO getrandom(), libc's, the system call, and OpenSSL's ChaCha20, on one\n"
	      "thread and on all processors, and prints tables.\n"
	      "\n"
	      "  --image FILE  \"native\": host this image of our vDSO as \"vdso\", with each of\n"
	      "                its cores; without it, \"guest\": the running kernel is ours, and\n"
	      "                so is its vDSO\n"
	      "  --rounds N    each figure is the best of N slices of time (20)\n"
	      "  --slice-ms N  how long a slice is (10)\n"
	      "  --rows FILE   write each figure as a JSON object on a line; \"-\": to stdout\n"
	      "  --all         native only: targets, limits, instructions per call, and costs\n"
	      "                that time per call does not show\n"
	      "  --quick       less of each of these\n"
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
		{ "all",	no_argument,	   NULL, 'a' },
		{ "quick",	no_argument,	   NULL, 'q' },
		/* Not for people: see switches.h. */
		{ "switches",	required_argument, NULL, 'w' },
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
		case 'a':
			options.all = true;
			break;
		case 'q':
			options.quick = true;
			break;
		case 'w':
			options.switches = optarg;
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
	if ((options.all || options.switches) && !options.image)
		errx(2, "--all and --switches need an --image");
	return options;
}

static bool takes_part(const struct contender *contender, size_t bytes, unsigned int threads)
{
	return !contender->absent && bytes >= contender->min_bytes &&
	       threads <= contender->max_threads;
}

/* In this order contenders alternate: first by threads, then size, then who. */
static void plan_threads(struct results *results, const struct contenders *contenders,
			 unsigned int threads, size_t bytes)
{
	const struct contender *contender = contenders->list;

	for (; contender < contenders->list + contenders->nr; contender++)
		if (takes_part(contender, bytes, threads))
			results->figures[results->nr_figures++] = (struct figure) {
				.contender = contender,
				.bytes = bytes,
				.threads = threads,
			};
}

/*
 * All sizes on one thread and on all processors; and one of them on as many as there
 * are powers of two in between, to see whether they get in each other's way.
 */
static void plan(struct results *results, const struct contenders *contenders,
		 unsigned int max_threads)
{
	unsigned int threads;
	size_t s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++)
		plan_threads(results, contenders, 1, sizes[s]);
	for (threads = 2; threads < max_threads; threads *= 2)
		plan_threads(results, contenders, threads, SCALING_BYTES);
	for (s = 0; s < ARRAY_SIZE(sizes) && max_threads > 1; s++)
		plan_threads(results, contenders, max_threads, sizes[s]);
}

static bool is_counted(const struct contender *contender, size_t bytes, bool quick)
{
	return takes_part(contender, bytes, 1) && contender->describe &&
	       bytes <= (quick ? MAX_COUNTED_QUICK : MAX_COUNTED) &&
	       (contender->fn || bytes <= MAX_COUNTED_OPENSSL);
}

static void count_instructions(struct results *results, const struct contenders *contenders,
			       bool quick)
{
	const struct contender *contender;
	size_t s, i;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (i = 0; i < contenders->nr; i++) {
			contender = &contenders->list[i];
			if (!is_counted(contender, sizes[s], quick))
				continue;
			results->instructions[results->nr_instructions++] =
				(struct instructions) {
					.contender = contender, .bytes = sizes[s],
				};
		}
	}
	fputs("bench: counting instructions\n", stderr);
	instructions_count(results->instructions, results->nr_instructions, 20000);
}

static void find_limits(struct results *results)
{
	const struct figure *figure;
	size_t c;

	for (c = 0; c < NR_CORES; c++)
		for (figure = results->figures; figure < results->figures + results->nr_figures;
		     figure++)
			if (!strcmp(figure->contender->core, cores[c].name) &&
			    limits_find(&results->limits[results->nr_limits], figure,
					results->figures, results->nr_all))
				results->nr_limits++;
}

static void write_rows(const char *path, const struct results *results, const char *where)
{
	FILE *out = strcmp(path, "-") ? fopen(path, "w") : stdout;

	if (!out)
		err(1, "%s", path);
	report_rows(out, results->figures, results->nr_figures, where);
	report_instruction_rows(out, results->instructions, results->nr_instructions, where);
	report_limit_rows(out, results->limits, results->nr_limits, where);
	report_fact_rows(out, &results->facts, where);
	if (fflush(out) || ferror(out) || (out != stdout && fclose(out)))
		err(1, "%s: cannot write the rows", path);
}

static void measure_all(struct results *results, const struct contenders *contenders,
			const struct options *options)
{
	count_instructions(results, contenders, options->quick);
	fputs("bench: measuring what else there is\n", stderr);
	also_scaling(&results->facts, results->figures, results->nr_figures, SCALING_BYTES);
	also_measure(&results->facts, contenders, options->image, options->quick ? 5 : 20);
	find_limits(results);
}

static void print_absent(const struct contenders *contenders)
{
	const struct contender *contender = contenders->list;

	for (; contender < contenders->list + contenders->nr; contender++)
		if (contender->absent)
			printf("%s%s%s is left out: %s\n", contender->impl,
			       *contender->core ? " " : "", contender->core,
			       contender->absent);
}

static void print_all(const struct results *results, const struct contenders *contenders,
		      const char *where)
{
	targets_print(contenders, results->figures, results->nr_figures);
	report_limits(results->limits, results->nr_limits, where);
	report_instructions(results->instructions, results->nr_instructions, where);
	report_facts(&results->facts, where);
}

int main(int argc, char **argv)
{
	const struct options options = parse_options(argc, argv);
	const char *where = options.image ? "native" : "guest";
	static struct contenders contenders;
	static struct results results;
	unsigned int max_threads;

	if (options.switches) {
		switches_child(options.image, options.switches);
		return fflush(stdout) ? 1 : 0;
	}

	/* In step with stderr, also into a file. */
	setlinebuf(stdout);
	max_threads = measure_open(sizes[ARRAY_SIZE(sizes) - 1]);
	contenders_open(&contenders, options.image, max_threads);
	print_absent(&contenders);
	if (max_threads == 1)
		puts("\"all cores\" is left out: there is only one");

	plan(&results, &contenders, max_threads);
	results.nr_all = results.nr_figures;
	if (options.all)
		results.nr_all += limits_plan(results.figures + results.nr_all, &contenders);
	fprintf(stderr,
		"bench: %s: %zu figures, each the best of %u times %.0f ms: %.1f s or more\n",
		where, results.nr_all, options.schedule.rounds,
		options.schedule.slice_ns / 1e6,
		results.nr_all * options.schedule.rounds * options.schedule.slice_ns / 1e9);
	measure(results.figures, results.nr_all, &options.schedule);
	if (options.all)
		measure_all(&results, &contenders, &options);

	report_table(results.figures, results.nr_figures, where, 1);
	if (max_threads > 1)
		report_table(results.figures, results.nr_figures, where, max_threads);
	if (options.all)
		print_all(&results, &contenders, where);
	if (options.rows)
		write_rows(options.rows, &results, where);
	if (fflush(stdout))
		err(1, "cannot write the tables");
	return 0;
}
