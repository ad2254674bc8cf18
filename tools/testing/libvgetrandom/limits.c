// SPDX-License-Identifier: MIT
/*
 * Every request succeeds whatever the limits on memory are.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define REPORT	100	/* the descriptor to which report() writes */

struct report {
	int	in_main;
	size_t	states, locked;
	int	small, large;
	char	why[256], module_why[256];
};

static void sum_locked(const struct test_mapping *mapping, void *arg)
{
	if (strstr(mapping->flags, " lo "))
		*(size_t *)arg += mapping->end - mapping->start;
}

static size_t locked_bytes(void)
{
	size_t sum = 0;

	test_mappings(sum_locked, &sum);
	return sum;
}

static void report(int in_main)
{
	struct vgetrandom_info info = test_info();
	struct report report = {
		.in_main = in_main,
		.states = info.states,
		.locked = locked_bytes(),
		.small = info.small,
		.large = info.large,
	};

	if (info.module_why)
		strncpy(report.module_why, info.module_why, sizeof(report.module_why) - 1);
	strncpy(report.why, info.large_why, sizeof(report.why) - 1);
	check(write(REPORT, &report, sizeof(report)) == sizeof(report));
}

static void draw_all(void)
{
	static uint8_t out[TEST_MAX];

	for (size_t len = 1; len < TEST_MAX; len = len * 3 + 1)
		check(vgetrandom(out, len, 0) == (ssize_t)len);
	arc4random_buf(out, sizeof(out));
}

PART(report_and_draw)
{
	report(1);
	for (int i = 0; i < 10; i++)
		draw_all();
}

/*
 * A process with a limit.
 */
static int resource, fds[2];
static rlim_t limit;

static void set_limit(void)
{
	struct rlimit rlimit = { limit, limit };
	int null = open("/dev/null", O_WRONLY);

	/* Discard stderr: the loader complains if the program does not reach main(). */
	check(dup2(fds[1], REPORT) == REPORT && dup2(null, STDERR_FILENO) == STDERR_FILENO);
	close(null);
	close(fds[0]);
	close(fds[1]);
	check(!setrlimit(resource, &rlimit));
}

/* Run report_and_draw under the limit; return its wait status, and its report in @report. */
static int run_limited(struct report *report)
{
	int status;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	check(!pipe(fds));
	pid = test_start("report_and_draw", set_limit);
	close(fds[1]);
	if (read(fds[0], report, sizeof(*report)) != sizeof(*report))
		report->in_main = 0;
	status = test_wait(pid);
	close(fds[0]);
	return status;
}

/* Whether the program reaches main() under the limit. If so, it must succeed. */
static bool starts(struct report *report)
{
	int status = run_limited(report);

	if (report->in_main)
		check(!status, "%lu KiB: status %#x", (unsigned long)limit >> 10, status);
	return report->in_main;
}

/*
 * Try limits from the least with which the program starts, up to one with which the library gets
 * all its states.
 */
static void run_under_limits(int which)
{
	rlim_t too_little = 0, enough = 256 << 20;
	size_t states = test_info().states;
	bool starved = false, full = false;
	struct report report;

	resource = which;
	while (enough - too_little > 4096) {
		limit = (too_little + enough) / 2;
		if (starts(&report))
			enough = limit;
		else
			too_little = limit;
	}
	for (int i = 0; i < 50; i++) {
		limit = enough + i * 16384;
		if (!starts(&report))
			continue;
		starved |= !report.states;
		full |= report.states == states;
	}
	limit = 256 << 20;
	check(starts(&report) && report.states == states);
	check(full, "the library needs more than 800 KiB beyond what a program needs");
	/* Not under RLIMIT_AS: a limit that suffices for the loader also suffices for states. */
	if (states && which == RLIMIT_DATA)
		check(starved, "there were states under every limit");
}

TEST_ENTERS(requests_succeed_under_any_RLIMIT_AS)
{
	run_under_limits(RLIMIT_AS);
}

TEST_ENTERS(requests_succeed_under_any_RLIMIT_DATA)
{
	run_under_limits(RLIMIT_DATA);
}

/*
 * Lower a limit below the memory in use, and raise it again.
 */
#define THREADS	600

static pthread_barrier_t barrier;

static void *draw_twice(void *arg)
{
	pthread_barrier_wait(&barrier);
	draw_all();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 2000; i++)
		test_draw(16);
	draw_all();
	pthread_barrier_wait(&barrier);
	return arg;
}

static void lower_and_raise(int which)
{
	struct rlimit old, none = { 4096, RLIM_INFINITY };
	pthread_t thread[THREADS];
	size_t states = test_info().states;

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	test_threads(thread, THREADS, draw_twice, NULL);
	check(!getrlimit(which, &old));
	check(!setrlimit(which, &none));
	check(mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	      MAP_FAILED);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	check(test_info().states == states);
	check(!setrlimit(which, &old));
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	/* The library notices that there is memory again. */
	if (states && test_info().droppable)
		check(test_info().states > states, "still %zu states", states);
	test_join_all(thread, THREADS);
}

TEST_ENTERS(requests_succeed_when_RLIMIT_AS_is_lowered_and_raised)
{
	lower_and_raise(RLIMIT_AS);
}

TEST_ENTERS(requests_succeed_when_RLIMIT_DATA_is_lowered_and_raised)
{
	lower_and_raise(RLIMIT_DATA);
}

/*
 * Locked memory, which holds the keys if the kernel has no droppable memory.
 */
TEST(at_most_a_quarter_of_RLIMIT_MEMLOCK_is_locked)
{
	struct rlimit memlock;

	check(!getrlimit(RLIMIT_MEMLOCK, &memlock));
	draw_all();
	if (test_has_droppable())
		check(!locked_bytes());
	else
		check(locked_bytes() <= memlock.rlim_cur / 4, "%zu of %lu bytes", locked_bytes(),
		      (unsigned long)memlock.rlim_cur);
}

TEST_ENTERS(requests_succeed_under_any_RLIMIT_MEMLOCK)
{
	struct vgetrandom_info info = test_info();
	bool droppable = test_has_droppable();
	struct report report;

	resource = RLIMIT_MEMLOCK;
	for (limit = 0; limit < 1 << 20; limit = limit * 2 + 4096) {
		check(!run_limited(&report) && report.in_main);
		check(report.locked <= limit / 4, "%zu of %lu bytes", report.locked,
		      (unsigned long)limit);
		if (droppable || limit >= 64 << 10)
			check(report.small == (int)info.small && report.large == (int)info.large);
		if (droppable || limit)
			continue;
		check(report.small == VGETRANDOM_SYSCALL && report.large == VGETRANDOM_SYSCALL);
		check(strstr(report.why, "MEMLOCK"), "%s", report.why);
		if (info.small == VGETRANDOM_MODULE)
			check(strstr(report.module_why, "MEMLOCK"), "%s", report.module_why);
	}
}
