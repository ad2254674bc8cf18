// SPDX-License-Identifier: MIT
/*
 * vgetrandom run --count: report the requests of a program, and its gain.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vgetrandom.h>

#include "command.h"
#include "count.h"
#include "counts.h"
#include "elf_facts.h"

static const char * const function_names[] = {
#define F(name)	#name,
	COUNTED_FUNCTIONS(F)
#undef F
};

static struct shared_counts *shared;
static FILE *out;
static pid_t child;

void count_prepare(const char *file)
{
	char path[64];
	int fd = memfd_create("vgetrandom-count", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, sizeof(*shared)) ||
	    /* No program may truncate the memory that this process has mapped. */
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		err(EXIT_RUN_FAILED, "shared counters: cannot be created");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		err(EXIT_RUN_FAILED, "shared counters: cannot be mapped");
	shared->magic = COUNTS_MAGIC;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	out = file ? fopen(file, "we") : stderr;
	if (!out)
		err(EXIT_RUN_FAILED, "%s: cannot be written", file);
	if (setenv(COUNTS_VARIABLE, path, 1))
		err(EXIT_RUN_FAILED, COUNTS_VARIABLE ": cannot be set");
}

/* Forwards a signal, but not one from the terminal, which the program gets as well. */
static void forward_signal(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (info->si_code <= 0)
		kill(child, signal);
	errno = saved;
}

int count_wait(struct rusage *usage)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH,
	};
	struct sigaction action = { .sa_sigaction = forward_signal, .sa_flags = SA_SIGINFO };
	struct sigaction wait = { .sa_handler = SIG_DFL }, old_wait;
	sigset_t all, old;
	int status;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	/* If SIGCHLD were ignored, wait4() would return no status. */
	sigaction(SIGCHLD, &wait, &old_wait);
	child = fork();
	if (child < 0)
		err(EXIT_RUN_FAILED, "child process: cannot be created");
	if (!child) {
		sigaction(SIGCHLD, &old_wait, NULL);
		sigprocmask(SIG_SETMASK, &old, NULL);
		return -1;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	while (wait4(child, &status, 0, usage) < 0)
		if (errno != EINTR)
			err(EXIT_RUN_FAILED, "child process: cannot be waited for");
	return status;
}

void count_end(int status)
{
	static const struct rlimit none;

	if (!WIFSIGNALED(status))
		exit(WEXITSTATUS(status));
	/* A core dump of this process would be useless. */
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	exit(128 + WTERMSIG(status));
}

void count_exec_failed(void)
{
	if (shared)
		shared->exec_failed = 1;
}

/* Merges the records of each program, at the beginning of the array. Returns their number. */
static unsigned int merge_records(void)
{
	unsigned int nr = shared->used < MAX_PROCESSES ? shared->used : MAX_PROCESSES, kept = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct counts *from = &shared->records[i], *to;
		unsigned int k = 0;

		from->program[sizeof(from->program) - 1] = '\0';
		from->why[sizeof(from->why) - 1] = '\0';
		if (!from->processes)
			continue;
		while (k < kept && strcmp(shared->records[k].program, from->program))
			k++;
		to = &shared->records[k];
		if (k == kept) {
			kept++;
			if (k != i)
				*to = *from;
			continue;
		}
		to->processes += from->processes;
		to->seeds |= from->seeds;
		if (!to->why[0])
			memcpy(to->why, from->why, sizeof(to->why));
		to->urandom += from->urandom;
		to->random += from->random;
		for (unsigned int f = 0; f < NR_FUNCTIONS; f++)
			for (unsigned int s = 0; s < NR_SIZES; s++) {
				to->bytes[f][s] += from->bytes[f][s];
				for (unsigned int w = 0; w < NR_WAYS; w++)
					to->calls[f][s][w] += from->calls[f][s][w];
			}
	}
	return kept;
}

/*
 * Does the program use OpenSSL's own generator? If the executable has drawn a seed, libcrypto may
 * be linked into it: then the executable contains the name of OpenSSL's configuration file.
 */
