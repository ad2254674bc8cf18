// SPDX-License-Identifier: MIT
/*
 * Signal handlers may come at any instruction of the library. Here they do: its start,
 * a thread's first requests, the growth of a pool and what it does in a child of fork()
 * are executed step by step, and something happens at each of them.
 *
 * Linked with the library's insides: they tell which pieces of memory a thread has.
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
 * Pieces. Nobody may get one that somebody else has.
 */
#define MAX_SLOTS	4096

static _Atomic(void *) pieces[MAX_SLOTS];
static atomic_uint nr_slots;

static void is_mine_alone(void *piece, const char *whose)
{
	unsigned int n;

	if (!piece)
		return;
	n = atomic_fetch_add(&nr_slots, 1);
	check(n < MAX_SLOTS);
	atomic_store(&pieces[n], piece);
	for (unsigned int i = 0; i < n; i++)
		check(atomic_load(&pieces[i]) != piece,
		      "%s got a piece that somebody has, after step %ld", whose, trap_at);
}

static void forget_pieces(void)
{
	atomic_store(&nr_slots, 0);
}

/* Those that are not free. No piece is free twice. */
static unsigned int pieces_out(struct pool *pool)
{
	unsigned int fresh = atomic_load(&pool->fresh), n = 0;
	uint32_t number = (uint32_t)atomic_load(&pool->free_top);

	for (; number; number = atomic_load(&pool->slots[number - 1].below)) {
		n++;
		check(n <= fresh, "a piece is free twice");
	}
	return fresh - n;
}

static void ask(void)
{
	test_draw_both();
}

static void ask_and_tell(const char *who)
{
	ask();
	is_mine_alone(thread.state.idle, who);
	is_mine_alone(thread.expansion.idle, who);
}

static void *ask_and_end(void *arg)
{
	ask();
	return arg;
}

/* A thread that asks, and stays. */
static sem_t has_asked;

static void *ask_and_stay(void *arg)
{
	ask_and_tell(arg);
	sem_post(&has_asked);
	for (;;)
		pause();
	return NULL;
}

static void thread_that_stays(const char *who)
{
	sigset_t all, old;

	/* Only one thread makes steps. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	test_thread(ask_and_stay, (void *)who);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	while (sem_wait(&has_asked))
		check(errno == EINTR);
}

/*
 * The start. What is called here comes before the library's constructor.
 */
#define GUARDED	(2 * PAGE_BYTES)

static uint8_t *guarded;	/* so many bytes, and then nothing */
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
		/* As if there had been no fork, but that the process ends here. */
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
	forget_pieces();
	if (in_child)
		in_child();
}

