// SPDX-License-Identifier: MIT
/*
 * vgetrandom_alloc() and vgetrandom_free(), where there is a vDSO function or the module.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define MANY	1000

static void *states[MANY];
static struct vgetrandom_info info;

/* If states are locked, the pool does not grow: then this is the number of all states. */
static int many = MANY;

static void need_states(void)
{
	info = test_info();
	check(info.vdso, "%s", info.small_why);
	if (!info.droppable)
		many = info.states;
}

static void alloc_many(void)
{
	for (int i = 0; i < many; i++) {
		states[i] = vgetrandom_alloc();
		check(states[i], "state %d", i);
	}
}

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static int compare(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

static void draw_with(void *state)
{
	uint8_t out[32];

	check(info.vdso(out, sizeof(out), 0, state, info.state_size) == sizeof(out));
	test_unseen(out, sizeof(out));
}

TEST(states_share_no_cache_line)
{
	size_t lines;

	need_states();
	lines = (info.state_size + 63) / 64 * 64;
	alloc_many();
	qsort(states, many, sizeof(states[0]), compare);
	for (int i = 0; i < many; i++) {
		uintptr_t at = (uintptr_t)states[i];

		check(at % 64 == 0, "%p", states[i]);
		check(!i || at - (uintptr_t)states[i - 1] >= lines, "%p and %p", states[i - 1],
		      states[i]);
	}
}

TEST(no_state_straddles_pages)
{
	need_states();
	if (info.state_size > PAGE_BYTES)
		test_skip("a state is larger than a page");
	alloc_many();
	for (int i = 0; i < many; i++) {
		uintptr_t at = (uintptr_t)states[i];

		check(at / PAGE_BYTES == (at + info.state_size - 1) / PAGE_BYTES, "%p", states[i]);
	}
}

TEST(many_states_share_a_page)
{
	size_t pages = 1, per_page;

	need_states();
	per_page = PAGE_BYTES / ((info.state_size + 63) / 64 * 64);
	alloc_many();
	qsort(states, many, sizeof(states[0]), compare);
	for (int i = 1; i < many; i++)
		pages += (uintptr_t)states[i] / PAGE_BYTES != (uintptr_t)states[i - 1] / PAGE_BYTES;
	/* Threads may own some states of these pages. */
	check(pages <= many / per_page + 8, "%zu pages", pages);
}

TEST(new_and_reused_states_are_zeros)
{
	need_states();
	test_unseen_init();
	for (int round = 0; round < 3; round++) {
		alloc_many();
		for (int i = 0; i < many; i++) {
			check(is_zero(states[i], info.state_size), "round %d, state %d", round, i);
			draw_with(states[i]);
			check(!is_zero(states[i], info.state_size));
		}
		for (int i = 0; i < many; i++)
			vgetrandom_free(states[i]);
		/* Erased when they are freed, not when they are allocated again. */
		for (int i = 0; i < many; i++)
			check(is_zero(states[i], info.state_size));
	}
}

TEST(freed_states_are_reused)
{
	size_t before;

	need_states();
	alloc_many();
	before = test_info().states;
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < many; i++)
			vgetrandom_free(states[i]);
		alloc_many();
	}
	test_states_are(before);
}

TEST(states_work_with_the_vDSO_function)
{
	need_states();
	test_unseen_init();
	alloc_many();
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < many; i++)
			draw_with(states[i]);
}

TEST(states_are_mapped_as_the_vDSO_asks_for)
{
	struct test_mapping mapping;

	need_states();
	check(info.state_prot && info.droppable == (info.state_flags & 0xf) / MAP_DROPPABLE);
	alloc_many();
	for (int i = 0; i < many; i += 99) {
		check(test_mapping(states[i], &mapping));
		check(mapping.readable && mapping.writable);
		check(strstr(mapping.flags, " wf ") && strstr(mapping.flags, " dd "),
		      "flags%s", mapping.flags);
		check(!!strstr(mapping.flags, " lo ") != info.droppable, "flags%s", mapping.flags);
	}
}

TEST(mapping_more_states_preserves_errno)
{
	need_states();
	errno = 12345;
	alloc_many();
	check(errno == 12345);
	for (int i = 0; i < many; i++)
		vgetrandom_free(states[i]);
	check(errno == 12345);
}

TEST(freeing_NULL_does_nothing)
{
	vgetrandom_free(NULL);
}

static void free_twice(void)
{
	void *state = vgetrandom_alloc();

	vgetrandom_free(state);
	vgetrandom_free(state);
}

static void free_foreign(void)
{
	static char foreign[4096];

	vgetrandom_free(foreign);
}

static void free_middle(void)
{
	vgetrandom_free((char *)vgetrandom_alloc() + 64);
}

static void free_one_off(void)
{
	vgetrandom_free((char *)vgetrandom_alloc() + 1);
}

