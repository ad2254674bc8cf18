// SPDX-License-Identifier: MIT
/*
 * Seccomp filters. After startup the library makes no other system call than getrandom(2), which
 * its callers make anyway. If a filter refuses others, all requests still succeed; they fail
 * only if it refuses getrandom(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "test.h"

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS	0x80000000U
#endif

#define THREADS		1000

static uint8_t out[TEST_MAX];
static const size_t sizes[] = { 1, 16, 32, 100, 256, 257, 1024, 4096, 10000, TEST_MAX };

/* rt_sigreturn(2) is forbidden as well. */
static void allow_only_getrandom(void)
{
	static const int allowed[] = { SYS_getrandom, SYS_write, SYS_exit, SYS_exit_group, -1 };

	test_filter(allowed, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
}

static void refuse_getrandom(int error)
{
	static const int refused[] = { SYS_getrandom, -1 };

	test_filter(refused, SECCOMP_RET_ERRNO | error, SECCOMP_RET_ALLOW);
}

static void draw_all_sizes(void)
{
	for (int round = 0; round < 20; round++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			check(vgetrandom(out, sizes[i], 0) == (ssize_t)sizes[i]);
}

TEST(the_filter_kills_at_other_system_calls)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		allow_only_getrandom();
		syscall(SYS_getpid);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

TEST(the_first_small_request_needs_only_getrandom)
{
	allow_only_getrandom();
	check(vgetrandom(out, 16, 0) == 16);
	draw_all_sizes();
}

TEST(the_first_large_request_needs_only_getrandom)
{
	allow_only_getrandom();
	check(vgetrandom(out, TEST_MAX, 0) == TEST_MAX);
	draw_all_sizes();
}

TEST_ENTERS(requests_with_flags_need_only_getrandom)
{
	allow_only_getrandom();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned int flags = 0; flags < 6; flags++)
			check(vgetrandom(out, sizes[i], flags) == (ssize_t)sizes[i]);
}

TEST_ENTERS(errors_need_only_getrandom)
{
	void *volatile null = NULL;

	allow_only_getrandom();
	check(vgetrandom(null, 16, 0) == -1 && errno == EFAULT);
	check(vgetrandom(null, TEST_MAX, 0) == -1 && errno == EFAULT);
	check(vgetrandom(out, 16, 64) == -1 && errno == EINVAL);
	check(vgetrandom(out, TEST_MAX, 64) == -1 && errno == EINVAL);
	check(getentropy(out, 257) == -1 && errno == EIO);
}

TEST(getrandom_needs_only_getrandom)
{
	allow_only_getrandom();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check(getrandom(out, sizes[i], 0) == (ssize_t)sizes[i]);
}

TEST(getentropy_needs_only_getrandom)
{
	allow_only_getrandom();
	for (size_t len = 0; len <= 256; len++)
		check(!getentropy(out, len));
}

TEST(arc4random_needs_only_getrandom)
{
	allow_only_getrandom();
	arc4random();
	arc4random_uniform(1000);
	arc4random_buf(out, sizeof(out));
	arc4random_buf(out, 16);
}

TEST(info_and_states_need_only_getrandom)
{
	struct vgetrandom_info info;
	void *state;

	allow_only_getrandom();
	info = test_info();
	for (int i = 0; i < 100; i++) {
		state = vgetrandom_alloc();
		check(!state == !info.states);
		if (state)
			check(info.vdso(out, 32, 0, state, info.state_size) == 32);
		if (i % 2)
			vgetrandom_free(state);
	}
}

/* Threads that exist when the filter is installed, and make their first requests after it. */
static pthread_barrier_t barrier;
static atomic_int ready, done;
static atomic_bool is_filtered;

static void *draw_when_filtered(void *arg)
{
	uint8_t mine[1024];

	/* No other system calls from here on, so no barrier. */
	atomic_fetch_add(&ready, 1);
	while (!atomic_load(&is_filtered))
		__builtin_ia32_pause();
	for (int i = 0; i < 5; i++) {
		check(vgetrandom(mine, 16, 0) == 16);
		check(vgetrandom(mine, sizeof(mine), 0) == sizeof(mine));
	}
	atomic_fetch_add(&done, 1);
	for (;;)
		__builtin_ia32_pause();
	return arg;
}

TEST(the_first_requests_of_other_threads_need_only_getrandom)
{
	enum { OTHERS = 8 };

	for (int i = 0; i < OTHERS; i++)
		test_thread(draw_when_filtered, NULL);
	while (atomic_load(&ready) < OTHERS)
		sched_yield();
	allow_only_getrandom();
	atomic_store(&is_filtered, true);
	while (atomic_load(&done) < OTHERS)
		__builtin_ia32_pause();
	_exit(0);
}

static void draw_filtered(void)
{
	allow_only_getrandom();
	draw_all_sizes();
	arc4random_buf(out, sizeof(out));
	_exit(0);
}

TEST(a_child_needs_only_getrandom)
{
	draw_all_sizes();
	test_in_child(draw_filtered);
}

/*
 * With a key, a request makes no system call at all, which is the purpose of the library. A
 * reseed may require a new key at any time, so one of several processes must succeed.
 */
static bool needs_no_system_call(size_t len)
{
	static const int allowed[] = { SYS_exit_group, -1 };
	int status;

	for (int attempt = 0; attempt < 10; attempt++) {
		pid_t pid = fork();

		if (!pid) {
			check(vgetrandom(out, len, 0) == (ssize_t)len);
			test_filter(allowed, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
			for (int i = 0; i < 20; i++)
				if (vgetrandom(out, len, 0) != (ssize_t)len)
					_exit(1);
			_exit(0);
		}
		status = test_wait(pid);
		if (!status)
			return true;
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "status %#x", status);
	}
	return false;
}

TEST(small_requests_are_served_as_info_says)
{
	check(needs_no_system_call(16) == (test_info().small != VGETRANDOM_SYSCALL));
}

TEST(large_requests_are_served_as_info_says)
{
	/* A key for expansion comes from the vDSO function if small requests use it. */
	check(needs_no_system_call(16384) == (test_info().small != VGETRANDOM_SYSCALL));
}

/*
 * Filters that refuse getrandom(2) itself.
 */
static void requests_fail_with(int error)
{
	struct vgetrandom_info info = test_info();
	void *state = vgetrandom_alloc();

	refuse_getrandom(error);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(out, 0, sizeof(out));
		errno = 0;
		check(vgetrandom(out, sizes[i], 0) == -1 && errno == error);
		errno = 0;
		check(getrandom(out, sizes[i], 0) == -1 && errno == error);
		errno = 0;
		if (sizes[i] <= 256)
			check(getentropy(out, sizes[i]) == -1 && errno == error);
		/* The buffer must not look filled. */
		for (size_t n = 0; n < sizes[i]; n++)
			check(!out[n], "byte %zu of %zu is not 0", n, sizes[i]);
	}
	if (state)
		check(info.vdso(out, 16, 0, state, info.state_size) == -error);
}

