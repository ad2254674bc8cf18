// SPDX-License-Identifier: MIT
/*
 * The cost of a preloaded library for each process, when it starts and when it forks. The
 * library is preloaded into this worker and into the programs that it starts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "start.h"
#include "vgetrandom.h"
#include "worker.h"

static struct start *start;
static const char *program;
static char fd[16];

/* Starts a process and waits for its end. Without @argv, the child exits at once. */
static double run(char *const *argv)
{
	const double forked = now();
	const pid_t child = fork();
	int status;

	if (!child) {
		if (!argv)
			_exit(0);
		start->executed = now();
		execv(argv[0], argv);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		err(1, "a child");
	if (status)
		errx(1, "%s ended with status %#x", argv ? argv[0] : "a child", status);
	return now() - forked;
}

static double run_program(const char *what)
{
	return run((char *[]) { (char *)program, fd, (char *)what, NULL });
}

#define RUNS	5

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median, because the first run is slow: the worker has slept or changed processors. */
static double median(double (*measure)(void))
{
	double ns[RUNS];

	for (size_t i = 0; i < RUNS; i++)
		ns[i] = measure();
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	return ns[RUNS / 2];
}

static double start_ns(void)
{
	run_program(NULL);
	return start->began - start->executed;
}

static double exec_ns(void)
{
	return run_program(NULL);
}

static double fork_ns(void)
{
	return run(NULL);
}

static double first_ns(void)
{
	run_program("first");
	return start->first;
}

#define MEDIAN_OF(measure)								\
	static double ask_##measure(const struct contender *contender __attribute__((unused)), \
				    void *buffer __attribute__((unused)),		\
				    size_t bytes __attribute__((unused)))		\
	{										\
		return median(measure);							\
	}

MEDIAN_OF(start_ns)
QUESTION(start_of_process, .name = "start", .ask = ask_start_ns);
MEDIAN_OF(exec_ns)
QUESTION(fork_and_exec, .name = "fork-exec", .ask = ask_exec_ns);
MEDIAN_OF(fork_ns)
QUESTION(fork_and_exit, .name = "fork-exit", .ask = ask_fork_ns);
MEDIAN_OF(first_ns)
QUESTION(first_requests, .name = "first-requests", .ask = ask_first_ns);

/* Check that the preloaded library is the one that the argument names. */
static void check_library(void)
{
	typeof(vgetrandom_info) *get_info = dlsym(RTLD_DEFAULT, "vgetrandom_info");
	struct vgetrandom_info info = { 0 };
	bool by_module;

	if (get_info)
		get_info(&info, sizeof(info));
	by_module = info.small == VGETRANDOM_MODULE;
	if (!get_info == !!strstr(hello.impl, "libvgetrandom") ||
	    by_module != !!strstr(hello.impl, "module"))
		errx(1, "%s: another library is preloaded; module: %s", hello.impl,
		     info.module_why);
}

/* @argument: PRELOADED:PROGRAM */
static void open_start(const char *argument)
{
	const char *colon = strchr(argument, ':');
	int memory = memfd_create("start", 0);
	unsigned char random[16];

	if (!colon)
		errx(2, "usage: worker start PRELOADED:PROGRAM");
	snprintf(hello.impl, sizeof(hello.impl), "%.*s", (int)(colon - argument), argument);
	program = colon + 1;
	check_library();
	snprintf(fd, sizeof(fd), "%d", memory);
	if (memory < 0 || ftruncate(memory, sizeof(*start)))
		err(1, "shared memory for the times");
	start = mmap(NULL, sizeof(*start), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (start == MAP_FAILED)
		err(1, "shared memory for the times");
	/* Measure a process that has used the library: fork() has more to do in it. */
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		err(1, "getrandom");
}

CONTENDER(starts, .name = "start", .open = open_start);
