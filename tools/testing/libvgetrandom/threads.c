// SPDX-License-Identifier: MIT
/*
 * Threads start and end, in any number and in any way. All get different bytes, and the state of
 * a thread that ends is used again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define MANY		100000
#define AT_ONCE		50

static pthread_barrier_t all_ready, may_end;

static void *draw_small(void *arg)
{
	test_draw(16);
	return arg;
}

static void *draw_both(void *arg)
{
	test_draw_both();
	return arg;
}

static void start_and_end(unsigned long threads, void *(*fn)(void *arg))
{
	for (unsigned long i = 0; i < threads; i += AT_ONCE)
		test_run_threads(AT_ONCE, fn, NULL);
}

TEST(memory_is_bounded_by_the_peak_of_100000_threads)
{
	struct vgetrandom_info info = test_info();
	unsigned int mappings;
	long rss;

	/* The first threads grow the library's memory, and libc's cache of stacks. */
	start_and_end(500, draw_both);
	mappings = test_count_mappings();
	rss = test_rss_kb();
	start_and_end(test_rounds(MANY), draw_both);
	test_states_are(info.states);
	check(test_count_mappings() <= mappings + AT_ONCE, "%u mappings became %u", mappings,
	      test_count_mappings());
	check(test_rss_kb() < rss + 2048, "%ld KiB became %ld", rss, test_rss_kb());
}

TEST(short_lived_threads_never_get_the_same_bytes)
{
	test_unseen_init();
	start_and_end(test_rounds(5000), draw_both);
}

/* All threads have a state at the same time. */
static void *draw_and_stay(void *arg)
{
	pthread_barrier_wait(&all_ready);
	test_draw_both();
	pthread_barrier_wait(&all_ready);
	pthread_barrier_wait(&may_end);
	test_draw(16);
	return arg;
}

static void draw_at_once(unsigned int threads)
{
	pthread_t *thread = calloc(threads, sizeof(*thread));

	check(thread);
	check(!pthread_barrier_init(&all_ready, NULL, threads + 1));
	check(!pthread_barrier_init(&may_end, NULL, threads + 1));
	test_threads(thread, threads, draw_and_stay, NULL);
	pthread_barrier_wait(&all_ready);
	pthread_barrier_wait(&all_ready);
	pthread_barrier_wait(&may_end);
	test_join_all(thread, threads);
	free(thread);
}

TEST_ENTERS(requests_of_1000_threads_at_once_succeed)
{
	struct vgetrandom_info info;
	size_t states;

	test_unseen_init();
	draw_at_once(300);
	draw_at_once(1000);
	draw_at_once(1000);
	info = test_info();
	states = info.states;
	/*
	 * Without droppable memory the library never maps more than at startup; threads without a
	 * state use the system call.
	 */
	if (info.droppable)
		check(states >= 900 && states < 2500, "%zu states for 1000 threads", states);
	else
		check(states <= 256, "%zu states", states);
	draw_at_once(1000);
	start_and_end(2000, draw_small);
	test_states_are(states);
}

/*
 * Destructors. POSIX promises at least PTHREAD_DESTRUCTOR_ITERATIONS rounds.
 */
static pthread_key_t key;
static int first_round, max_rounds;
static atomic_ulong drawn;

static void draw_in_destructor(void *arg)
{
	uintptr_t round = (uintptr_t)arg;

	if ((int)round >= first_round) {
		test_draw_both();
		atomic_fetch_add(&drawn, 1);
	}
	if ((int)round < max_rounds)
		pthread_setspecific(key, (void *)(round + 1));
}

static void *end_with_destructors(void *arg)
{
	pthread_setspecific(key, (void *)1);
	if (!first_round)
		test_draw(16);
	return arg;
}

/* The destructors of threads draw from round @from on. With 0, the threads draw as well. */
static void draw_in_destructors(int from, bool bounded)
{
	const unsigned long threads = 2000;
	size_t states;

	test_unseen_init();
	first_round = from;
	max_rounds = PTHREAD_DESTRUCTOR_ITERATIONS;
	check(!pthread_key_create(&key, draw_in_destructor));
	start_and_end(500, end_with_destructors);
	states = test_info().states;
	start_and_end(threads, end_with_destructors);
	check(atomic_load(&drawn) >= threads);
	if (bounded)
		test_states_are(states);
}