TEST_ENTERS(requests_fail_with_EPERM_if_getrandom_does)
{
	requests_fail_with(EPERM);
}

TEST_ENTERS(requests_fail_with_ENOSYS_if_getrandom_does)
{
	requests_fail_with(ENOSYS);
}

static void call_arc4random(void)
{
	refuse_getrandom(EPERM);
	arc4random();
}

static void call_arc4random_buf(void)
{
	refuse_getrandom(ENOSYS);
	arc4random_buf(out, 16);
}

static void call_arc4random_buf_large(void)
{
	refuse_getrandom(EPERM);
	arc4random_buf(out, TEST_MAX);
}

static void call_arc4random_uniform(void)
{
	refuse_getrandom(EPERM);
	arc4random_uniform(10);
}

TEST_ENTERS(arc4random_aborts_with_a_message_if_getrandom_fails)
{
	test_aborts(call_arc4random, "arc4random");
	test_aborts(call_arc4random_buf, "arc4random");
	test_aborts(call_arc4random_buf_large, "arc4random");
	test_aborts(call_arc4random_uniform, "arc4random");
}

/* The kernel never returns 0 for such requests, but a filter can. */
static void call_arc4random_without_bytes(void)
{
	refuse_getrandom(0);
	arc4random();
}

TEST_ENTERS(getrandom_that_always_returns_0_is_an_error_and_not_a_hang)
{
	test_aborts(call_arc4random_without_bytes, "arc4random");
	refuse_getrandom(0);
	check(vgetrandom(out, 16, 0) == 0);
	check(vgetrandom(out, TEST_MAX, 0) == 0);
	errno = 0;
	check(getentropy(out, 16) == -1 && errno == EIO);
	for (size_t n = 0; n < TEST_MAX; n++)
		check(!out[n], "byte %zu is not 0", n);
}