/* The next state, which has never been allocated. */
static void free_unallocated(void)
{
	char *first = vgetrandom_alloc(), *second = vgetrandom_alloc();

	vgetrandom_free(second + (second - first));
}

/* The state of this thread, which is next to the allocated one. */
static void free_threads(void)
{
	char *state;
	uint8_t byte;

	check(vgetrandom(&byte, 1, 0) == 1);
	state = vgetrandom_alloc();
	vgetrandom_free(state - (info.state_size + 63) / 64 * 64);
}

static void free_nonsense(void)
{
	vgetrandom_free((void *)-1UL);
}

TEST(freeing_anything_else_aborts_the_process)
{
	need_states();
	test_aborts(free_twice, "vgetrandom_free");
	test_aborts(free_foreign, "vgetrandom_free");
	test_aborts(free_middle, "vgetrandom_free");
	test_aborts(free_one_off, "vgetrandom_free");
	test_aborts(free_unallocated, "vgetrandom_free");
	test_aborts(free_threads, "vgetrandom_free");
	test_aborts(free_nonsense, "vgetrandom_free");
}

/* Threads, and signal handlers in them, allocate and free states at once: no two share a state. */
static volatile bool stop;

static unsigned long thread_self(void)
{
	return (unsigned long)pthread_self();
}

static void alloc_and_free(unsigned long me)
{
	void *state[5];

	for (int i = 0; i < 5; i++) {
		unsigned long owner = 0;

		state[i] = vgetrandom_alloc();
		check(state[i]);
		/* The test writes its owner into the state, which is never passed to the vDSO. */
		check(atomic_compare_exchange_strong((atomic_ulong *)state[i], &owner, me),
		      "%p belongs to %#lx", state[i], owner);
	}
	for (int i = 0; i < 5; i++) {
		atomic_store((atomic_ulong *)state[i], 0);
		vgetrandom_free(state[i]);
	}
}

static void *alloc_and_free_on(void *arg)
{
	while (!stop)
		alloc_and_free(thread_self());
	return arg;
}

static void in_handler(int sig)
{
	(void)sig;
	alloc_and_free(1);
}

TEST(no_two_callers_have_the_same_state)
{
	pthread_t thread[4];

	need_states();
	test_periodic_alarm(200, in_handler);
	test_threads(thread, 4, alloc_and_free_on, NULL);
	for (double until = test_seconds(0.7); test_now() < until;)
		usleep(1000);
	stop = true;
	test_join_all(thread, 4);
}

/* A state that belongs to no thread is allocated in the child as well. */
TEST(a_child_can_use_an_allocated_state)
{
	uint8_t mine[32], *theirs;
	void *state;

	need_states();
	test_unseen_init();
	theirs = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	state = vgetrandom_alloc();
	check(state && theirs != MAP_FAILED);
	for (int i = 0; i < 50; i++) {
		pid_t pid;

		check(info.vdso(mine, 32, 0, state, info.state_size) == 32);
		test_unseen(mine, 32);
		pid = fork();
		if (!pid) {
			check(info.vdso(theirs, 32, 0, state, info.state_size) == 32);
			test_unseen(theirs, 32);
			/* It is not allocated a second time. */
			for (int n = 0; n < 300; n++)
				check(vgetrandom_alloc() != state);
			vgetrandom_free(state);
			_exit(0);
		}
		check(info.vdso(mine, 32, 0, state, info.state_size) == 32);
		test_unseen(mine, 32);
		test_passes(pid);
	}
	vgetrandom_free(state);
}

/* The program maps memory as vgetrandom_info() says; without droppable memory, fork() copies it. */
TEST_ENTERS(a_state_mapped_by_the_program_gives_a_child_other_bytes)
{
	uint8_t mine[32];
	void *state;
	pid_t pid;

	need_states();
	test_unseen_init();
	state = mmap(NULL, PAGE_BYTES, info.state_prot, info.state_flags, -1, 0);
	check(state != MAP_FAILED);
	check(info.vdso(mine, 32, 0, state, info.state_size) == 32);
	test_unseen(mine, 32);
	pid = fork();
	check(info.vdso(mine, 32, 0, state, info.state_size) == 32);
	test_unseen(mine, 32);
	if (!pid)
		_exit(0);
	test_passes(pid);
}

/* The size of the pool. States of threads count. */
#define MAX_STATES	65280

TEST(the_number_of_states_is_limited)
{
	static void *all[MAX_STATES + 1];
	size_t n;

	need_states();
	for (n = 0; n <= MAX_STATES; n++) {
		errno = 0;
		all[n] = vgetrandom_alloc();
		if (!all[n])
			break;
	}
	check(errno == ENOMEM, "after %zu states: %s", n, strerror(errno));
	if (info.droppable)
		check(n <= MAX_STATES && n > MAX_STATES - 100, "after %zu states", n);
	else
		check(n == info.states, "after %zu states", n);
	while (n)
		vgetrandom_free(all[--n]);
	check(vgetrandom_alloc());
}