TEST_ENTERS(destructors_may_make_requests_in_every_round)
{
	draw_in_destructors(0, true);
}

TEST_ENTERS(the_first_request_of_a_thread_may_be_in_a_destructor)
{
	draw_in_destructors(1, true);
}

TEST_ENTERS(the_first_request_of_a_thread_may_be_in_the_second_to_last_destructor_round)
{
	draw_in_destructors(PTHREAD_DESTRUCTOR_ITERATIONS - 1, true);
}

/* No destructor runs after that, so the states of these threads are never freed. */
TEST_ENTERS(the_first_request_of_a_thread_may_be_in_the_last_destructor_round)
{
	draw_in_destructors(PTHREAD_DESTRUCTOR_ITERATIONS, false);
}

/*
 * Cancellation.
 */
static atomic_bool ready;
static uint8_t garbage[AT_ONCE][TEST_MAX];

static void *draw_until_cancelled(void *arg)
{
	size_t len = (uintptr_t)arg;

	test_draw(16);
	atomic_store(&ready, true);
	for (;;) {
		vgetrandom(garbage[0], len, 0);
		pthread_testcancel();
	}
	return NULL;
}

static void *draw_until_cancelled_anywhere(void *arg)
{
	size_t len = (uintptr_t)arg;
	int old;

	test_draw_both();
	atomic_store(&ready, true);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	for (;;)
		vgetrandom(garbage[1], len, 0);
	return NULL;
}

static void cancel(void *(*fn)(void *arg), unsigned long times)
{
	static const size_t sizes[] = { 16, 200, 4096, TEST_MAX };
	size_t states;

	test_unseen_init();
	start_and_end(300, draw_both);
	states = test_info().states;
	for (unsigned long i = 0; i < times; i++) {
		struct timespec pause = { 0, i % 50 * 1000 };
		pthread_t thread;
		void *result;

		atomic_store(&ready, false);
		thread = test_thread(fn, (void *)sizes[i % ARRAY_SIZE(sizes)]);
		while (!atomic_load(&ready))
			sched_yield();
		nanosleep(&pause, NULL);
		check(!pthread_cancel(thread));
		check(!pthread_join(thread, &result) && result == PTHREAD_CANCELED);
		/* This thread gets the state of the cancelled one. */
		test_join(test_thread(draw_both, NULL));
		test_draw_both();
	}
	test_states_are(states);
}

TEST(threads_may_be_cancelled_between_requests)
{
	cancel(draw_until_cancelled, test_rounds(600));
}

TEST(threads_may_be_cancelled_during_a_request)
{
	cancel(draw_until_cancelled_anywhere, test_rounds(600));
}

/*
 * The end of the process.
 */
static void *outlive_main(void *arg)
{
	pthread_t *main_thread = arg;

	test_join(*main_thread);
	for (int i = 0; i < 100; i++)
		draw_both(NULL);
	start_and_end(200, draw_both);
	exit(0);
}

TEST(the_main_thread_may_end_before_others)
{
	static pthread_t self;

	test_unseen_init();
	draw_both(NULL);
	self = pthread_self();
	test_thread(outlive_main, &self);
	pthread_exit(NULL);
}

static void draw_at_exit(void)
{
	draw_both(NULL);
}

__attribute__((destructor)) static void draw_in_fini(void)
{
	test_draw_both();
}

static void *draw_forever(void *arg)
{
	for (;;)
		draw_both(arg);
	return arg;
}

TEST(exit_handlers_may_make_requests_while_threads_still_do)
{
	test_unseen_init();
	check(!atexit(draw_at_exit));
	for (int i = 0; i < 4; i++)
		test_thread(draw_forever, NULL);
	draw_both(NULL);
	exit(0);
}

TEST(many_threads_may_make_requests_at_once)
{
	test_unseen_init();
	for (unsigned long i = 0; i < test_rounds(20); i++)
		draw_at_once(200);
}
