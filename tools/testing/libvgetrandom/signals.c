// SPDX-License-Identifier: MIT
/*
 * Signal handlers may make requests at any time: during a request, and while a thread starts
 * or ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

/* A test needs more interruptions than this to show anything. */
#define ENOUGH	20

static atomic_bool stop;
static atomic_int handled;
static size_t handler_len;

static void check_handled(void)
{
	check(atomic_load(&handled) > ENOUGH, "only %d handlers ran", atomic_load(&handled));
}

static void draw_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	test_draw(handler_len);
	test_draw(16);
	atomic_fetch_add(&handled, 1);
	errno = saved;
}

static pthread_t target;

static void *send_signals(void *arg)
{
	struct timespec pause = { 0, 100000 };

	for (int i = 0; !atomic_load(&stop); i++) {
		pthread_kill(target, i % 2 ? SIGUSR1 : SIGUSR2);
		nanosleep(&pause, NULL);
	}
	return arg;
}

static void requests_in_requests(size_t outer, size_t inner)
{
	/* The handlers of SIGUSR1, SIGUSR2 and SIGALRM may interrupt each other. */
	struct sigaction sa = { .sa_handler = draw_in_handler, .sa_flags = SA_RESTART };
	double until = test_seconds(0.4);
	sigset_t set;
	pthread_t sender;

	test_unseen_init();
	handler_len = inner;
	check(!sigaction(SIGUSR1, &sa, NULL) && !sigaction(SIGUSR2, &sa, NULL));
	target = pthread_self();
	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sender = test_thread(send_signals, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	test_periodic_alarm(150, draw_in_handler);
	do {
		for (int i = 0; i < 20; i++)
			test_draw(outer);
	} while (test_continues(until, atomic_load(&handled), ENOUGH));
	test_periodic_alarm(0, SIG_DFL);
	atomic_store(&stop, true);
	test_join(sender);
	check_handled();
}

TEST_ENTERS(handlers_may_make_small_requests_during_small_ones)
{
	requests_in_requests(32, 16);
}

TEST_ENTERS(handlers_may_make_small_requests_during_large_ones)
{
	requests_in_requests(16384, 16);
}

TEST_ENTERS(handlers_may_make_large_requests_during_small_ones)
{
	requests_in_requests(32, 4096);
}

TEST_ENTERS(handlers_may_make_large_requests_during_large_ones)
{
	requests_in_requests(16384, 8192);
}

/*
 * Signals for the process while threads start and end: only those threads do not block them.
 */
static void *start_and_end(void *arg)
{
	sigset_t set;

	sigfillset(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	test_draw((uintptr_t)arg);
	return arg;
}

static pthread_key_t key;

static void draw_in_destructor(void *arg)
{
	test_draw((uintptr_t)arg);
}

static void *start_and_end_with_destructor(void *arg)
{
	pthread_setspecific(key, arg);
	return start_and_end(arg);
}

static void signal_starting_threads(void *(*fn)(void *arg), size_t len)
{
	size_t states = test_info().states;
	double until = test_seconds(1);
	int threads = 0;
	sigset_t set;

	test_unseen_init();
	handler_len = len;
	pthread_key_create(&key, draw_in_destructor);
	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	test_periodic_alarm(60, draw_in_handler);
	while (test_continues(until, atomic_load(&handled), ENOUGH)) {
		test_run_threads(4, fn, (void *)len);
		threads += 4;
	}
	test_periodic_alarm(0, SIG_DFL);
	check_handled();
	check(test_info().states == states, "after %d threads %zu states became %zu",
	      threads, states, test_info().states);
}

TEST_ENTERS(handlers_may_make_small_requests_while_threads_start_and_end)
{
	signal_starting_threads(start_and_end, 16);
}

TEST_ENTERS(handlers_may_make_large_requests_while_threads_start_and_end)
{
	signal_starting_threads(start_and_end, 4096);
}

TEST_ENTERS(handlers_and_destructors_may_make_requests_while_threads_end)
{
	signal_starting_threads(start_and_end_with_destructor, 512);
}

/* A request that never returns must not keep anything locked that later requests need. */
static sigjmp_buf out;
static volatile bool may_jump;

static void jump_out(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled, 1);
	if (may_jump)
		siglongjmp(out, 1);
}

static void leave_calls(size_t len)
{
	double until = test_seconds(0.5);
	volatile int left = 0;

	test_unseen_init();
	test_periodic_alarm(200, jump_out);
	while (test_continues(until, left, ENOUGH)) {
		static uint8_t buffer[TEST_MAX];

		if (sigsetjmp(out, 1)) {
			may_jump = false;
			left++;
			test_draw(16);
			test_draw(4096);
			continue;
		}
		may_jump = true;
		for (int i = 0; i < 10; i++)
			check(vgetrandom(buffer, len, 0) > 0 || (len > 256 && errno == EINTR));
		may_jump = false;
	}
	test_periodic_alarm(0, SIG_DFL);
	check(left > ENOUGH, "left only %d calls", left);
}

TEST_ENTERS(a_handler_may_jump_out_of_a_small_request)
{
	leave_calls(128);
}

TEST_ENTERS(a_handler_may_jump_out_of_a_large_request)
{
	leave_calls(TEST_MAX);
}

/*
 * Partial results.
 */
static void do_nothing(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled, 1);
}

