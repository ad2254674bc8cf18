// SPDX-License-Identifier: MIT
/*
 * Under seccomp filters: once it has started, the library makes no system call that who
 * calls getrandom() does not make anyway; and one that is refused is no reason to fail,
 * unless it is that.
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

/* No return from a signal handler, either. */
static void only_getrandom(void)
{
	static const int allowed[] = { SYS_getrandom, SYS_write, SYS_exit, SYS_exit_group, -1 };

	test_filter(allowed, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
}

static void refuse_getrandom(int error)
{
	static const int refused[] = { SYS_getrandom, -1 };

	test_filter(refused, SECCOMP_RET_ERRNO | error, SECCOMP_RET_ALLOW);
}

static void ask_for_all_sizes(void)
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
		only_getrandom();
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
	only_getrandom();
	check(vgetrandom(out, 16, 0) == 16);
	ask_for_all_sizes();
}

TEST(the_first_large_request_needs_only_getrandom)
{
	only_getrandom();
	check(vgetrandom(out, TEST_MAX, 0) == TEST_MAX);
	ask_for_all_sizes();
}

TEST_ENTERS(requests_with_flags_need_only_getrandom)
{
	only_getrandom();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned int flags = 0; flags < 6; flags++)
			check(vgetrandom(out, sizes[i], flags) == (ssize_t)sizes[i]);
}

TEST_ENTERS(errors_need_only_getrandom)
{
	void *volatile null = NULL;

	only_getrandom();
	check(vgetrandom(null, 16, 0) == -1 && errno == EFAULT);
	check(vgetrandom(null, TEST_MAX, 0) == -1 && errno == EFAULT);
	check(vgetrandom(out, 16, 64) == -1 && errno == EINVAL);
	check(vgetrandom(out, TEST_MAX, 64) == -1 && errno == EINVAL);
	check(getentropy(out, 257) == -1 && errno == EIO);
}

TEST(getrandom_needs_only_getrandom)
{
	only_getrandom();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check(getrandom(out, sizes[i], 0) == (ssize_t)sizes[i]);
}

TEST(getentropy_needs_only_getrandom)
{
	only_getrandom();
	for (size_t len = 0; len <= 256; len++)
		check(!getentropy(out, len));
}

TEST(arc4random_needs_only_getrandom)
{
	only_getrandom();
	arc4random();
	arc4random_uniform(1000);
	arc4random_buf(out, sizeof(out));
	arc4random_buf(out, 16);
}

TEST(info_and_states_need_only_getrandom)
{
	struct vgetrandom_info info;
	void *state;

	only_getrandom();
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

/* Threads that are there, but have not asked before. */
static pthread_barrier_t barrier;
static atomic_int there, asked;
static atomic_bool filtered;

static void *ask_when_filtered(void *arg)
{
	uint8_t mine[1024];

	/* From now on without a system call: a barrier makes some. */
	atomic_fetch_add(&there, 1);
	while (!atomic_load(&filtered))
		__builtin_ia32_pause();
	for (int i = 0; i < 5; i++) {
		check(vgetrandom(mine, 16, 0) == 16);
		check(vgetrandom(mine, sizeof(mine), 0) == sizeof(mine));
	}
	atomic_fetch_add(&asked, 1);
	for (;;)
		__builtin_ia32_pause();
	return arg;
}

TEST(the_first_requests_of_other_threads_need_only_getrandom)
{
	enum { OTHERS = 8 };

	for (int i = 0; i < OTHERS; i++)
		test_thread(ask_when_filtered, NULL);
	while (atomic_load(&there) < OTHERS)
		sched_yield();
	only_getrandom();
	atomic_store(&filtered, true);
	while (atomic_load(&asked) < OTHERS)
		__builtin_ia32_pause();
	_exit(0);
}

static void child_asks(void)
{
	only_getrandom();
	ask_for_all_sizes();
	arc4random_buf(out, sizeof(out));
	_exit(0);
}

TEST(a_child_needs_only_getrandom)
{
	ask_for_all_sizes();
	test_in_child(child_asks);
}

/*
 * With a key, a request does not enter the kernel at all; that is what it is all about.
 * The kernel may want a new key at any time, so the better of several processes counts.
 */
static bool without_system_calls(size_t len)
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
	check(without_system_calls(16) == (test_info().small != VGETRANDOM_SYSCALL));
}

TEST(large_requests_are_served_as_info_says)
{
	/* An expanded key comes from the vDSO function, if there is one. */
	check(without_system_calls(16384) == (test_info().small != VGETRANDOM_SYSCALL));
}

/*
 * getrandom() itself is refused.
 */
