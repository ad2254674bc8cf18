// SPDX-License-Identifier: MIT
/*
 * A child never gets the bytes of its parent, however and whenever it is created. It uses the
 * same way to get bytes, and the memory of its parent's threads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

extern char **environ;

/* Multiples of 8, so that test_unseen() finds every repetition. */
static const size_t sizes[] = { 16, 8, 32, 64, 16, 192, 256, 512, 16, 4096, 24, 20000 };

static void draw_some(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		test_draw(sizes[i]);
}

#ifdef __GLIBC__
static pid_t call_Fork(void)
{
	return _Fork();
}
#endif

/* Have each process create three children, @depth + 1 generations deep; all make requests. */
static void generations(pid_t (*create)(void), int depth)
{
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		draw_some();
		pid = create();
		check(pid >= 0, "fork");
		if (!pid) {
			draw_some();
			if (depth)
				generations(create, depth - 1);
			draw_some();
			_exit(0);
		}
		draw_some();
		test_passes(pid);
	}
	draw_some();
}

TEST(children_of_fork_get_different_bytes)
{
	test_unseen_init();
	draw_some();
	generations(fork, 2);
}

#ifdef __GLIBC__
TEST(children_of_Fork_get_different_bytes)
{
	test_unseen_init();
	draw_some();
	generations(call_Fork, 2);
}
#endif

TEST(children_of_clone_get_different_bytes)
{
	test_unseen_init();
	draw_some();
	generations(test_clone, 2);
}

/* Without a request before the fork there is no state that the kernel could wipe. */
TEST(children_of_a_parent_without_requests_get_different_bytes)
{
	test_unseen_init();
	for (int i = 0; i < 3; i++) {
		generations(i == 0 ? test_clone : fork, 0);
		test_in_child(draw_some);
	}
}

/*
 * The child's thread keeps using its state, so vgetrandom_alloc() must not return that one: it
 * would not be zeros after the request.
 */
static void take_all_states_and_draw(void)
{
	static uint8_t *taken[4096];
	size_t states = test_info().states, size = test_info().state_size, n = 0;

	while (n < ARRAY_SIZE(taken) && test_info().states == states &&
	       (taken[n] = vgetrandom_alloc()))
		n++;
	test_draw(16);
	for (size_t i = 0; i < n; i++)
		for (size_t at = 0; at < size; at++)
			check(!taken[i][at], "byte %zu of state %zu of %zu is not 0", at, i, n);
}

TEST(alloc_in_a_child_never_returns_the_state_of_its_thread)
{
	test_unseen_init();
	test_draw(16);
	test_in_child(take_all_states_and_draw);
}

TEST(a_child_of_vfork_and_then_its_parent_may_make_requests)
{
	test_unseen_init();
	draw_some();
	for (int i = 0; i < 20; i++) {
		volatile bool was_child = false;
		pid_t pid;

		draw_some();
		/* The child shares the parent's memory, and so its state. */
		pid = vfork();
		check(pid >= 0);
		if (!pid) {
			was_child = true;
			test_draw(16);
			test_draw(4096);
			_exit(0);
		}
		check(was_child);
		test_draw(16);
		test_draw(4096);
		test_passes(pid);
	}
}

PART(spawned_program)
{
	draw_some();
	check(write(3, "", 1) == 1);
}

TEST_ENTERS(a_spawned_program_may_make_requests)
{
	static char *const argv[] = { "test", "spawned_program", NULL };
	posix_spawn_file_actions_t actions;
	int fds[2];
	char byte;
	pid_t pid;

	test_unseen_init();
	draw_some();
	check(!pipe(fds));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 3);
	check(!posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ));
	test_draw(16);
	test_passes(pid);
	check(read(fds[0], &byte, 1) == 1);
}

PART(report_bytes)
{
	uint8_t out[64];

	check(vgetrandom(out, sizeof(out), 0) == sizeof(out));
	check(write(3, out, sizeof(out)) == sizeof(out));
}

static int report_to;

static void report_on_3(void)
{
	check(dup2(report_to, 3) == 3);
}

TEST_ENTERS(bytes_do_not_repeat_after_exec)
{
	uint8_t out[64];
	int fds[2];

	test_unseen_init();
	check(!pipe(fds));
	report_to = fds[1];
	for (int i = 0; i < 20; i++) {
		draw_some();
		test_passes(test_start("report_bytes", report_on_3));
		check(read(fds[0], out, sizeof(out)) == sizeof(out));
		test_unseen(out, sizeof(out));
	}
}

/*
 * Forking in signal handlers, at any point of a request.
 *
 * If the request has written all of its bytes but not returned yet, parent and child both have
 * them, as if the fork had come an instant later. A system call has always written them when
 * a handler runs. Otherwise the child must get different bytes.
 */
static pid_t (*create)(void);
static uint8_t forked_out[TEST_MAX];
static volatile size_t forked_len;
static volatile bool is_child, was_complete;
static volatile int forks, forks_inside;
static int max_forks;

static void fork_in_handler(int sig)
{
	int saved = errno;
	bool complete;
	pid_t pid;

	(void)sig;
	if (forks >= max_forks || !forked_len)
		return;
	forks++;
	complete = test_request_is_complete(forked_out, forked_len);
	forks_inside += !complete;
	pid = create();
	if (!pid) {
		/* The child makes requests here, and then returns into the interrupted one. */
		is_child = true;
		was_complete = complete;
		forks = max_forks;
		test_draw(16);
		test_draw(4096);
		errno = saved;
		return;
	}
	check(pid > 0);
	test_draw(16);
	test_passes(pid);
	errno = saved;
}

