// SPDX-License-Identifier: MIT
/*
 * A program that is not linked with the library, but opens it with dlopen().
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

static ssize_t (*request)(void *buf, size_t len, unsigned int flags);
static void (*get_info)(struct vgetrandom_info *info, size_t size);
static void *handle;

static void open_library(void)
{
	handle = dlopen("libvgetrandom.so", RTLD_NOW | RTLD_LOCAL);
	check(handle, "%s", dlerror());
	*(void **)&request = dlsym(handle, "vgetrandom");
	*(void **)&get_info = dlsym(handle, "vgetrandom_info");
	check(request && get_info);
}

static void close_library(void)
{
	check(!dlclose(handle), "%s", dlerror());
}

static void draw(void)
{
	uint8_t out[4096];

	check(request(out, 16, 0) == 16);
	test_unseen(out, 16);
	check(request(out, sizeof(out), 0) == sizeof(out));
	test_unseen(out, sizeof(out));
}

static pthread_barrier_t ready, may_end;

static void *draw_and_stay(void *arg)
{
	draw();
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&may_end);
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

		open_library();
		pthread_barrier_init(&ready, NULL, 2);
		pthread_barrier_init(&may_end, NULL, 2);
		early = test_thread(draw_and_stay, NULL);
		late = test_thread(draw_once, NULL);
		draw();
		test_join(late);
		pthread_barrier_wait(&ready);
		close_library();
		/* This thread ends after the library is closed. */
		pthread_barrier_wait(&may_end);
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
	/* The table of test_unseen() grows meanwhile; it has 32 MiB. */
	check(test_count_mappings() <= mappings + 2, "%u mappings became %u", mappings,
	      test_count_mappings());
	check(test_rss_kb() < rss + 34 * 1024, "%ld KiB became %ld", rss, test_rss_kb());
}

static void *open_in_thread(void *arg)
{
	open_library();
	draw();
	return arg;
}

static void *draw_after_open(void *arg)
{
	/* The library is opened while this thread waits. */
	pthread_barrier_wait(&ready);
	draw();
	return arg;
}

TEST(threads_older_than_dlopen_may_make_requests)
{
	pthread_t thread[10];

	test_unseen_init();
	pthread_barrier_init(&ready, NULL, 11);
	test_threads(thread, 10, draw_after_open, NULL);
	test_join(test_thread(open_in_thread, NULL));
	pthread_barrier_wait(&ready);
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

/* The first request of this thread may come from a handler that interrupts malloc(). */
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
	open_library();
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

/* The program has created as many keys as the system allows. */
TEST(without_a_free_pthread_key_the_system_call_serves)
{
	struct vgetrandom_info info;
	pthread_key_t key;
	int keys = 0;

	while (!pthread_key_create(&key, NULL))
		keys++;
	check(keys);
	test_unseen_init();
	open_library();
	draw();
	test_join(test_thread(draw_once, NULL));
	get_info(&info, sizeof(info));
	check(info.small == VGETRANDOM_SYSCALL && info.large == VGETRANDOM_SYSCALL);
	check(info.small_why && *info.small_why);
	test_in_child(draw);
}

/* The values of later keys are in memory that glibc allocates with malloc() in each thread. */
TEST(with_a_pthread_key_that_needs_malloc_the_system_call_serves)
{
	struct vgetrandom_info info;
	pthread_key_t key;

	for (int i = 0; i < 40; i++)
		check(!pthread_key_create(&key, NULL));
	test_unseen_init();
	open_library();
	draw();
	test_join(test_thread(draw_once, NULL));
	get_info(&info, sizeof(info));
#ifdef __GLIBC__
	check(info.small == VGETRANDOM_SYSCALL && info.large == VGETRANDOM_SYSCALL);
#endif
	check(info.small_why && *info.small_why);
}

TEST(children_may_make_requests_after_dlclose)
{
	test_unseen_init();
	for (int i = 0; i < 20; i++) {
		open_library();
		draw();
		close_library();
		test_in_child(draw);
		test_in_child(open_library);
	}
}