static bool uses_openssl(const struct counts *c)
{
	bool found;
	int fd;

	if (c->seeds & SEEDS_LIBCRYPTO)
		return true;
	for (unsigned int f = COUNT_FIRST_OF_OPENSSL; f < NR_FUNCTIONS; f++)
		for (unsigned int s = 0; s < NR_SIZES; s++)
			if (c->calls[f][s][WAY_OPENSSL])
				return true;
	if (!(c->seeds & SEEDS_EXECUTABLE))
		return false;
	fd = open(c->program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	found = file_has(fd, "openssl.cnf");
	close(fd);
	return found;
}

/**
 * struct report - the totals of all programs
 * @programs: number of records
 * @requests: number of calls, without @by_openssl
 * @by_openssl: number of calls that OpenSSL's own generator served
 * @uses_openssl: for each record: the program uses OpenSSL's own generator
 * @openssl: a program that uses it, or NULL
 * @file: a program that opened /dev/urandom or /dev/random, or NULL
 * @cpu: CPU time used, in seconds
 * @saved: CPU time that the library saved, in seconds
 * @why: why it saved nothing, or NULL
 */
struct report {
	unsigned int	programs;
	unsigned long	requests;
	unsigned long	by_openssl;
	bool		uses_openssl[MAX_PROCESSES];
	const char	*openssl;
	const char	*file;
	double		cpu;
	double		saved;
	const char	*why;
};

/*
 * How much faster RAND_bytes() is with the provider, in nanoseconds per call. A private context
 * does not read the configuration, so it uses OpenSSL's generator. 0 if there is no libcrypto.
 */
static double openssl_time_saved(size_t bytes)
{
	static int (*rand_bytes)(unsigned char *buf, int len);
	static int (*rand_bytes_ex)(void *context, unsigned char *buf, size_t len,
				    unsigned int strength);
	static void *context;
	double ns[2] = { INFINITY, INFINITY }, start;
	enum { ROUNDS = 10, CALLS = 200 };
	unsigned char *buf;

	if (!context) {
		void *library = dlopen(LIBCRYPTO, RTLD_NOW);
		void *(*new_context)(void);

		if (!library)
			return 0;
		new_context = (void *(*)(void))dlsym(library, "OSSL_LIB_CTX_new");
		rand_bytes = (__typeof__(rand_bytes))dlsym(library, "RAND_bytes");
		rand_bytes_ex = (__typeof__(rand_bytes_ex))dlsym(library, "RAND_bytes_ex");
		if (!new_context || !rand_bytes || !rand_bytes_ex)
			return 0;
		context = new_context();
	}
	buf = context ? malloc(bytes) : NULL;
	if (!buf)
		return 0;
	for (int round = 0; round < ROUNDS; round++) {
		start = now();
		for (int i = 0; i < CALLS; i++)
			rand_bytes(buf, bytes);
		ns[0] = fmin(ns[0], now() - start);
		start = now();
		for (int i = 0; i < CALLS; i++)
			rand_bytes_ex(context, buf, bytes, 0);
		ns[1] = fmin(ns[1], now() - start);
	}
	free(buf);
	return (ns[1] - ns[0]) / CALLS;
}

/* How much faster a call is with the library, in nanoseconds. */
static double time_saved(unsigned int function, size_t bytes, unsigned int way)
{
	if (function >= COUNT_FIRST_OF_OPENSSL)
		return openssl_time_saved(bytes);
	return way == VGETRANDOM_SYSCALL ? 0 :
		bench_time_saved(bytes, way, function == COUNT_syscall);
}

static void add_calls(struct report *report, const struct counts *c, unsigned int f,
		      unsigned int s)
{
	unsigned long all = 0;

	for (unsigned int w = 0; w < NR_WAYS; w++)
		all += c->calls[f][s][w];
	for (unsigned int w = 0; w < NR_WAYS; w++) {
		unsigned long calls = c->calls[f][s][w];

		if (!calls)
			continue;
		if (w == WAY_OPENSSL) {
			report->by_openssl += calls;
			continue;
		}
		report->requests += calls;
		if (c->bytes[f][s])
			report->saved += calls / 1e9 * time_saved(f, c->bytes[f][s] / all, w);
	}
}

static const char *why_no_gain(const struct report *report, const char *why)
{
	if (why && *why)
		return why;
	if (!shared->processes)
		return "no process has loaded the library";
	if (report->why)
		return report->why;
	if (report->requests)
		return "a call takes as long as without the library";
	if (report->openssl || report->file)
		return "its requests do not reach the library";
	return "it makes no requests, or makes the system calls without libc";
}

static void add_up(struct report *report, const char *why)
{
	for (unsigned int i = 0; i < report->programs; i++) {
		const struct counts *c = &shared->records[i];

		for (unsigned int f = 0; f < NR_FUNCTIONS; f++)
			for (unsigned int s = 0; s < NR_SIZES; s++)
				add_calls(report, c, f, s);
		if (c->why[0])
			report->why = c->why;
		if (c->urandom || c->random)
			report->file = c->program;
		report->uses_openssl[i] = uses_openssl(c);
		if (report->uses_openssl[i])
			report->openssl = c->program;
	}
	report->why = report->saved > 0 ? NULL : why_no_gain(report, why);
}

/* The gain, in percent of the CPU time without the library. */
static double gain_percent(const struct report *report)
{
	return report->saved > 0 ? 100 * report->saved / (report->cpu + report->saved) : 0;
}

static void show_calls(const struct counts *c, bool json)
{
	static const char * const ways[] = {
		"the system call", "the vDSO", "expanded keys", "the module's page",
		"OpenSSL's own generator",
	};
	const char *comma = "";
	char size[32];

	for (unsigned int f = 0; f < NR_FUNCTIONS; f++)
		for (unsigned int s = 0; s < NR_SIZES; s++)
			for (unsigned int w = 0; w < NR_WAYS; w++) {
				unsigned long calls = c->calls[f][s][w];

				if (!calls)
					continue;
				if (s < NR_SIZES - 1)
					snprintf(size, sizeof(size), "%zu", counted_sizes[s]);
				else
					strcpy(size, json ? "null" : "more");
				if (!json) {
					fprintf(out, "%12lu  %-18s %8s  %s\n", calls,
						function_names[f], size, ways[w]);
					continue;
				}
				fprintf(out, "%s\n        { \"function\": \"%s\", \"up_to\": %s",
					comma, function_names[f], size);
				fprintf(out, ", \"way\": \"%s\", \"calls\": %lu }",
					w == WAY_OPENSSL ? "openssl" : way_name(w), calls);
				comma = ",";
			}
}

static void show_json(const struct report *report)
{
	fprintf(out, "{\n  \"processes\": %u,\n", shared->processes);
	fprintf(out, "  \"requests\": %lu,\n", report->requests);
	fprintf(out, "  \"cpu_seconds\": %.3f,\n", report->cpu);
	fprintf(out, "  \"saved_seconds\": %.9f,\n", report->saved);
	fprintf(out, "  \"gain_percent\": %.3f,\n  \"no_gain_why\": ", gain_percent(report));
	json_string(out, report->why);
	fputs(",\n  \"programs\": [", out);
	for (unsigned int i = 0; i < report->programs; i++) {
		const struct counts *c = &shared->records[i];

		fprintf(out, "%s\n    {\n      \"program\": ", i ? "," : "");
		json_string(out, c->program);
		fprintf(out, ",\n      \"processes\": %u,\n", c->processes);
		fprintf(out, "      \"dev_urandom\": %lu,\n", c->urandom);
		fprintf(out, "      \"dev_random\": %lu,\n", c->random);
		fprintf(out, "      \"openssl\": %s,\n", report->uses_openssl[i] ? "true" : "false");
		fputs("      \"calls\": [", out);
		show_calls(c, true);
		fputs("\n      ]\n    }", out);
	}
	fputs("\n  ]\n}\n", out);
}

static void show_text(const struct report *report)
{
	struct vgetrandom_info info;
	const char *faster;

	vgetrandom_info(&info, sizeof(info));
	faster = speed_hint(&info);
	if (report->requests || report->by_openssl)
		fprintf(out, "%12s  %-18s %8s  %s\n", "calls", "function", "bytes <=",
			"served by");
	for (unsigned int i = 0; i < report->programs; i++) {
		const struct counts *c = &shared->records[i];

		fprintf(out, "%s: %u process%s\n", c->program, c->processes,
			c->processes == 1 ? "" : "es");
		show_calls(c, false);
		if (c->urandom)
			fprintf(out, "%12lu  opened /dev/urandom\n", c->urandom);
		if (c->random)
			fprintf(out, "%12lu  opened /dev/random\n", c->random);
	}
	if (report->why)
		fprintf(out, "gain: none: %s\n", report->why);
	else if (gain_percent(report) < 0.1)
		fprintf(out, "gain: less than 0.1 %% of the CPU time%s\n",
			report->openssl || report->file ? "" : ": it makes few requests");
	else
		fprintf(out, "gain: %.1f %% of the CPU time: %.3f s, and %.3f s without the library\n",
			gain_percent(report), report->cpu, report->cpu + report->saved);
	if (report->openssl)
		fprintf(out, "%s uses OpenSSL's own generator; to replace it, run 'vgetrandom openssl on'\n",
			report->openssl);
	if (report->file)
		fprintf(out, "%s opened /dev/urandom or /dev/random; the library does not serve these\n",
			report->file);
	if (report->requests && faster)
		fprintf(out, "faster: %s\n", faster);
}

void count_report(bool json, const char *why, const struct rusage *usage)
{
	struct report report = {
		.cpu = usage->ru_utime.tv_sec + usage->ru_stime.tv_sec +
		       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6,
	};

	if (shared->exec_failed)
		return;
	report.programs = merge_records();
	add_up(&report, why);
	if (out != stderr || json)
		show_json(&report);
	else
		show_text(&report);
	if (fflush(out) || ferror(out))
		warn("report: cannot be written");
}