static void before_the_start(void)
{
	const char *what = getenv("TEST_START");

	trap_within(__start_library, __stop_library);
	/* Told before the library is, of forks too. */
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

/* After it, and before the tests register themselves. */
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
	check(pieces_out(&thread_states) <= 1 && pieces_out(&thread_expansions) <= 1);
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

/* What is not there yet would have to be there if it were large. */
PART(start_with_too_much)
{
	check(early_largest == GUARDED || (early_largest == -1 && errno == EFAULT), "%zd",
	      early_largest);
	check(early_value == &early_key, "somebody else's thread-specific value has changed");
	ask();
}

static void too_much(void)
{
	setenv("TEST_START", "too much", 1);
}

TEST_ENTERS(before_the_start_the_largest_length_is_for_the_kernel_to_judge)
{
	test_passes(test_start("start_with_too_much", too_much));
}

/*
 * A thread's first request, and something else at any instruction of it.
 */
static size_t request_len;
static void (*step_action)(void);
static bool was_there;

static void *ask_step_by_step(void *arg)
{
	static __thread uint8_t out[1024];
	ssize_t got;

	trap_on(step_action, (long)arg);
	got = vgetrandom(out, request_len, 0);
	was_there = trap_off();
	check(got == (ssize_t)request_len, "%zd", got);
	test_unseen(out, got);
	check(pieces_out(&thread_states) <= 2 && pieces_out(&thread_expansions) <= 2,
	      "%u states and %u expanders for two threads, after step %ld",
	      pieces_out(&thread_states), pieces_out(&thread_expansions), (long)arg);
	return NULL;
}

/* Each instruction up to so many, which are those before the bytes are made; then fewer. */
#define EVERY_STEP	500

static void *(*step_by_step)(void *arg);
static unsigned int states_out, expanders_out;

static bool thread_gives_all_back(long at)
{
	was_there = false;
	test_join(test_thread(step_by_step, (void *)at));
	check(pieces_out(&thread_states) == states_out &&
	      pieces_out(&thread_expansions) == expanders_out,
	      "a thread has not given all back, after step %ld", at);
	return was_there;
}

static void threads_give_all_back(void *(*thread_fn)(void *arg), long stride)
{
	long points;

	step_by_step = thread_fn;
	ask();
	states_out = pieces_out(&thread_states);
	expanders_out = pieces_out(&thread_expansions);
	points = trap_each(thread_gives_all_back, EVERY_STEP, stride);
	check(points > 10, "only %ld steps", points);
}

static void interrupt_first_requests(size_t len, void (*action)(void), long stride)
{
	test_unseen_init();
	request_len = len;
	step_action = action;
	threads_give_all_back(ask_step_by_step, stride);
}

static void take_and_give(void)
{
	void *state = vgetrandom_alloc();

	ask();
	vgetrandom_free(state);
}

TEST_ENTERS(a_handler_at_any_instruction_of_the_first_small_request_takes_nothing_twice)
{
	interrupt_first_requests(16, take_and_give, 1);
}

TEST_ENTERS(a_handler_at_any_instruction_of_the_first_large_request_takes_nothing_twice)
{
	interrupt_first_requests(1000, take_and_give, 101);
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
 * A thread's exit. Whoever asks then for the first time, or for much, gives it back.
 */
static pthread_key_t later_key;

/* Behind the library's: keys come in the order in which they were made. */
static void exit_is_over(void *value)
{
	(void)value;
	was_there = trap_off();
}

static void *exit_step_by_step(void *arg)
{
	static __thread uint8_t out[16];

	check(!pthread_setspecific(later_key, &later_key));
	check(vgetrandom(out, sizeof(out), 0) == sizeof(out));
	trap_on(ask, (long)arg);
	return NULL;
}

TEST_ENTERS(a_handler_at_any_instruction_of_the_exit_keeps_nothing)
{
	check(!pthread_key_create(&later_key, exit_is_over));
	threads_give_all_back(exit_step_by_step, 1);
}

/*
 * Growth: at any instruction of it a handler leaves it, and does not come back; or asks
 * for a state itself.
 */
#define FIRST_STATES	256

static sigjmp_buf out_of_it;

static void jump_out(void)
{
	siglongjmp(out_of_it, 1);
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
	check(info.states == FIRST_STATES && !pieces_out(&thread_states));
	for (size_t i = 0; i < info.states; i++)
		is_mine_alone(vgetrandom_alloc(), "the first one");
}

/*
 * It does, more than once. Who left it may have left word that the kernel is not to be
 * asked; that holds for requests only, which have the system call to go to.
 */
static void it_grows(void)
{
	void *state;

	for (int i = 0; i < 5 * FIRST_STATES; i++) {
		state = vgetrandom_alloc();
		check(state, "after %d more states, left at step %ld", i, trap_at);
		if (i % 50 == 0)
			is_mine_alone(state, "one who came after");
	}
	test_join(test_thread(ask_and_end, NULL));
}

/* In a child, that ends with status 0; and 1 if there was no instruction with that number. */
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
		atomic_store(there, was_there);
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
	/* A new state is neither the first one's nor anybody's who came before. */
	if (!sigsetjmp(out_of_it, 1)) {
		trap_on(jump_out, at);
		vgetrandom_alloc();
	}
	was_there = trap_off();
	it_grows();
}

TEST_ENTERS(states_come_on_after_a_handler_has_jumped_out_of_the_growth)
{
	take_all_states();
	at_each_step(leave_growth);
}

static void take_in_handler(void)
{
	void *state = vgetrandom_alloc();

	check(state, "a handler at step %ld", trap_at);
	is_mine_alone(state, "a handler");
}

static void interrupt_growth(long at)
{
	void *state;

	trap_on(take_in_handler, at);
	state = vgetrandom_alloc();
	was_there = trap_off();
	check(state, "interrupted at step %ld", at);
	is_mine_alone(state, "whom it has interrupted");
}

TEST_ENTERS(a_handler_at_any_instruction_of_the_growth_has_a_state_too)
{
	take_all_states();
	at_each_step(interrupt_growth);
}

static void *end_in_growth(void *arg)
{
	uint8_t out[16];

	was_there = true;
	trap_on(end_thread, (long)arg);
	vgetrandom(out, sizeof(out), 0);
	was_there = trap_off();
	return NULL;
}

static void end_threads_in_growth(long at)
{
	test_join(test_thread(end_in_growth, (void *)at));
	it_grows();
}

TEST_ENTERS(states_come_on_after_a_thread_has_ended_in_the_growth)
{
	take_all_states();
	at_each_step(end_threads_in_growth);
}

/*
 * What the library does in a child of fork(): it gives back what other threads had.
 */
#define HELD	8

static void *held[HELD];
static long child_at;

/* Threads that are, and were, there. So some states are free, and some are to be. */
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
	/* That of all these is known here; the threads' goes to others in a child. */
	forget_pieces();
}

