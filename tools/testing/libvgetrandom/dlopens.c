// SPDX-License-Identifier: MIT
/*
 * A program that does not know the library until it opens it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static ssize_t (*ask)(void *buf, size_t len, unsigned int flags);
static void (*info_of)(struct vgetrandom_info *info, size_t size);
static void *handle;

static void open_it(void)
{
	handle = dlopen("libvgetrandom.so", RTLD_NOW | RTLD_LOCAL);
	check(handle, "%s", dlerror());
	*(void **)&ask = dlsym(handle, "vgetrandom");
	*(void **)&info_of = dlsym(handle, "vgetrandom_info");
	check(ask && info_of);
}

static void close_it(void)
{
	check(!dlclose(handle), "%s", dlerror());
}

static void draw(void)
{
	uint8_t out[4096];

	check(ask(out, 16, 0) == 16);
	test_unseen(out, 16);
	check(ask(out, sizeof(out), 0) == sizeof(out));
	test_unseen(out, sizeof(out));
}

static pthread_barrier_t there, go;

static void *draw_and_stay(void *arg)
{
	draw();
	pthread_barrier_wait(&there);
	pthread_barrier_wait(&go);
	return arg;
}

static void *draw_once(void *arg)
{
	draw();
	return arg;
}

static void rounds(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		pthread_t early, late;

		open_it();
		pthread_barrier_init(&there, NULL, 2);
		pthread_barrier_init(&go, NULL, 2);
		early = test_thread(draw_and_stay, NULL);
		late = test_thread(draw_once, NULL);
		draw();
		test_join(late);
		pthread_barrier_wait(&there);
		close_it();
		/* It ends when nobody has the library open. */
		pthread_barrier_wait(&go);
		test_join(early);
	}
}

TEST(the_library_may_be_opened_and_closed_1000_times)
{
	unsigned int mappings;
	long rss;

	test_unseen_init();
	rounds(20);
	mappings = test_count_mappings();
	rss = test_rss_kb();
	rounds(test_rounds(1000));
	/* The table of what has been seen is filled by a few pages meanwhile. */
	check(test_count_mappings() <= mappings + 2, "%u mappings have become %u", mappings,
	      test_count_mappings());
	check(test_rss_kb() < rss + 34 * 1024, "%ld KiB have become %ld", rss, test_rss_kb());
}

static void *open_in_thread(void *arg)
{
	open_it();
	draw();
	return arg;
}

static void *use_from_before(void *arg)
{
	/* From before the library was there. */
	pthread_barrier_wait(&there);
	draw();
	return arg;
}

TEST(threads_older_than_dlopen_may_make_requests)
{
	pthread_t thread[10];

	test_unseen_init();
	pthread_barrier_init(&there, NULL, 11);
	test_threads(thread, 10, use_from_before, NULL);
	test_join(test_thread(open_in_thread, NULL));
	pthread_barrier_wait(&there);
	test_join_all(thread, 10);
	draw();
}

static atomic_int handled;

static void draw_in_handler(int sig)
{
	(void)sig;
	draw();
	atomic_fetch_add(&handled, 1);
}

/* A thread's first request is in a handler that interrupts malloc(). */
static void *allocate(void *arg)
{
	double until = test_now() + 0.002;

	do {
		void *volatile p = malloc(1000);

		free(p);
	} while (test_now() < until);
	return arg;
}

TEST(first_requests_may_be_in_handlers_that_interrupt_malloc)
{
	double until = test_now();

	test_unseen_init();
	open_it();
	test_periodic_alarm(300, draw_in_handler);
	for (int i = 0; i < 300 || test_continues(until, atomic_load(&handled), 50); i++) {
		sigset_t set;
		pthread_t thread;

		thread = test_thread(allocate, NULL);
		sigfillset(&set);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		test_join(thread);
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	}
	check(atomic_load(&handled) > 50);
}

/* All keys that a thread has room for are taken. */
TEST(without_a_free_pthread_key_the_system_call_serves)
{
	struct vgetrandom_info info;
	pthread_key_t key;
	int keys = 0;

	while (!pthread_key_create(&key, NULL))
		keys++;
	check(keys);
	test_unseen_init();
	open_it();
	draw();
	test_join(test_thread(draw_once, NULL));
	info_of(&info, sizeof(info));
	check(info.small == VGETRANDOM_SYSCALL && info.large == VGETRANDOM_SYSCALL);
	check(info.small_why && *info.small_why);
	test_in_child(draw);
}

/* What a thread's first request would need beyond that, glibc gets from malloc(). */
TEST(with_a_pthread_key_that_needs_malloc_the_system_call_serves)
{
	struct vgetrandom_info info;
	pthread_key_t key;

	for (int i = 0; i < 40; i++)
		check(!pthread_key_create(&key, NULL));
	test_unseen_init();
	open_it();
	draw();
	test_join(test_thread(draw_once, NULL));
	info_of(&info, sizeof(info));
#ifdef __GLIBC__
	check(info.small == VGETRANDOM_SYSCALL && info.large == VGETRANDOM_SYSCALL);
#endif
	check(info.small_why && *info.small_why);
}

TEST(children_may_make_requests_after_dlclose)
{
	test_unseen_init();
	for (int i = 0; i < 20; i++) {
		open_it();
		draw();
		close_it();
		test_in_child(draw);
		test_in_child(open_it);
	}
}