/* Random bytes do not contain 64 zeros. */
static bool is_filled(const uint8_t *p, size_t len)
{
	static const uint8_t zeros[64];

	for (size_t i = 0; i + 64 <= len; i += 64)
		if (!memcmp(p + i, zeros, 64))
			return false;
	return true;
}

static uint8_t large[1 << 20];

TEST_ENTERS(signals_do_not_shorten_requests_up_to_256_bytes)
{
	double until = test_seconds(0.5);

	test_periodic_alarm(50, do_nothing);
	do {
		for (size_t len = 1; len <= 256; len++) {
			check(vgetrandom(large, len, 0) == (ssize_t)len);
			check(!getentropy(large, len));
		}
	} while (test_continues(until, atomic_load(&handled), ENOUGH));
	test_periodic_alarm(0, SIG_DFL);
	check_handled();
}

TEST_ENTERS(signals_do_not_shorten_arc4random_buf)
{
	double until = test_seconds(0.7);

	test_periodic_alarm(100, do_nothing);
	do {
		memset(large, 0, sizeof(large));
		arc4random_buf(large, sizeof(large));
		check(is_filled(large, sizeof(large)));
	} while (test_continues(until, atomic_load(&handled), ENOUGH));
	test_periodic_alarm(0, SIG_DFL);
	check_handled();
}

TEST_ENTERS(an_interrupted_request_has_written_all_bytes_that_it_counts)
{
	double until = test_seconds(0.7);

	test_periodic_alarm(100, do_nothing);
	do {
		ssize_t got;

		memset(large, 0, sizeof(large));
		errno = 0;
		got = vgetrandom(large, sizeof(large), 0);
		check((got > 0 && got <= (ssize_t)sizeof(large)) || (got == -1 && errno == EINTR));
		check(got < 0 || is_filled(large, got / 64 * 64));
	} while (test_continues(until, atomic_load(&handled), ENOUGH));
	test_periodic_alarm(0, SIG_DFL);
	check_handled();
}

static atomic_bool completed;

static void *call_all_when_cancelled(void *arg)
{
	static const size_t sizes[] = { 1, 16, 256, 4096, 65536 };

	/* From now on a cancellation point ends this thread. */
	check(!pthread_cancel(pthread_self()));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		check(vgetrandom(large, sizes[i], 0) == (ssize_t)sizes[i]);
		check(getrandom(large, sizes[i], 0) == (ssize_t)sizes[i]);
		check(vgetrandom(large, sizes[i], GRND_INSECURE) == (ssize_t)sizes[i]);
		arc4random_buf(large, sizes[i]);
	}
	check(!getentropy(large, 256));
	arc4random();
	arc4random_uniform(10);
	vgetrandom_free(vgetrandom_alloc());
	check(test_info().version);
	atomic_store(&completed, true);
	pthread_testcancel();
	check(false, "the thread was not cancelled at all");
	return arg;
}

TEST_ENTERS(no_function_is_a_cancellation_point)
{
	test_join(test_thread(call_all_when_cancelled, NULL));
	check(atomic_load(&completed), "a function was a cancellation point");
}
