// SPDX-License-Identifier: MIT
/*
 * Threads come and go, in any number and in any way: each has bytes of its own, and what
 * it had the next one gets.
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

#define CHURN		100000
#define AT_ONCE		50

static pthread_barrier_t all_there, go_home;

static void *ask_small(void *arg)
{
	test_draw(16);
	return arg;
}

static void *ask_both(void *arg)
{
	test_draw_both();
	return arg;
}

static void churn(unsigned long threads, void *(*fn)(void *arg))
{
	for (unsigned long i = 0; i < threads; i += AT_ONCE)
		test_run_threads(AT_ONCE, fn, NULL);
}

TEST(memory_is_bounded_by_the_peak_of_100000_threads)
{
	struct vgetrandom_info info = test_info();
	unsigned int mappings;
	long rss;

	/* What the first ones need, the others need too; and libc caches stacks. */
	churn(500, ask_both);
	mappings = test_count_mappings();
	rss = test_rss_kb();
	churn(test_rounds(CHURN), ask_both);
	test_states_are(info.states);
	check(test_count_mappings() <= mappings + AT_ONCE, "%u mappings have become %u", mappings,
	      test_count_mappings());
	check(test_rss_kb() < rss + 2048, "%ld KiB have become %ld", rss, test_rss_kb());
}

TEST(short_lived_threads_never_get_the_same_bytes)
{
	test_unseen_init();
	churn(test_rounds(5000), ask_both);
}

/* All have a state at once, twice; the second time nothing is left to be mapped. */
static void *ask_and_stay(void *arg)
{
	pthread_barrier_wait(&all_there);
	test_draw_both();
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&go_home);
	test_draw(16);
	return arg;
}

static void at_once(unsigned int threads)
{
	pthread_t *thread = calloc(threads, sizeof(*thread));

	check(thread);
	check(!pthread_barrier_init(&all_there, NULL, threads + 1));
	check(!pthread_barrier_init(&go_home, NULL, threads + 1));
	test_threads(thread, threads, ask_and_stay, NULL);
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&go_home);
	test_join_all(thread, threads);
	free(thread);
}

TEST_ENTERS(requests_of_1000_threads_at_once_succeed)
{
	struct vgetrandom_info info;
	size_t states;

	test_unseen_init();
	at_once(300);
	at_once(1000);
	at_once(1000);
	info = test_info();
	states = info.states;
	/* Without droppable memory there are no more than at the start: then the system call. */
	if (info.droppable)
		check(states >= 900 && states < 2500, "%zu states for 1000 threads", states);
	else
		check(states <= 256, "%zu states", states);
	at_once(1000);
	churn(2000, ask_small);
	test_states_are(states);
}

/*
 * Destructors. POSIX promises so many rounds of them.
 */
static pthread_key_t key;
static int from_round, most_rounds;
static atomic_ulong asked;

static void ask_in_destructor(void *arg)
{
	uintptr_t round = (uintptr_t)arg;

	if ((int)round >= from_round) {
		test_draw_both();
		atomic_fetch_add(&asked, 1);
	}
	if ((int)round < most_rounds)
		pthread_setspecific(key, (void *)(round + 1));
}

static void *end_with_destructors(void *arg)
{
	pthread_setspecific(key, (void *)1);
	if (!from_round)
		test_draw(16);
	return arg;
}

static void destructors(int from, bool bounded)
{
	const unsigned long threads = 2000;
	size_t states;

	test_unseen_init();
	from_round = from;
	most_rounds = PTHREAD_DESTRUCTOR_ITERATIONS;
	check(!pthread_key_create(&key, ask_in_destructor));
	churn(500, end_with_destructors);
	states = test_info().states;
	churn(threads, end_with_destructors);
	check(atomic_load(&asked) >= threads);
	if (bounded)
		test_states_are(states);
}

TEST_ENTERS(destructors_may_make_requests_in_every_round)
{
	destructors(0, true);
}

TEST_ENTERS(the_first_request_of_a_thread_may_be_in_a_destructor)
{
	destructors(1, true);
}

TEST_ENTERS(the_first_request_of_a_thread_may_be_in_the_second_to_last_destructor_round)
{
	destructors(PTHREAD_DESTRUCTOR_ITERATIONS - 1, true);
}

/* POSIX gives nobody a chance to tidy up after that: what such a thread takes is lost. */
TEST_ENTERS(the_first_request_of_a_thread_may_be_in_the_last_destructor_round)
{
	destructors(PTHREAD_DESTRUCTOR_ITERATIONS, false);
}

/*
 * Cancellation.
 */
static atomic_bool ready;
static uint8_t garbage[AT_ONCE][TEST_MAX];

static void *ask_until_cancelled(void *arg)
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

static void *ask_until_cancelled_anywhere(void *arg)
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
	churn(300, ask_both);
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
		/* The next one has what the cancelled one had. */
		test_join(test_thread(ask_both, NULL));
		test_draw_both();
	}
	test_states_are(states);
}

TEST(threads_may_be_cancelled_between_requests)
{
	cancel(ask_until_cancelled, test_rounds(600));
}

TEST(threads_may_be_cancelled_during_a_request)
{
	cancel(ask_until_cancelled_anywhere, test_rounds(600));
}

/*
 * Ends of the process.
 */
static void *outlive_main(void *arg)
{
	pthread_t *main_thread = arg;

	test_join(*main_thread);
	for (int i = 0; i < 100; i++)
		ask_both(NULL);
	churn(200, ask_both);
	exit(0);
}

TEST(the_main_thread_may_end_before_others)
{
	static pthread_t self;

	test_unseen_init();
	ask_both(NULL);
	self = pthread_self();
	test_thread(outlive_main, &self);
	pthread_exit(NULL);
}

static void ask_at_exit(void)
{
	ask_both(NULL);
}

__attribute__((destructor)) static void ask_in_fini(void)
{
	test_draw_both();
}

static void *ask_forever(void *arg)
{
	for (;;)
		ask_both(arg);
	return arg;
}

TEST(exit_handlers_may_make_requests_while_threads_still_do)
{
	test_unseen_init();
	check(!atexit(ask_at_exit));
	for (int i = 0; i < 4; i++)
		test_thread(ask_forever, NULL);
	ask_both(NULL);
	exit(0);
}

/* Each has another part of the processor's attention, and all of the states. */
TEST(many_threads_may_make_requests_at_once)
{
	test_unseen_init();
	for (unsigned long i = 0; i < test_rounds(20); i++)
		at_once(200);
}