static void is_refused(int error)
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
		/* Nothing that looks like an answer. */
		for (size_t n = 0; n < sizes[i]; n++)
			check(!out[n], "byte %zu of %zu is not 0", n, sizes[i]);
	}
	if (state)
		check(info.vdso(out, 16, 0, state, info.state_size) == -error);
}

TEST_ENTERS(requests_fail_with_EPERM_if_getrandom_does)
{
	is_refused(EPERM);
}

TEST_ENTERS(requests_fail_with_ENOSYS_if_getrandom_does)
{
	is_refused(ENOSYS);
}

static void ask_arc4random(void)
{
	refuse_getrandom(EPERM);
	arc4random();
}

static void ask_arc4random_buf(void)
{
	refuse_getrandom(ENOSYS);
	arc4random_buf(out, 16);
}

static void ask_arc4random_buf_for_much(void)
{
	refuse_getrandom(EPERM);
	arc4random_buf(out, TEST_MAX);
}

static void ask_arc4random_uniform(void)
{
	refuse_getrandom(EPERM);
	arc4random_uniform(10);
}

TEST_ENTERS(arc4random_aborts_with_a_message_if_getrandom_fails)
{
	test_aborts(ask_arc4random, "arc4random");
	test_aborts(ask_arc4random_buf, "arc4random");
	test_aborts(ask_arc4random_buf_for_much, "arc4random");
	test_aborts(ask_arc4random_uniform, "arc4random");
}

/* The kernel never answers 0; a filter may, in its place. */
static void ask_arc4random_of_nobody(void)
{
	refuse_getrandom(0);
	arc4random();
}

TEST_ENTERS(getrandom_that_always_returns_0_is_an_error_and_not_a_hang)
{
	test_aborts(ask_arc4random_of_nobody, "arc4random");
	refuse_getrandom(0);
	check(vgetrandom(out, 16, 0) == 0);
	check(vgetrandom(out, TEST_MAX, 0) == 0);
	errno = 0;
	check(getentropy(out, 16) == -1 && errno == EIO);
	for (size_t n = 0; n < TEST_MAX; n++)
		check(!out[n], "byte %zu is not 0", n);
}

/*
 * mmap() is refused: how often it is tried is counted by the handler that refuses it.
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

static void *ask_in_turn(void *arg)
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

static void no_more_memory(int error, int most)
{
	struct sigaction sa = { .sa_sigaction = refuse_mmap, .sa_flags = SA_SIGINFO };
	static const int refused[] = { SYS_mmap, -1 };
	static pthread_t thread[THREADS];
	size_t states = test_info().states;

	atomic_store(&refuse_with, error);
	check(!sigaction(SIGSYS, &sa, NULL));
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	test_threads(thread, THREADS, ask_in_turn, NULL);
	test_filter(refused, SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	check(atomic_load(&tried) <= most, "mmap() was tried %d times", atomic_load(&tried));
	if (states && test_info().droppable)
		check(atomic_load(&tried), "there were never 1000 threads, then");
	check(test_info().states == states);
	test_join_all(thread, THREADS);
	ask_for_all_sizes();
}

TEST_ENTERS(mmap_that_fails_with_EPERM_is_rarely_retried)
{
#ifdef __GLIBC__
	no_more_memory(EPERM, 4);
#else
	/* musl takes this for a mistake of the kernel, and makes it ENOMEM. */
	no_more_memory(EPERM, 60);
#endif
}

TEST_ENTERS(mmap_that_fails_with_ENOSYS_is_tried_once_per_kind_of_memory)
{
	no_more_memory(ENOSYS, 4);
}

TEST_ENTERS(mmap_that_fails_with_ENOMEM_is_retried_less_and_less_often)
{
	no_more_memory(ENOMEM, 60);
}

/* A filter that is there before the library starts. */
static void forbid_mapping(void)
{
	static const int refused[] = { SYS_mlock, SYS_mlock2, SYS_madvise, SYS_getrlimit,
				       SYS_prlimit64, -1 };

	test_filter(refused, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
}

static void forbid_locking(void)
{
	static const int refused[] = { SYS_mlock2, -1 };

	test_filter(refused, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
}

PART(draw_after_start)
{
	struct vgetrandom_info info = test_info();

	check(!info.states == (info.small == VGETRANDOM_SYSCALL));
	ask_for_all_sizes();
	only_getrandom();
	ask_for_all_sizes();
}

TEST_ENTERS(the_library_starts_where_mlock_madvise_and_getrlimit_are_refused)
{
	test_passes(test_start("draw_after_start", forbid_mapping));
}

TEST_ENTERS(the_library_starts_where_mlock2_is_refused)
{
	test_passes(test_start("draw_after_start", forbid_locking));
}
