// SPDX-License-Identifier: MIT
/*
 * A signal handler may run at any instruction of the library. These tests run one at each
 * instruction of the library's start, of a thread's first requests, of the growth of a pool and of
 * the work in a child of fork().
 *
 * Linked with the library's internal symbols, to see which slots a thread owns.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "thread.h"
#include "trap.h"

/* The library's instructions: see the Makefile. */
extern const char __start_library[], __stop_library[];

/*
 * Slots that have an owner. No slot may be allocated to two owners.
 */
#define MAX_SLOTS	4096

static _Atomic(void *) owned_slots[MAX_SLOTS];
static atomic_uint nr_slots;

static void check_not_owned(void *slot, const char *new_owner)
{
	unsigned int n;

	if (!slot)
		return;
	n = atomic_fetch_add(&nr_slots, 1);
	check(n < MAX_SLOTS);
	atomic_store(&owned_slots[n], slot);
	for (unsigned int i = 0; i < n; i++)
		check(atomic_load(&owned_slots[i]) != slot,
		      "%s got a slot that has an owner, after step %ld", new_owner, trap_at);
}

static void forget_slots(void)
{
	atomic_store(&nr_slots, 0);
}

/* The number of slots that are not free. No slot is on the free stack twice. */
static unsigned int count_allocated(struct pool *pool)
{
	unsigned int fresh = atomic_load(&pool->fresh), n = 0;
	uint32_t number = (uint32_t)atomic_load(&pool->free_top);

	for (; number; number = atomic_load(&pool->slots[number - 1].below)) {
		n++;
		check(n <= fresh, "a slot is on the free stack twice");
	}
	return fresh - n;
}

static void ask(void)
{
	test_draw_both();
}

static void ask_and_record(const char *who)
{
	ask();
	check_not_owned(thread.state.idle, who);
	check_not_owned(thread.expansion.idle, who);
}

static void *ask_and_end(void *arg)
{
	ask();
	return arg;
}

/* A thread that makes requests, and does not exit. */
static sem_t has_asked;

static void *ask_and_stay(void *arg)
{
	ask_and_record(arg);
	sem_post(&has_asked);
	for (;;)
		pause();
	return NULL;
}