static void nothing_comes_twice(void)
{
	ask_and_tell("the child");
	for (int i = 0; i < HELD; i++)
		is_mine_alone(held[i], "who held it");
	for (int i = 0; i < 12; i++)
		is_mine_alone(vgetrandom_alloc(), "who asked by name");
	for (int i = 0; i < 6; i++)
		thread_that_stays("a new thread");
}

static void thread_of_an_earlier_handler(void)
{
	thread_that_stays("the thread of an earlier handler");
}

static void fork_with_threads(void)
{
	nothing_comes_twice();
	/* And in children of the child. */
	if (child_at--)
		test_in_child(fork_with_threads);
}

TEST_ENTERS(in_a_child_a_thread_of_an_earlier_handler_has_its_state_to_itself)
{
	have_threads();
	in_child = thread_of_an_earlier_handler;
	test_in_child(fork_with_threads);
}

TEST_ENTERS(in_a_child_s_child_a_thread_of_an_earlier_handler_has_its_state_to_itself)
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
	is_mine_alone(vgetrandom_alloc(), "the handler");
}

static void start_thread(void)
{
	thread_that_stays("a thread of the handler");
}

static void (*in_reset)(void);

static void step_reset(void)
{
	trap_on(in_reset, child_at);
}

/* Its first instructions have been executed when it is called. */
static void after_reset(long at)
{
	(void)at;
	was_there = trap_off();
	nothing_comes_twice();
}

static bool reset_at_step(long at)
{
	child_at = at;
	return in_child_at_step(at);
}

static void at_each_step_of_the_reset(void (*action)(void))
{
	long points;

	have_threads();
	in_reset = action;
	in_child = step_reset;
	child_fn = after_reset;
	points = trap_each(reset_at_step, 0, 1);
	check(points > 50, "only %ld steps", points);
}

TEST_ENTERS(in_a_child_a_state_freed_at_any_instruction_of_the_reset_comes_once)
{
	at_each_step_of_the_reset(free_one);
}

TEST_ENTERS(in_a_child_a_state_taken_at_any_instruction_of_the_reset_is_who_took_it_s)
{
	at_each_step_of_the_reset(take_one);
}

TEST_ENTERS(in_a_child_threads_made_at_any_instruction_of_the_reset_have_states_to_themselves)
{
	at_each_step_of_the_reset(start_thread);
}

TEST_ENTERS(in_a_child_handlers_may_ask_at_any_instruction_of_the_reset)
{
	at_each_step_of_the_reset(ask);
}
