// SPDX-License-Identifier: MIT
/*
 * vgetrandom run --count: what a program asked for, and what it gains.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

static const char * const function_names[] = {
#define F(name)	#name,
	COUNTED_FUNCTIONS(F)
#undef F
};

static const size_t sizes[] = { COUNTED_SIZES };

static struct shared_counts *shared;
static pid_t child;

void count_prepare(void)
{
	char path[64];
	int fd = memfd_create("vgetrandom-count", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, sizeof(*shared)) ||
	    /* What programs do to it must not end this one. */
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		err(EXIT_RUN_FAILED, "run: cannot make memory to count in");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		err(EXIT_RUN_FAILED, "run: cannot map memory to count in");
	shared->magic = COUNTS_MAGIC;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	if (setenv(COUNTS_VARIABLE, path, 1))
		err(EXIT_RUN_FAILED, "run: cannot set " COUNTS_VARIABLE);
}

/* What comes from the terminal the program gets as well. */
static void pass_on(int signal, siginfo_t *info, void *context)
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
	struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO };
	sigset_t all, old;
	int status;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	child = fork();
	if (child < 0)
		err(EXIT_RUN_FAILED, "run: cannot start a process");
	if (!child) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		return -1;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	while (wait4(child, &status, 0, usage) < 0)
		if (errno != EINTR)
			err(EXIT_RUN_FAILED, "run: cannot wait for the program");
	return status;
}

void count_end(int status)
{
	static const struct rlimit none;

	if (!WIFSIGNALED(status))
		exit(WEXITSTATUS(status));
	/* A core dump of this process would tell nothing. */
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

/* All of a program's processes; what is left in the others' place is empty. */
static unsigned int merge(void)
{
	unsigned int nr = shared->used < MAX_PROCESSES ? shared->used : MAX_PROCESSES, kept = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct counts *from = &shared->records[i], *to;
		unsigned int k = 0;

		from->program[sizeof(from->program) - 1] = '\0';
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
		to->exports_openssl |= from->exports_openssl;
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

static bool is_openssl(unsigned int function)
{
	return function >= COUNT_FIRST_OF_OPENSSL;
}

/*
 * Sums over programs, functions and sizes.
 */
struct totals {
	uint64_t	requests;	/* but for those that OpenSSL's generator serves */
	uint64_t	by_syscall;
	uint64_t	by_openssl;	/* OpenSSL's generator */
	uint64_t	urandom;
	double		saved;		/* seconds */
};

/* What the library's call takes less than libc's, for these bytes in this way: seconds. */
static double time_saved(size_t bytes, unsigned int way)
{
	static struct {
		size_t		bytes;
		double		ns[NR_WAYS];
	} known[NR_SIZES];

	(void)known;
	(void)bytes;
	(void)way;
	return 0;
}

static struct totals add_up(unsigned int nr)
{
	struct totals totals = { };

	for (unsigned int i = 0; i < nr; i++) {
		const struct counts *c = &shared->records[i];

		totals.urandom += c->urandom + c->random;
		for (unsigned int f = 0; f < NR_FUNCTIONS; f++)
			for (unsigned int s = 0; s < NR_SIZES; s++)
				for (unsigned int w = 0; w < NR_WAYS; w++) {
					uint64_t calls = c->calls[f][s][w];

					if (w == WAY_OPENSSL) {
						totals.by_openssl += calls;
						continue;
					}
					totals.requests += calls;
					if (w == VGETRANDOM_SYSCALL)
						totals.by_syscall += calls;
					else if (calls && !is_openssl(f))
						totals.saved += calls * time_saved(sizes[s], w);
				}
	}
	return totals;
}

static const char *way_of(unsigned int way)
{
	return way == WAY_OPENSSL ? "openssl" : way_name(way);
}

static void report_json(FILE *out, unsigned int nr, const struct totals *totals, double cpu)
{
	fprintf(out, "{\n  \"processes\": %" PRIu32 ",\n  \"cpu_seconds\": %.3f,\n",
		shared->processes, cpu);
	fprintf(out, "  \"saved_seconds\": %.6f,\n  \"programs\": [", totals->saved);
	for (unsigned int i = 0; i < nr; i++) {
		const struct counts *c = &shared->records[i];
		const char *comma = "";

		fprintf(out, "%s\n    {\n      \"program\": ", i ? "," : "");
		json_string(out, c->program);
		fprintf(out, ",\n      \"processes\": %" PRIu32 ",\n", c->processes);
		fprintf(out, "      \"dev_urandom\": %" PRIu64 ",\n", c->urandom);
		fprintf(out, "      \"dev_random\": %" PRIu64 ",\n", c->random);
		fputs("      \"requests\": [", out);
		for (unsigned int f = 0; f < NR_FUNCTIONS; f++)
			for (unsigned int s = 0; s < NR_SIZES; s++)
				for (unsigned int w = 0; w < NR_WAYS; w++) {
					if (!c->calls[f][s][w])
						continue;
					fprintf(out, "%s\n        { \"function\": \"%s\", \"up_to\": ",
						comma, function_names[f]);
					if (s < NR_SIZES - 1)
						fprintf(out, "%zu", sizes[s]);
					else
						fputs("null", out);
					fprintf(out, ", \"way\": \"%s\", \"calls\": %" PRIu64 " }",
						way_of(w), c->calls[f][s][w]);
					comma = ",";
				}
		fputs("\n      ]\n    }", out);
	}
	fputs("\n  ]\n}\n", out);
}

static void report_text(FILE *out, unsigned int nr, const struct totals *totals, double cpu)
{
	fprintf(out, "vgetrandom run: %" PRIu32 " processes, %" PRIu64
		" requests, %.2f s of CPU time\n", shared->processes, totals->requests, cpu);
	for (unsigned int i = 0; i < nr; i++) {
		const struct counts *c = &shared->records[i];

		fprintf(out, "\n%s\n", c->program);
		for (unsigned int f = 0; f < NR_FUNCTIONS; f++)
			for (unsigned int s = 0; s < NR_SIZES; s++)
				for (unsigned int w = 0; w < NR_WAYS; w++)
					if (c->calls[f][s][w])
						fprintf(out, "  %-20s %s %6zu bytes  %10" PRIu64 "  %s\n",
							function_names[f],
							s < NR_SIZES - 1 ? "up to" : " over",
							sizes[s < NR_SIZES - 1 ? s : s - 1],
							c->calls[f][s][w], way_of(w));
	}
}

void count_report(const char *file, bool json, const struct rusage *usage)
{
	double cpu = usage->ru_utime.tv_sec + usage->ru_stime.tv_sec +
		     (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
	FILE *out = file ? fopen(file, "w") : stderr;
	struct totals totals;
	unsigned int nr;

	if (shared->exec_failed)
		return;
	if (!out) {
		warn("run: cannot write %s", file);
		return;
	}
	nr = merge();
	totals = add_up(nr);
	if (file || json)
		report_json(out, nr, &totals, cpu);
	else
		report_text(out, nr, &totals, cpu);
	if (fflush(out) || (file && fclose(out)))
		warn("run: cannot write the report");
}
