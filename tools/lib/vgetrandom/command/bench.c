// SPDX-License-Identifier: MIT
/*
 * vgetrandom bench: measure the time of a call in four ways.
 *
 * The ways are measured in turns, so that other load on the machine affects all of them. The
 * fastest round counts, because other load only adds time.
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

static const size_t default_sizes[] = { 4, 16, 32, 64, 256, 1024, 4096, 65536 };

static struct vgetrandom_info info;
static ssize_t (*libc_getrandom)(void *buf, size_t len, unsigned int flags);
static void *state;

/*
 * Each way has its own loop, in which the call is as direct as in a program.
 * Return: the number of calls that failed.
 */
#define LOOP(name, call)							\
static unsigned long name(void *buf, size_t len, unsigned long calls)		\
{										\
	unsigned long failed = 0;						\
										\
	while (calls--)								\
		failed += (call) <= 0;	/* a signal may shorten a call */	\
	return failed;								\
}

LOOP(loop_syscall, raw_syscall(SYS_getrandom, buf, len, 0))
LOOP(loop_libc, libc_getrandom(buf, len, 0))
LOOP(loop_vdso, info.vdso(buf, len, 0, state, info.state_size))
LOOP(loop_library, vgetrandom(buf, len, 0))

static struct way {
	const char	*name;
	char		title[32];
	unsigned long	(*loop)(void *buf, size_t len, unsigned long calls);
	bool		available;
} ways[] = {
	{ "syscall",		"system call",	loop_syscall,	true },
	{ "libc",		"",		loop_libc,	false },
	{ "vdso",		"vDSO function", loop_vdso,	false },
	{ "libvgetrandom",	"libvgetrandom", loop_library,	true },
};

enum { SYSCALL, LIBC, VDSO, LIBRARY, NR_WAYS };

struct figures {
	size_t	bytes;
	double	ns[NR_WAYS];
};

/*
 * In this command the name getrandom is libvgetrandom's, so look it up in libc. A statically
 * linked command has no loader, and no libc to look into.
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

	get_libc(libc->title, sizeof(libc->title));
	if (!getauxval(AT_BASE))
		return;
	handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
	if (!handle)
		return;
	libc_getrandom = (ssize_t (*)(void *, size_t, unsigned int))dlsym(handle, "getrandom");
	libc->available = libc_getrandom;
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
		warn("%s: no state; not measured", ways[VDSO].title);
	ways[VDSO].available = state;
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static double run_slice(const struct way *way, void *buf, size_t bytes, unsigned long calls)
{
	double start = now();

	if (way->loop(buf, bytes, calls))
		errx(1, "%s: a call for %zu bytes failed", way->name, bytes);
	return (now() - start) / calls;
}

static void start(void)
{
	vgetrandom_info(&info, sizeof(info));
	find_libc();
	find_vdso();
}

/* Measures for @ns nanoseconds, but at least MIN_ROUNDS rounds. */
static void measure(struct figures *f, void *buf, double ns, unsigned int rounds)
{
	unsigned long calls[NR_WAYS];
	unsigned int nr = 0, round, i;
	double start = now(), slice;

	for (i = 0; i < NR_WAYS; i++)
		nr += ways[i].available;
	slice = ns / nr / rounds;
	for (i = 0; i < NR_WAYS; i++) {
		if (!ways[i].available)
			continue;
		/* Estimate with growing numbers of calls: the first calls are slower. */
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
			if (ways[i].available)
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
	before = ways[LIBC].available && !by_syscall ? ns[LIBC] : ns[SYSCALL];
	/* In the measured process large requests used the vDSO; in this one they do not. */
	if (way == VGETRANDOM_VDSO && info.large_from && bytes >= info.large_from)
		return before - ns[VDSO];
	return before - ns[LIBRARY];
}

static void show_text(const struct figures *f, size_t nr)
{
	char cell[64];
	size_t i, n;

	puts("Nanoseconds per call; in brackets, the speedup over the system call\n");
	printf("%9s", "bytes");
	for (i = 0; i < NR_WAYS; i++)
		if (ways[i].available)
			printf("  %*s", i == SYSCALL ? 11 : 18, ways[i].title);
	putchar('\n');
	for (n = 0; n < nr; n++) {
		printf("%9zu", f[n].bytes);
		for (i = 0; i < NR_WAYS; i++) {
			if (!ways[i].available)
				continue;
			snprintf(cell, sizeof(cell), i == SYSCALL ? "%.1f" : "%.1f (%.1fx)",
				 f[n].ns[i], f[n].ns[SYSCALL] / f[n].ns[i]);
			printf("  %*s", i == SYSCALL ? 11 : 18, cell);
		}
		putchar('\n');
	}
	if (info.large_from)
		printf("\nFrom %zu bytes on, libvgetrandom expands one key per request, with %s.\n",
		       info.large_from, info.core);
	if (!info.vdso)
		printf("\nThis kernel has no vDSO function: %s.\n", info.small_why);
	if (!ways[LIBC].available)
		puts("\nlibc's getrandom() is not measured: this command cannot find it.");
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
			if (ways[i].available)
				printf(", \"%s\": %.2f", ways[i].name, f[n].ns[i]);
			else
				printf(", \"%s\": null", ways[i].name);
		printf(" }%s\n", n + 1 < nr ? "," : "");
	}
	puts("  ]\n}");
}

/* Returns 0, with a warning, if @text is no size. */
static size_t parse_size(const char *text)
{
	unsigned long size;
	char *end;

	errno = 0;
	size = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || !size || size > MAX_BYTES)
		size = 0;
	if (!size)
		warnx("bench: size %s: skipped; give a number from 1 to %lu", text, MAX_BYTES);
	return size;
}

int command_bench(const struct arguments *args)
{
	struct figures figures[MAX_SIZES] = { };
	size_t nr = 0, largest = 0, i;
	bool bad = false;
	void *buf;

	if (args->nr_operands > MAX_SIZES)
		errx(EXIT_USAGE, "bench: more than %d sizes; give fewer", MAX_SIZES);
	for (i = 0; i < args->nr_operands; i++) {
		figures[nr].bytes = parse_size(args->operands[i]);
		if (figures[nr].bytes)
			nr++;
		else
			bad = true;
	}
	if (!nr && bad)
		return EXIT_USAGE;
	if (!nr)
		for (; nr < sizeof(default_sizes) / sizeof(*default_sizes); nr++)
			figures[nr].bytes = default_sizes[nr];
	for (i = 0; i < nr; i++)
		if (figures[i].bytes > largest)
			largest = figures[i].bytes;
	buf = malloc(largest);
	if (!buf)
		err(1, "%zu bytes: cannot be allocated", largest);

	start();
	for (i = 0; i < nr; i++)
		measure(&figures[i], buf, (args->quick ? 0.3e9 : 2e9) / nr,
			args->quick ? ROUNDS_QUICK : ROUNDS);
	vgetrandom_free(state);
	free(buf);

	if (args->json)
		show_json(figures, nr);
	else
		show_text(figures, nr);
	return bad ? EXIT_USAGE : 0;
}