static void fork_from_handlers(pid_t (*how)(void), size_t len, int times)
{
	double until = test_now() + 10;

	test_unseen_init();
	create = how;
	max_forks = test_rounds(times);
	test_draw(16);
	test_periodic_alarm(500, fork_in_handler);
	while (!is_child && forks < max_forks && test_now() < until) {
		ssize_t got;

		memset(forked_out + len - 8, 0, 8);
		forked_len = len;
		got = vgetrandom(forked_out, len, 0);
		forked_len = 0;
		check(got == (ssize_t)len || (len > 256 && (got > 0 || errno == EINTR)));
		if (got > 0 && !(is_child && was_complete))
			test_unseen(forked_out, got);
	}
	test_draw(len);
	test_draw(16);
	if (is_child)
		_exit(0);
	test_periodic_alarm(0, SIG_DFL);
	check(forks >= max_forks / 4, "only %d forks", forks);
	if (test_info().large == VGETRANDOM_EXPAND && len >= 4096)
		check(forks_inside, "none of %d forks was during a request", forks);
}

TEST_ENTERS(a_handler_may_fork_during_a_small_request)
{
	fork_from_handlers(fork, 128, 300);
}

TEST_ENTERS(a_handler_may_clone_during_a_small_request)
{
	fork_from_handlers(test_clone, 128, 300);
}

TEST_ENTERS(a_handler_may_fork_during_a_large_request)
{
	fork_from_handlers(fork, TEST_MAX, 300);
}

TEST_ENTERS(a_handler_may_clone_during_a_large_request)
{
	fork_from_handlers(test_clone, TEST_MAX, 300);
}

/*
 * Forking while other threads allocate and free states.
 */
static atomic_bool stop;

static void *draw_once(void *arg)
{
	test_draw_both();
	return arg;
}

static void *start_threads(void *arg)
{
	while (!atomic_load(&stop))
		test_run_threads(4, draw_once, NULL);
	return arg;
}

static void *alloc_and_free(void *arg)
{
	while (!atomic_load(&stop)) {
		void *state[8];

		for (int i = 0; i < 8; i++)
			state[i] = vgetrandom_alloc();
		for (int i = 0; i < 8; i++)
			vgetrandom_free(state[i]);
	}
	return arg;
}

static void child_with_threads(void)
{
	pthread_t thread[8];

	draw_some();
	test_threads(thread, 8, draw_once, NULL);
	draw_some();
	test_join_all(thread, 8);
	alloc_and_free(NULL);
	_exit(0);
}

TEST(a_process_may_fork_while_threads_start_and_end)
{
	pthread_t starters[2], allocator;

	test_unseen_init();
	draw_some();
	starters[0] = test_thread(start_threads, NULL);
	starters[1] = test_thread(start_threads, NULL);
	allocator = test_thread(alloc_and_free, NULL);
	for (unsigned long i = 0; i < test_rounds(400); i++) {
		pid_t pid = fork();

		check(pid >= 0);
		if (!pid) {
			atomic_store(&stop, true);
			child_with_threads();
		}
		test_draw(16);
		test_passes(pid);
	}
	atomic_store(&stop, true);
	test_join(starters[0]);
	test_join(starters[1]);
	test_join(allocator);
}

/*
 * Each process of a chain has threads that do not exist in its child. Their states must be free
 * in the child.
 */
#define GENERATIONS	200
#define THREADS		20

static pthread_barrier_t all_ready, may_end;

static void *draw_and_wait(void *arg)
{
	test_draw(16);
	test_draw(4096);
	pthread_barrier_wait(&all_ready);
	pthread_barrier_wait(&may_end);
	return arg;
}

static void add_wiped(const struct test_mapping *mapping, void *arg)
{
	*(size_t *)arg += strstr(mapping->flags, " wf ") ? mapping->end - mapping->start : 0;
}

static size_t wiped_memory(void)
{
	size_t bytes = 0;

	test_mappings(add_wiped, &bytes);
	return bytes;
}

TEST(states_do_not_leak_over_generations_of_children)
{
	size_t states = test_info().states, memory;
	int fds[2];
	char byte;

	test_unseen_init();
	check(!pipe(fds));
	test_draw(16);
	test_draw(4096);
	memory = wiped_memory();
	for (unsigned long i = 0; i < test_rounds(GENERATIONS); i++) {
		pid_t pid;

		pthread_barrier_init(&all_ready, NULL, THREADS + 1);
		pthread_barrier_init(&may_end, NULL, THREADS + 1);
		for (int t = 0; t < THREADS; t++)
			test_thread(draw_and_wait, NULL);
		pthread_barrier_wait(&all_ready);
		pid = fork();
		check(pid >= 0);
		if (pid && i) {
			_exit(0);
		} else if (pid) {
			/* The last child writes a byte if all went well. */
			close(fds[1]);
			check(read(fds[0], &byte, 1) == 1, "a generation failed");
			return;
		}
	}
	test_states_are(states);
	check(wiped_memory() == memory, "%zu bytes have become %zu", memory, wiped_memory());
	check(write(fds[1], "", 1) == 1);
	_exit(0);
}

TEST(info_is_unchanged_in_a_child)
{
	struct vgetrandom_info before = test_info(), info;
	pid_t pid = fork();

	if (pid) {
		test_passes(pid);
		return;
	}
	info = test_info();
	check(info.small == before.small && info.vdso == before.vdso);
	check(info.large == before.large && info.large_from == before.large_from);
	draw_some();
	_exit(0);
}
