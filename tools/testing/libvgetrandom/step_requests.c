// SPDX-License-Identifier: MIT
/*
 * Signal handlers, and forks in them, at any instruction of a request.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "trap.h"

static volatile long at;
static void (*stepped)(void), (*action)(void);
static volatile bool stopped, done;

static void begin(void)
{
	trap_on(action, at);
}

static void end(void)
{
	stopped = trap_off();
	done = stopped && at >= 0;
}

static bool run_at(long step)
{
	at = step;
	stopped = false;
	stepped();
	return stopped;
}

/*
 * Calls @run, which calls begin() and end(), once per instruction, and runs @what there. Trying all
 * instructions would take too long: only each @stride-th is tried, and @stride is a prime.
 */
static void at_any_instruction(void (*run)(void), void (*what)(void), long stride)
{
	long points;

	stepped = run;
	action = what;
	points = trap_each(run_at, 0, stride);
	check(points > 2 && trap_path() > 20, "only %ld points of %ld", points, trap_path());
}

/*
 * The requests.
 */
#define LARGE	1024

static uint8_t out[LARGE];
static volatile size_t out_len;
static volatile bool is_child, was_over;

static void stepped_request(size_t len)
{
	ssize_t got;

	memset(out, 0, sizeof(out));
	out_len = len;
	begin();
	got = vgetrandom(out, len, 0);
	end();
	out_len = 0;
	check(got == (ssize_t)len, "%zd of %zu, step %ld", got, len, at);
	if (!(is_child && was_over))
		test_unseen(out, len);
	if (is_child) {
		test_draw(16);
		test_draw(LARGE);
		_exit(0);
	}
}

static void small_request(void)
{
	stepped_request(32);
}

static void large_request(void)
{
	stepped_request(LARGE);
}

static void *first_small(void *arg)
{
	small_request();
	return arg;
}

static void *first_large(void *arg)
{
	large_request();
	return arg;
}

static void first_small_request(void)
{
	test_join(test_thread(first_small, NULL));
}

static void first_large_request(void)
{
	test_join(test_thread(first_large, NULL));
}

static void ask(void)
{
	test_draw(16);
	test_draw(LARGE);
	test_draw(32);
}

/* The number of allocated states: all others can be allocated here. */
static size_t states_in_use(void)
{
	static void *taken[4096];
	size_t states = test_info().states, n = 0;

	while (n < sizeof(taken) / sizeof(*taken) && test_info().states == states &&
	       (taken[n] = vgetrandom_alloc()))
		n++;
	for (size_t i = 0; i < n; i++)
		vgetrandom_free(taken[i]);
	/* The last allocation may have mapped more states. */
	return test_info().states == states ? 0 : states - (n - 1);
}

static void handlers(void (*run)(void), long stride)
{
	size_t used;

	test_unseen_init();
	ask();
	used = states_in_use();
	at_any_instruction(run, ask, stride);
	check(states_in_use() == used, "%zu allocated states have become %zu", used,
	      states_in_use());
}

TEST_ENTERS(handlers_may_ask_at_any_instruction_of_a_small_request)
{
	handlers(small_request, 1);
}

TEST_ENTERS(handlers_may_ask_at_any_instruction_of_a_large_request)
{
	handlers(large_request, 3);
}

TEST_ENTERS(handlers_may_ask_at_any_instruction_of_a_thread_s_first_small_request)
{
	handlers(first_small_request, 3);
}

TEST_ENTERS(handlers_may_ask_at_any_instruction_of_a_thread_s_first_large_request)
{
	handlers(first_large_request, 3);
}

/*
 * Forks. If the buffer was complete before the fork, the child has the same bytes as its parent:
 * see fork.c. Otherwise the child must get other bytes.
 */
static pid_t (*make_child)(void);

static void fork_and_ask(void)
{
	bool over = test_request_is_complete(out, out_len);
	pid_t pid;

	pid = make_child();
	if (!pid) {
		is_child = true;
		was_over = over;
		ask();
		return;
	}
	check(pid > 0);
	ask();
	test_passes(pid);
}

static void forks(pid_t (*how)(void), void (*run)(void), long stride)
{
	test_unseen_init();
	make_child = how;
	ask();
	at_any_instruction(run, fork_and_ask, stride);
}

TEST_ENTERS(handlers_may_fork_at_any_instruction_of_a_small_request)
{
	forks(fork, small_request, 3);
}

TEST_ENTERS(handlers_may_fork_at_any_instruction_of_a_large_request)
{
	forks(fork, large_request, 7);
}

TEST_ENTERS(handlers_may_fork_at_any_instruction_of_a_thread_s_first_request)
{
	forks(fork, first_large_request, 7);
}

TEST_ENTERS(handlers_may_clone_at_any_instruction_of_a_small_request)
{
	forks(test_clone, small_request, 3);
}

