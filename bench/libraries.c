// SPDX-License-Identifier: MIT
/*
 * libraries: libvgetrandom, against what programs call today for random bytes. See
 * show_help(); bench/run is what calls this.
 */
#define _GNU_SOURCE
#include <err.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comparison.h"
#include "crossover.h"
#include "promises.h"
#include "scaling.h"

struct options {
	struct places	places;
	unsigned int	rounds;
	double		slice_ns;
	const char	*rows;
	bool		crossover;
	bool		threads;
};

static void show_help(FILE *out)
{
	fputs("usage: libraries --build DIR [--image VDSO64_SO_DBG] [--rounds N]\n"
	      "                 [--slice-ms N] [--rows FILE] [--crossover | --threads]\n"
	      "\n"
	      "Times libvgetrandom, C libraries, libbsd, OpenSSL and libsodium on one thread,\n"
	      "and prints a table, and what libvgetrandom is to reach.\n"
	      "\n"
	      "  --build DIR   where all is built: this program's parent folder\n"
	      "  --image FILE  our vDSO's image, for processes that are to have it\n"
	      "  --rounds N    each figure is the best of N slices of time (20)\n"
	      "  --slice-ms N  how long a slice is (10)\n"
	      "  --rows FILE   write each figure as a JSON object on a line\n"
	      "  --crossover   find instead from which size on it pays to expand a key\n"
	      "  --threads     time instead calls by 1, 2, 4 ... threads at the same time, up to\n"
	      "                one on each processor\n", out);
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
		{ "build",	required_argument, NULL, 'b' },
		{ "image",	required_argument, NULL, 'i' },
		{ "rounds",	required_argument, NULL, 'n' },
		{ "slice-ms",	required_argument, NULL, 's' },
		{ "rows",	required_argument, NULL, 'r' },
		{ "crossover",	no_argument,	   NULL, 'c' },
		{ "threads",	no_argument,	   NULL, 't' },
		{ "help",	no_argument,	   NULL, 'h' },
		{ }
	};
	struct options options = { .rounds = 20, .slice_ns = 10e6 };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'b':
			options.places.build = optarg;
			break;
		case 'i':
			options.places.image = optarg;
			break;
		case 'n':
			options.rounds = parse_count("rounds", optarg);
			break;
		case 's':
			options.slice_ns = parse_count("slice-ms", optarg) * 1e6;
			break;
		case 'r':
			options.rows = optarg;
			break;
		case 'c':
			options.crossover = true;
			break;
		case 't':
			options.threads = true;
			break;
		case 'h':
			show_help(stdout);
			exit(0);
		default:
			show_help(stderr);
			exit(2);
		}
	}
	if (optind < argc || !options.places.build)
		errx(2, "it takes options, of which --build is needed; see --help");
	if (options.crossover && options.threads)
		errx(2, "--crossover and --threads are not for one and the same run");
	return options;
}

int main(int argc, char **argv)
{
	const struct options options = parse_options(argc, argv);
	static struct comparison comparison;
	FILE *rows = NULL;

	if (options.rows) {
		rows = fopen(options.rows, "w");
		if (!rows)
			err(1, "%s", options.rows);
	}
	setlinebuf(stdout);
	if (options.crossover) {
		crossover_find(&options.places, options.rounds, options.slice_ns, rows);
	} else if (options.threads) {
		scaling_find(&options.places, options.rounds, options.slice_ns, rows);
	} else {
		comparison_run(&comparison, &options.places, options.rounds, options.slice_ns);
		comparison_print(&comparison);
		promises_print(&comparison);
		if (rows)
			comparison_write(&comparison, rows);
	}
	if (rows && (ferror(rows) || fclose(rows)))
		err(1, "%s: cannot write the rows", options.rows);
	if (fflush(stdout))
		err(1, "cannot write the tables");
	return 0;
}
