// SPDX-License-Identifier: MIT
/*
 * vgetrandom bench: the time of a call, in four ways.
 *
 * All ways take turns, in rounds, so that whatever else the machine does hits all of
 * them; of the rounds the fastest counts, as what else it does only ever adds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>
#include <vgetrandom.h>

#include "command.h"
#include "raw.h"

#define MAX_SIZES	64
#define MAX_BYTES	(64UL << 20)
#define MIN_ROUNDS	3
#define ROUNDS		16
#define ROUNDS_QUICK	6

static const size_t usual_sizes[] = { 4, 16, 32, 64, 256, 1024, 4096, 65536 };

static struct vgetrandom_info info;
static ssize_t (*libc_getrandom)(void *buf, size_t len, unsigned int flags);
static void *state;

/*
 * Each way has a loop of its own, in which the call is as direct as it is for a program
 * that goes that way. Return: how many calls did not give all bytes.
 */
#define LOOP(name, call)							\
static unsigned long name(void *buf, size_t len, unsigned long calls)		\
{										\
	unsigned long failed = 0;						\
										\
	while (calls--)								\
		failed += (call) <= 0;	/* a signal may cut one short */	\
	return failed;								\
}

LOOP(loop_syscall, raw_syscall(SYS_getrandom, buf, len, 0))
LOOP(loop_libc, libc_getrandom(buf, len, 0))
LOOP(loop_vdso, info.vdso(buf, len, 0, state, info.state_size))
LOOP(loop_ours, vgetrandom(buf, len, 0))

static struct way {
	const char	*name;
	char		title[32];
	unsigned long	(*loop)(void *buf, size_t len, unsigned long calls);
	bool		there;
} ways[] = {
	{ "syscall",		"system call",	loop_syscall,	true },
	{ "libc",		"",		loop_libc,	false },
	{ "vdso",		"vDSO function", loop_vdso,	false },
	{ "libvgetrandom",	"libvgetrandom", loop_ours,	true },
};

enum { SYSCALL, LIBC, VDSO, OURS, NR_WAYS };

struct figures {
	size_t	bytes;
	double	ns[NR_WAYS];
};

/*
 * libc's own: the name getrandom alone is libvgetrandom's in this command. In a command
 * without a loader there is no libc to ask.
 */
static void find_libc(void)
{
#ifdef __GLIBC__
	static const char name[] = "libc.so.6";
#else
	static const char name[] = "libc.so";
#endif
	struct way *libc = &ways[LIBC];
	void *handle;

	own_libc(libc->title, sizeof(libc->title));
	if (!getauxval(AT_BASE))
		return;
	handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
	if (!handle)
		return;
	libc_getrandom = (ssize_t (*)(void *, size_t, unsigned int))dlsym(handle, "getrandom");
	libc->there = libc_getrandom;
}