TEST_ENTERS(handlers_may_clone_at_any_instruction_of_a_large_request)
{
	forks(test_clone, large_request, 7);
}

/*
 * The first request in a child of clone() locks the memory of states again. If a handler clones in
 * the middle of that, the new child must lock it as well.
 */
static void *any_state;

static void clone_once(void)
{
	pid_t pid = test_clone();

	if (pid)
		test_passes(pid);
}

static bool locks_at(long step)
{
	enum { NOT_STOPPED = 3 };
	struct test_mapping mapping;
	pid_t pid = test_clone();
	int status;

	if (!pid) {
		at = step;
		action = clone_once;
		begin();
		check(vgetrandom(out, 16, 0) == 16);
		end();
		test_draw(16);
		check(!any_state ||
		      (test_mapping(any_state, &mapping) && strstr(mapping.flags, " lo ")),
		      "not locked after a clone at step %ld", step);
		_exit(stopped ? 0 : NOT_STOPPED);
	}
	status = test_wait(pid);
	check(!status || status == NOT_STOPPED << 8, "status %#x", status);
	return !status;
}

TEST_ENTERS(handlers_may_clone_at_any_instruction_of_a_child_s_first_request)
{
	bool locked = !test_has_droppable() && test_info().small == VGETRANDOM_MODULE;

	ask();
	if (locked)
		any_state = vgetrandom_alloc();
	check(any_state || !locked);
	check(trap_each(locks_at, 0, 1) > (locked ? 100 : 10));
}

/*
 * A thread's exit. The thread makes its first request in the first round of destructors. So the
 * library's destructor runs in the second round, before the destructor of this key, which was
 * created later.
 */
static pthread_key_t key;

static void step_destructors(void *arg)
{
	if (arg == (void *)2) {
		end();
		return;
	}
	ask();
	pthread_setspecific(key, (void *)2);
	begin();
}

static void *end_stepped(void *arg)
{
	pthread_setspecific(key, (void *)1);
	return arg;
}

static void end_of_a_thread(void)
{
	test_join(test_thread(end_stepped, NULL));
}

TEST_ENTERS(handlers_may_ask_at_any_instruction_of_a_thread_s_end)
{
	size_t states;

	test_unseen_init();
	ask();
	states = test_info().states;
	check(!pthread_key_create(&key, step_destructors));
	for (int i = 0; i < 3; i++)
		at_any_instruction(end_of_a_thread, ask, 3);
	test_states_are(states);
}

/*
 * States: the handler and the interrupted call get different states, and both may free them.
 */
static void *theirs[3], *mine;

static bool all_differ(void)
{
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < i; j++)
			if (theirs[i] == theirs[j])
				return false;
	for (int i = 0; i < 3; i++)
		if (theirs[i] == mine)
			return false;
	return true;
}

/* Allocates three states, and frees the first of them. */
static void alloc_some(void)
{
	for (int i = 0; i < 3; i++)
		theirs[i] = vgetrandom_alloc();
	vgetrandom_free(theirs[0]);
	theirs[0] = NULL;
}

static void check_and_return(void)
{
	void *next;

	if (!done)
		return;
	check(mine && theirs[1] && theirs[2] && all_differ(), "step %ld", at);
	next = vgetrandom_alloc();
	check(next && next != mine && next != theirs[1] && next != theirs[2], "step %ld", at);
	vgetrandom_free(next);
	vgetrandom_free(theirs[1]);
	vgetrandom_free(theirs[2]);
}

static void stepped_alloc(void)
{
	begin();
	mine = vgetrandom_alloc();
	end();
	check_and_return();
	vgetrandom_free(mine);
}

static void stepped_free(void)
{
	void *state = vgetrandom_alloc();

	check(state);
	mine = vgetrandom_alloc();
	begin();
	vgetrandom_free(state);
	end();
	check_and_return();
	vgetrandom_free(mine);
}

static void states_at_any_instruction(void (*run)(void))
{
	size_t states = test_info().states;
	void *some[10];

	if (!states) {
		check(!vgetrandom_alloc());
		return;
	}
	/* Put states on the free stack. */
	for (int i = 0; i < 10; i++)
		some[i] = vgetrandom_alloc();
	for (int i = 0; i < 10; i++)
		vgetrandom_free(some[i]);
	for (int i = 0; i < 10; i++)
		at_any_instruction(run, alloc_some, 1);
	test_states_are(states);
}

TEST_ENTERS(handlers_may_allocate_states_at_any_instruction_of_allocating_one)
{
	states_at_any_instruction(stepped_alloc);
}

TEST_ENTERS(handlers_may_allocate_states_at_any_instruction_of_freeing_one)
{
	states_at_any_instruction(stepped_free);
}