/*
 * Filters that refuse mmap(2), with a handler that counts the attempts.
 */
static atomic_int tried, refuse_with;

static void refuse_mmap(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	atomic_fetch_add(&tried, 1);
	regs[REG_RAX] = -atomic_load(&refuse_with);
}

static void *draw_between_barriers(void *arg)
{
	uint8_t mine[1024];

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 20; i++) {
		check(vgetrandom(mine, 16, 0) == 16);
		check(vgetrandom(mine, sizeof(mine), 0) == sizeof(mine));
	}
	pthread_barrier_wait(&barrier);
	return arg;
}

/* 1000 threads make their first requests; at most @max attempts of mmap() fail with @error. */
static void refuse_memory(int error, int max)
{
	struct sigaction sa = { .sa_sigaction = refuse_mmap, .sa_flags = SA_SIGINFO };
	static const int refused[] = { SYS_mmap, -1 };
	static pthread_t thread[THREADS];
	size_t states = test_info().states;

	atomic_store(&refuse_with, error);
	check(!sigaction(SIGSYS, &sa, NULL));
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	test_threads(thread, THREADS, draw_between_barriers, NULL);
	test_filter(refused, SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	check(atomic_load(&tried) <= max, "mmap() was tried %d times", atomic_load(&tried));
	if (states && test_info().droppable)
		check(atomic_load(&tried), "1000 threads never needed more memory");
	check(test_info().states == states);
	test_join_all(thread, THREADS);
	draw_all_sizes();
}

TEST_ENTERS(mmap_that_fails_with_EPERM_is_rarely_retried)
{
#ifdef __GLIBC__
	refuse_memory(EPERM, 4);
#else
	/* musl turns this error of mmap() into ENOMEM. */
	refuse_memory(EPERM, 60);
#endif
}

TEST_ENTERS(mmap_that_fails_with_ENOSYS_is_tried_once_per_kind_of_memory)
{
	refuse_memory(ENOSYS, 4);
}

TEST_ENTERS(mmap_that_fails_with_ENOMEM_is_retried_less_and_less_often)
{
	refuse_memory(ENOMEM, 60);
}

/* Filters that are installed before the library starts. */
static void refuse_memory_calls(void)
{
	static const int refused[] = { SYS_mlock, SYS_mlock2, SYS_madvise, SYS_getrlimit,
				       SYS_prlimit64, -1 };

	test_filter(refused, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
}

static void refuse_locking(void)
{
	static const int refused[] = { SYS_mlock2, -1 };

	test_filter(refused, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
}

PART(draw_after_start)
{
	struct vgetrandom_info info = test_info();

	check(!info.states == (info.small == VGETRANDOM_SYSCALL));
	draw_all_sizes();
	allow_only_getrandom();
	draw_all_sizes();
}

TEST_ENTERS(the_library_starts_where_mlock_madvise_and_getrlimit_are_refused)
{
	test_passes(test_start("draw_after_start", refuse_memory_calls));
}

TEST_ENTERS(the_library_starts_where_mlock2_is_refused)
{
	test_passes(test_start("draw_after_start", refuse_locking));
}
