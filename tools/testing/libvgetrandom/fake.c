// SPDX-License-Identifier: MIT
/*
 * Tests with a fake vDSO, which records how it is called, and returns what a test demands.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include "fake_vdso.h"
#include "test.h"

#define ALL	~0UL

static struct fake_vdso *fake;
static struct vgetrandom_info info;
static uint8_t out[TEST_MAX];

static void open_fake(void)
{
	fake = test_fake();
	info = test_info();
}

static size_t large_from(void)
{
	return info.large_from ? info.large_from : sizeof(out) + 1;
}

TEST(small_requests_are_calls_of_the_vDSO_function)
{
	open_fake();
	check(info.small == VGETRANDOM_VDSO);
	for (size_t len = 1; len < large_from() && len < 5000; len++) {
		unsigned long calls = fake->calls;

		fake->longest = 0;
		check(vgetrandom(out, len, 0) == (ssize_t)len);
		check(fake->calls == calls + 1 && fake->longest == len, "len %zu", len);
	}
	test_no_misuse(fake);
}

TEST(large_requests_are_expanded_only_for_states_of_144_bytes)
{
	open_fake();
	if (info.state_size == 144) {
		check(info.large == VGETRANDOM_EXPAND);
		check(info.large_from >= 64 && info.large_from <= 1024);
	} else {
		check(info.large == VGETRANDOM_VDSO && !info.large_from);
	}
}

/*
 * Results of the vDSO function.
 */
static void error_is_passed_on(int error)
{
	open_fake();
	fake->answer = -error;
	fake->answers = ALL;
	for (size_t len = 1; len < 10000; len = len * 2 + 1) {
		errno = 0;
		check(vgetrandom(out, len, 0) == -1 && errno == error, "len %zu", len);
		errno = 0;
		check(getrandom(out, len, GRND_NONBLOCK) == -1 && errno == error);
	}
	for (size_t i = 0; i < sizeof(out); i++)
		check(!out[i]);
	test_no_misuse(fake);
}

TEST(EINTR_is_passed_on)
{
	error_is_passed_on(EINTR);
}

TEST(EAGAIN_is_passed_on)
{
	error_is_passed_on(EAGAIN);
}

TEST(ENOSYS_is_passed_on)
{
	error_is_passed_on(ENOSYS);
}

/* EFAULT for a key means that there is no memory for its page: the caller's buffer is good. */
TEST(EFAULT_is_passed_on_unless_it_is_the_key_s)
{
	const size_t len = 8192;
	bool expands;

	open_fake();
	expands = info.large == VGETRANDOM_EXPAND;
	fake->answer = -EFAULT;
	fake->answers = 1;
	errno = 0;
	check(vgetrandom(out, len, 0) == (expands ? (ssize_t)len : -1));
	check(errno == (expands ? 0 : EFAULT) && !fake->answers);
	fake->answers = 1;
	check(vgetrandom(out, 16, 0) == -1 && errno == EFAULT);
	test_no_misuse(fake);
}

static uint8_t changed[4096];

static void check_filled(void (*fill)(void *buf, size_t len), size_t most)
{
	for (size_t len = 1; len < most; len = len * 2 + 1) {
		memset(changed, 0, len);
		for (int round = 0; round < 6; round++) {
			memset(out, 0xa5, len + 1);
			fake->answers = 3;
			fill(out, len);
			check(!fake->answer || !fake->answers);
			for (size_t i = 0; i < len; i++)
				changed[i] |= out[i] ^ 0xa5;
			check(out[len] == 0xa5);
		}
		for (size_t i = 0; i < len; i++)
			check(changed[i], "len %zu: byte %zu is not written", len, i);
	}
}

static void fill_getentropy(void *buf, size_t len)
{
	check(!getentropy(buf, len));
}

static void fill_arc4random(void *buf, size_t len)
{
	arc4random_buf(buf, len);
}

TEST(getentropy_and_arc4random_go_on_after_EINTR)
{
	open_fake();
	fake->answer = -EINTR;
	check_filled(fill_getentropy, 256);
	check_filled(fill_arc4random, sizeof(changed));
	test_no_misuse(fake);
}

TEST(getentropy_and_arc4random_go_on_after_partial_results)
{
	open_fake();
	fake->at_most = 7;
	check_filled(fill_getentropy, 256);
	check_filled(fill_arc4random, sizeof(changed));
	test_no_misuse(fake);
}

static void fill_aborts(void)
{
	fake->answer = -EPERM;
	fake->answers = ALL;
	arc4random_buf(out, 16);
}

TEST(arc4random_ends_the_process_when_the_vDSO_function_fails)
{
	open_fake();
	test_aborts(fill_aborts, "arc4random");
}

/*
 * States.
 */
static pthread_barrier_t barrier;

static void *ask(void *arg)
{
	uint8_t mine[1000];

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 50; i++)
		check(vgetrandom(mine, i % 2 ? 1000 : 16, 0) > 0);
	pthread_barrier_wait(&barrier);
	return arg;
}

TEST(no_two_threads_ever_use_the_same_state)
{
	const int threads = 400, rounds = 3;

	open_fake();
	fake->spin = 300;
	pthread_barrier_init(&barrier, NULL, threads);
	for (int round = 0; round < rounds; round++)
		test_run_threads(threads, ask, NULL);
	/* The system call serves some requests, while another thread maps more states. */
	check(fake->calls > (unsigned long)(rounds * threads * 50 / 2));
	test_no_misuse(fake);
}

/* The state of the child's first thread is not allocated to its other threads. */
static void threads_in_child(void)
{
	pthread_t thread[50];

	memset(fake, 0, sizeof(*fake));
	fake->spin = 300;
	pthread_barrier_init(&barrier, NULL, ARRAY_SIZE(thread) + 1);
	test_threads(thread, ARRAY_SIZE(thread), ask, NULL);
	ask(NULL);
	test_join_all(thread, ARRAY_SIZE(thread));
	test_no_misuse(fake);
}

TEST(no_two_threads_of_a_child_ever_use_the_same_state)
{
	open_fake();
	check(vgetrandom(out, 16, 0) == 16);
	check(vgetrandom(out, sizeof(out), 0) == sizeof(out));
	for (int i = 0; i < 5; i++)
		test_in_child(threads_in_child);
}

static int depth;

/* Called by the vDSO function in the middle of a call, like a signal handler. */
static void ask_again(void)
{
	if (depth < 3) {
		uint8_t mine[1000];

		depth++;
		check(vgetrandom(mine, 16, 0) == 16);
		check(vgetrandom(mine, sizeof(mine), 0) == sizeof(mine));
		depth--;
	}
}

TEST(requests_may_interrupt_a_request)
{
	open_fake();
	test_unseen_init();
	fake->hook = ask_again;
	for (int i = 0; i < 20; i++) {
		test_draw(16);
		test_draw(10000);
	}
	test_no_misuse(fake);
}