static void thread_that_stays(const char *who)
{
	sigset_t all, old;

	/* Only one thread is traced: signals must not go to the new one. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	test_thread(ask_and_stay, (void *)who);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	while (sem_wait(&has_asked))
		check(errno == EINTR);
}

/*
 * The library's start. before_the_start() runs before the library's constructor.
 */
#define GUARDED	(2 * PAGE_BYTES)

static uint8_t *guarded;	/* GUARDED bytes, and a page that may not be accessed */
static ssize_t early_largest;
static pthread_key_t early_key;
static void *early_value;
static pthread_t early_thread;
static atomic_bool early_stop;
static volatile unsigned long early_requests;
static long steps_of_start;
static void (*in_child)(void);

static void *new_thread_asks(void *arg)
{
	return ask_and_end(arg);
}

static void in_a_new_thread(void)
{
	test_join(test_thread(new_thread_asks, NULL));
}

static void in_a_new_process(void)
{
	pid_t pid = fork();

	if (!pid) {
		/* The child does not return to the interrupted code: it ends here. */
		ask();
		vgetrandom_free(vgetrandom_alloc());
		_exit(0);
	}
	check(pid > 0);
	test_passes(pid);
}

static void *ask_all_the_time(void *arg)
{
	while (!atomic_load(&early_stop)) {
		ask();
		early_requests++;
	}
	return arg;
}

static void ask_for_too_much(void)
{
	guarded = mmap(NULL, GUARDED + PAGE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(guarded != MAP_FAILED && !mprotect(guarded + GUARDED, PAGE_BYTES, PROT_NONE));
	check(!pthread_key_create(&early_key, NULL));
	check(!pthread_setspecific(early_key, &early_key));
	early_largest = vgetrandom(guarded, SIZE_MAX, 0);
	early_value = pthread_getspecific(early_key);
}

static void first_in_child(void)
{
	forget_slots();
	if (in_child)
		in_child();
}

static void before_the_start(void)
{
	const char *what = getenv("TEST_START");

	trap_within(__start_library, __stop_library);
	/* Registered first, so first_in_child() runs before the library's fork handler. */
	check(!pthread_atfork(NULL, NULL, first_in_child));
	if (!what)
		return;
	if (!strcmp(what, "thread at each step"))
		trap_on(in_a_new_thread, TRAP_EACH);
	if (!strcmp(what, "process at each step"))
		trap_on(in_a_new_process, TRAP_EACH);
	if (!strcmp(what, "a thread all the time"))
		early_thread = test_thread(ask_all_the_time, NULL);
	if (!strcmp(what, "too much"))
		ask_for_too_much();
}

__attribute__((section(".init_array.00001"), used))
static void (*const before_others)(void) = before_the_start;

/* Runs after the library's constructor, and before the tests register themselves. */
__attribute__((constructor(102)))
static void after_the_start(void)
{
	if (trap_at == TRAP_EACH && trap_off())
		steps_of_start = trap_path();
}

PART(start_step_by_step)
{
	check(steps_of_start > 50, "the start has %ld steps", steps_of_start);
	ask();
	check(count_allocated(&thread_states) <= 1 && count_allocated(&thread_expansions) <= 1);
}

static void thread_at_each_step(void)
{
	setenv("TEST_START", "thread at each step", 1);
}

TEST_ENTERS(new_threads_may_ask_at_any_instruction_of_the_start)
{
	test_passes(test_start("start_step_by_step", thread_at_each_step));
}

static void process_at_each_step(void)
{
	setenv("TEST_START", "process at each step", 1);
}

TEST_ENTERS(handlers_and_their_children_may_ask_at_any_instruction_of_the_start)
{
	test_passes(test_start("start_step_by_step", process_at_each_step));
}

PART(start_with_a_thread)
{
	unsigned long before = early_requests;

	ask();
	while (early_requests < before + 10)
		sched_yield();
	atomic_store(&early_stop, true);
	test_join(early_thread);
	ask();
}

static void a_thread_all_the_time(void)
{
	setenv("TEST_START", "a thread all the time", 1);
}

TEST_ENTERS(a_thread_may_ask_all_the_time_while_the_library_starts)
{
	for (unsigned long i = 0; i < test_rounds(100); i++)
		test_passes(test_start("start_with_a_thread", a_thread_all_the_time));
}

/* A request before the start must not count as large: nothing for large requests exists yet. */
PART(start_with_too_much)
{
	check(early_largest == GUARDED || (early_largest == -1 && errno == EFAULT), "%zd",
	      early_largest);
	check(early_value == &early_key, "the program's thread-specific value has changed");
	ask();
}

static void too_much(void)
{
	setenv("TEST_START", "too much", 1);
}

TEST_ENTERS(before_the_start_the_system_call_serves_the_largest_length)
{
	test_passes(test_start("start_with_too_much", too_much));
}

/*
 * A thread's first request, interrupted at each instruction.
 */
static size_t request_len;
static void (*step_action)(void);
static bool was_reached;

static void *ask_step_by_step(void *arg)
{
	static __thread uint8_t out[1024];
	ssize_t got;

	trap_on(step_action, (long)arg);
	got = vgetrandom(out, request_len, 0);
	was_reached = trap_off();
	check(got == (ssize_t)request_len, "%zd", got);
	test_unseen(out, got);
	check(count_allocated(&thread_states) <= 2 && count_allocated(&thread_expansions) <= 2,
	      "%u states and %u expansion states for two threads, after step %ld",
	      count_allocated(&thread_states), count_allocated(&thread_expansions), (long)arg);
	return NULL;
}

/* Each of the first instructions is tried; later ones generate the bytes. */
#define EVERY_STEP	500

static void *(*step_by_step)(void *arg);
static unsigned int states_before, expansions_before;

static bool thread_frees_its_slots(long at)
{
	was_reached = false;
	test_join(test_thread(step_by_step, (void *)at));
	check(count_allocated(&thread_states) == states_before &&
	      count_allocated(&thread_expansions) == expansions_before,
	      "a thread has not freed its slots, after step %ld", at);
	return was_reached;
}

static void check_threads_free_slots(void *(*thread_fn)(void *arg), long stride)
{
	long points;

	step_by_step = thread_fn;
	ask();
	states_before = count_allocated(&thread_states);
	expansions_before = count_allocated(&thread_expansions);
	points = trap_each(thread_frees_its_slots, EVERY_STEP, stride);
	check(points > 10, "only %ld steps", points);
}

static void interrupt_first_requests(size_t len, void (*action)(void), long stride)
{
	test_unseen_init();
	request_len = len;
	step_action = action;
	check_threads_free_slots(ask_step_by_step, stride);
}

static void alloc_and_free(void)
{
	void *state = vgetrandom_alloc();

	ask();
	vgetrandom_free(state);
}

TEST_ENTERS(a_handler_at_any_instruction_of_the_first_small_request_leaks_no_slot)
{
	interrupt_first_requests(16, alloc_and_free, 1);
}

TEST_ENTERS(a_handler_at_any_instruction_of_the_first_large_request_leaks_no_slot)
{
	interrupt_first_requests(1000, alloc_and_free, 101);
}

TEST_ENTERS(a_handler_may_fork_at_any_instruction_of_the_first_small_request)
{
	interrupt_first_requests(16, in_a_new_process, 1);
}

TEST_ENTERS(a_handler_may_fork_at_any_instruction_of_the_first_large_request)
{
	interrupt_first_requests(1000, in_a_new_process, 101);
}

/*
 * A thread's exit. A handler that makes its first or a large request then must not keep a slot.
 */
static pthread_key_t later_key;

/* Runs after the library's destructor: keys are handled in the order of their creation. */
static void end_of_exit(void *value)
{
	(void)value;
	was_reached = trap_off();
}

static void *exit_step_by_step(void *arg)
{
	static __thread uint8_t out[16];

	check(!pthread_setspecific(later_key, &later_key));
	check(vgetrandom(out, sizeof(out), 0) == sizeof(out));
	trap_on(ask, (long)arg);
	return NULL;
}

TEST_ENTERS(a_handler_at_any_instruction_of_the_exit_keeps_no_slot)
{
	check(!pthread_key_create(&later_key, end_of_exit));
	check_threads_free_slots(exit_step_by_step, 1);
}

/*
 * Growth of a pool: at each instruction, a handler jumps out of it for good, ends the thread, or
 * allocates a state itself.
 */
#define FIRST_STATES	256

static sigjmp_buf after_growth;

static void jump_out(void)
{
	siglongjmp(after_growth, 1);
}

static void end_thread(void)
{
	pthread_exit(NULL);
}

static void take_all_states(void)
{
	struct vgetrandom_info info = test_info();

	if (!info.states)
		test_skip("there are no states here");
	check(info.states == FIRST_STATES && !count_allocated(&thread_states));
	for (size_t i = 0; i < info.states; i++)
		check_not_owned(vgetrandom_alloc(), "the first one");
}

/*
 * The pool can grow, more than once. An abandoned attempt leaves the backoff set, but only requests
 * heed it, because they can fall back to the system call.
 */
static void check_growth(void)
{
	void *state;

	for (int i = 0; i < 5 * FIRST_STATES; i++) {
		state = vgetrandom_alloc();
		check(state, "after %d more states, left at step %ld", i, trap_at);
		if (i % 50 == 0)
			check_not_owned(state, "a later caller");
	}
	test_join(test_thread(ask_and_end, NULL));
}

/* Runs child_fn in a child process. Return: whether the child reached the instruction. */
static void (*child_fn)(long at);

static bool in_child_at_step(long at)
{
	_Atomic(bool) *there = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool result;
	pid_t pid;

	check(there != MAP_FAILED);
	pid = fork();
	if (!pid) {
		alarm(10);
		child_fn(at);
		atomic_store(there, was_reached);
		_exit(0);
	}
	test_passes(pid);
	result = atomic_load(there);
	munmap(there, PAGE_BYTES);
	return result;
}

static void at_each_step(void (*fn)(long at))
{
	long points;

	child_fn = fn;
	points = trap_each(in_child_at_step, 0, 1);
	check(points > 50, "only %ld steps", points);
}

static void leave_growth(long at)
{
	/* check_growth() compares new states with those of take_all_states(). */
	if (!sigsetjmp(after_growth, 1)) {
		trap_on(jump_out, at);
		vgetrandom_alloc();
	}
	was_reached = trap_off();
	check_growth();
}

TEST_ENTERS(a_pool_grows_after_a_handler_has_jumped_out_of_the_growth)
{
	take_all_states();
	at_each_step(leave_growth);
}

static void take_in_handler(void)
{
	void *state = vgetrandom_alloc();

	check(state, "a handler at step %ld", trap_at);
	check_not_owned(state, "a handler");
}

static void interrupt_growth(long at)
{
	void *state;

	trap_on(take_in_handler, at);
	state = vgetrandom_alloc();
	was_reached = trap_off();
	check(state, "interrupted at step %ld", at);
	check_not_owned(state, "the interrupted caller");
}

TEST_ENTERS(a_handler_at_any_instruction_of_the_growth_gets_a_state)
{
	take_all_states();
	at_each_step(interrupt_growth);
}

static void *end_in_growth(void *arg)
{
	uint8_t out[16];

	was_reached = true;
	trap_on(end_thread, (long)arg);
	vgetrandom(out, sizeof(out), 0);
	was_reached = trap_off();
	return NULL;
}

static void end_threads_in_growth(long at)
{
	test_join(test_thread(end_in_growth, (void *)at));
	check_growth();
}

TEST_ENTERS(a_pool_grows_after_a_thread_has_ended_in_the_growth)
{
	take_all_states();
	at_each_step(end_threads_in_growth);
}

/*
 * In a child of fork(), the library frees the slots of the parent's other threads.
 */
#define HELD	8

static void *held[HELD];
static long child_at;

/*
 * Some threads still run and some have ended. So some slots are free, and the child must free
 * others.
 */
static void have_threads(void)
{
	check(!sem_init(&has_asked, 0, 0));
	ask();
	for (int i = 0; i < 3; i++)
		thread_that_stays("a thread of the parent");
	for (int i = 0; i < 3; i++)
		test_join(test_thread(ask_and_end, NULL));
	for (int i = 0; i < HELD; i++)
		held[i] = vgetrandom_alloc();
	/* The child may reuse the slots of these threads. held[] is checked separately. */
	forget_slots();
}

static void check_no_slot_has_two_owners(void)
{
	ask_and_record("the child");
	for (int i = 0; i < HELD; i++)
		check_not_owned(held[i], "the holder");
	for (int i = 0; i < 12; i++)
		check_not_owned(vgetrandom_alloc(), "a caller of vgetrandom_alloc()");
	for (int i = 0; i < 6; i++)
		thread_that_stays("a new thread");
}

static void thread_of_an_earlier_handler(void)
{
	thread_that_stays("the thread of an earlier handler");
}

static void fork_with_threads(void)
{
	check_no_slot_has_two_owners();
	/* Check children of the child as well. */
	if (child_at--)
		test_in_child(fork_with_threads);
}

TEST_ENTERS(in_a_child_a_thread_of_an_earlier_fork_handler_shares_no_state)
{
	have_threads();
	in_child = thread_of_an_earlier_handler;
	test_in_child(fork_with_threads);
}

TEST_ENTERS(in_a_child_s_child_a_thread_of_an_earlier_fork_handler_shares_no_state)
{
	have_threads();
	in_child = thread_of_an_earlier_handler;
	child_at = 2;
	test_in_child(fork_with_threads);
}

static void free_one(void)
{
	vgetrandom_free(held[HELD - 1]);
	held[HELD - 1] = NULL;
}

static void take_one(void)
{
	check_not_owned(vgetrandom_alloc(), "the handler");
}

static void start_thread(void)
{
	thread_that_stays("a thread of the handler");
}

static void (*in_reclaim)(void);

static void step_reclaim(void)
{
	trap_on(in_reclaim, child_at);
}

/* Runs when the library's fork handler has returned. */
static void after_reclaim(long at)
{
	(void)at;
	was_reached = trap_off();
	check_no_slot_has_two_owners();
}

static bool reclaim_at_step(long at)
{
	child_at = at;
	return in_child_at_step(at);
}

static void at_each_step_of_reclaim(void (*action)(void))
{
	long points;

	have_threads();
	in_reclaim = action;
	in_child = step_reclaim;
	child_fn = after_reclaim;
	points = trap_each(reclaim_at_step, 0, 1);
	check(points > 50, "only %ld steps", points);
}

TEST_ENTERS(in_a_child_a_state_freed_at_any_instruction_of_the_reclaim_is_free_once)
{
	at_each_step_of_reclaim(free_one);
}

TEST_ENTERS(in_a_child_a_state_allocated_at_any_instruction_of_the_reclaim_has_one_owner)
{
	at_each_step_of_reclaim(take_one);
}

TEST_ENTERS(in_a_child_threads_made_at_any_instruction_of_the_reclaim_share_no_state)
{
	at_each_step_of_reclaim(start_thread);
}

TEST_ENTERS(in_a_child_handlers_may_ask_at_any_instruction_of_the_reclaim)
{
	at_each_step_of_reclaim(ask);
}