static void find_vdso(void)
{
	if (!info.vdso)
		return;
	if (info.small == VGETRANDOM_MODULE) {
		ways[VDSO].name = "generator";
		strcpy(ways[VDSO].title, "generator");
	}
	state = vgetrandom_alloc();
	if (!state)
		warn("%s: no state; it is left out", ways[VDSO].title);
	ways[VDSO].there = state;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double run_slice(const struct way *way, void *buf, size_t bytes, unsigned long calls)
{
	double start = now();

	if (way->loop(buf, bytes, calls))
		errx(1, "%s: a call for %zu bytes gave nothing", way->name, bytes);
	return (now() - start) / calls;
}

static void start(void)
{
	vgetrandom_info(&info, sizeof(info));
	find_libc();
	find_vdso();
}

/* Until the time is over, @ns, but not without a few rounds. */
static void measure(struct figures *f, void *buf, double ns, unsigned int rounds)
{
	unsigned long calls[NR_WAYS];
	unsigned int nr = 0, round, i;
	double start = now(), slice;

	for (i = 0; i < NR_WAYS; i++)
		nr += ways[i].there;
	slice = ns / nr / rounds;
	for (i = 0; i < NR_WAYS; i++) {
		if (!ways[i].there)
			continue;
		/* In strides: the first calls take longer than those to come. */
		calls[i] = 1;
		do
			f->ns[i] = run_slice(&ways[i], buf, f->bytes, calls[i]);
		while (calls[i] * f->ns[i] < slice / 4 && (calls[i] *= 4));
		calls[i] = fmax(slice / f->ns[i], 1);
	}
	for (round = 0; round < rounds; round++) {
		if (round >= MIN_ROUNDS && now() - start > ns)
			break;
		for (i = 0; i < NR_WAYS; i++)
			if (ways[i].there)
				f->ns[i] = fmin(f->ns[i],
						run_slice(&ways[i], buf, f->bytes, calls[i]));
	}
}

double bench_time_saved(size_t bytes, enum vgetrandom_way way, bool by_syscall)
{
	struct figures figures = { .bytes = bytes };
	double *ns = figures.ns, before;
	void *buf = malloc(bytes);

	if (!buf)
		return 0;
	if (!info.version)
		start();
	measure(&figures, buf, 0.02e9, ROUNDS_QUICK);
	free(buf);
	before = ways[LIBC].there && !by_syscall ? ns[LIBC] : ns[SYSCALL];
	/* Large requests may be as small ones there, but not here. */
	if (way == VGETRANDOM_VDSO && info.large_from && bytes >= info.large_from)
		return before - ns[VDSO];
	return before - ns[OURS];
}

static void show_text(const struct figures *f, size_t nr)
{
	char cell[64];
	size_t i, n;

	puts("ns per call; in brackets, how many times as fast as the system call\n");
	printf("%9s", "bytes");
	for (i = 0; i < NR_WAYS; i++)
		if (ways[i].there)
			printf("  %*s", i == SYSCALL ? 11 : 18, ways[i].title);
	putchar('\n');
	for (n = 0; n < nr; n++) {
		printf("%9zu", f[n].bytes);
		for (i = 0; i < NR_WAYS; i++) {
			if (!ways[i].there)
				continue;
			snprintf(cell, sizeof(cell), i == SYSCALL ? "%.1f" : "%.1f (%.1fx)",
				 f[n].ns[i], f[n].ns[SYSCALL] / f[n].ns[i]);
			printf("  %*s", i == SYSCALL ? 11 : 18, cell);
		}
		putchar('\n');
	}
	if (info.large_from)
		printf("\nlibvgetrandom expands a key of its own from %zu bytes on, with %s.\n",
		       info.large_from, info.core);
	if (!info.vdso)
		printf("\nThis kernel has no vDSO function: %s.\n", info.small_why);
	if (!ways[LIBC].there)
		puts("\nlibc's own getrandom() is left out: it cannot be told from ours here.");
}

static void show_json(const struct figures *f, size_t nr)
{
	size_t i, n;

	fputs("{\n  \"version\": ", stdout);
	json_string(stdout, info.version);
	fputs(",\n  \"libc\": ", stdout);
	json_string(stdout, ways[LIBC].title);
	printf(",\n  \"large_from\": %zu,\n  \"core\": ", info.large_from);
	json_string(stdout, info.core);
	fputs(",\n  \"ns\": [\n", stdout);
	for (n = 0; n < nr; n++) {
		printf("    { \"bytes\": %zu", f[n].bytes);
		for (i = 0; i < NR_WAYS; i++)
			if (ways[i].there)
				printf(", \"%s\": %.2f", ways[i].name, f[n].ns[i]);
			else
				printf(", \"%s\": null", ways[i].name);
		printf(" }%s\n", n + 1 < nr ? "," : "");
	}
	puts("  ]\n}");
}

/* 0 if it is none; the others are measured all the same. */
static size_t parse_size(const char *text)
{
	unsigned long size;
	char *end;

	errno = 0;
	size = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || !size || size > MAX_BYTES)
		size = 0;
	if (!size)
		warnx("bench: size %s: not measured; give a number from 1 to %lu", text, MAX_BYTES);
	return size;
}

int command_bench(int argc, char **argv)
{
	static const struct option known[] = {
		{ "quick",	no_argument,	NULL, 'q' },
		{ "json",	no_argument,	NULL, 'j' },
		{ "help",	no_argument,	NULL, 'h' },
		{ }
	};
	struct figures figures[MAX_SIZES] = { };
	bool json = false, quick = false, bad = false;
	size_t nr = 0, largest = 0, i;
	void *buf;
	int c;

	while ((c = next_option(argc, argv, "", known)) != -1) {
		if (c == 'q')
			quick = true;
		else
			json = true;
	}
	if (argc - optind > MAX_SIZES)
		errx(EXIT_USAGE, "bench: more than %d sizes; give fewer", MAX_SIZES);
	for (; optind < argc; optind++) {
		figures[nr].bytes = parse_size(argv[optind]);
		if (figures[nr].bytes)
			nr++;
		else
			bad = true;
	}
	if (!nr && bad)
		return EXIT_USAGE;
	if (!nr)
		for (; nr < sizeof(usual_sizes) / sizeof(*usual_sizes); nr++)
			figures[nr].bytes = usual_sizes[nr];
	for (i = 0; i < nr; i++)
		if (figures[i].bytes > largest)
			largest = figures[i].bytes;
	buf = malloc(largest);
	if (!buf)
		err(1, "%zu bytes: no memory", largest);

	start();
	for (i = 0; i < nr; i++)
		measure(&figures[i], buf, (quick ? 0.3e9 : 2e9) / nr,
			quick ? ROUNDS_QUICK : ROUNDS);
	vgetrandom_free(state);
	free(buf);

	if (json)
		show_json(figures, nr);
	else
		show_text(figures, nr);
	return bad ? EXIT_USAGE : 0;
}
