// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdatomic.h>

#include "thread.h"

/*
 * glibc keeps the values of that many keys in the thread itself, and calls malloc() for
 * more. musl keeps all there.
 */
#ifdef __GLIBC__
#define KEYS_WITHOUT_MALLOC	32
#else
#define KEYS_WITHOUT_MALLOC	~0U
#endif

__thread struct thread thread THREAD_MODEL;
struct pool thread_states, thread_expansions;

/* After all else: what each process touches is on one page. */
static _Atomic(uint32_t) next[2][POOL_MAX] __attribute__((section(".bss.next")));

static pthread_key_t exit_key;

/* Forks that this process has begun, and not ended yet. */
static atomic_uint forking;

/*
 * As long as @in_pool is not 0 this thread may have a piece that it does not know of. So
 * signal handlers of it take none, and a child that they fork takes none back.
 */
static void enter_pool(void)
{
	thread.in_pool++;
	atomic_signal_fence(memory_order_seq_cst);
}

static void leave_pool(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	thread.in_pool--;
}

static void give(struct pool *pool, void *piece)
{
	if (!pool_give(pool, piece, POOL_THREAD))
		pool_give(pool, piece, POOL_IN_FORK);
}

/*
 * A thread may end in the middle of a request, by cancellation or because a signal
 * handler ends it. What state the state is in then does not matter: it is erased.
 */
static void exit_thread(void *unused)
{
	void *state, *expander;

	(void)unused;
	/* A handler that came later would be given a piece that nobody gives back. */
	thread.exiting = true;
	enter_pool();
	state = thread.own_state;
	expander = thread.expansion;
	thread.state = NULL;
	thread.own_state = NULL;
	thread.expansion = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	if (state)
		give(&thread_states, state);
	if (expander)
		give(&thread_expansions, expander);
	leave_pool();
}

/*
 * The child may have other threads before it gets to after_fork_in_child(): those of
 * libraries that are told of it earlier. What they have must not be taken back; nor must
 * what the parent's threads take now, but that is merely lost to the child.
 */
static void before_fork(void)
{
	forking++;
}

static void after_fork_in_parent(void)
{
	forking--;
}

static void after_fork_in_child(void)
{
	if (!thread.in_pool) {
		enter_pool();
		pool_reset(&thread_states, thread.own_state);
		pool_reset(&thread_expansions, thread.expansion);
		leave_pool();
	}
	/* Now, if the child is likely to need it: a sandbox may forbid it soon. */
	if (thread.own_state)
		pool_may_hold_keys(&thread_states, thread.own_state);
	if (thread.expansion)
		pool_may_hold_keys(&thread_expansions, thread.expansion);
	forking = 0;
}

const char *thread_setup(void)
{
	thread_states.next = next[0];
	thread_expansions.next = next[1];
	if (pthread_key_create(&exit_key, exit_thread))
		return "the C library has no thread-specific key left";
	if (exit_key >= KEYS_WITHOUT_MALLOC) {
		pthread_key_delete(exit_key);
		return "the library came too late: the C library would call malloc() for it";
	}
	/*
	 * Without it, a child would not know which pieces it may use again: no harm, but
	 * that they are lost. The same happens in children of _Fork() and clone().
	 */
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	return NULL;
}

/* A handler that finds the pool left has to find the piece as well, or it takes another. */
static void *need(struct pool *pool, void *volatile *piece)
{
	if (thread.exiting || thread.in_pool)
		return NULL;
	enter_pool();
	if (!thread.armed)
		thread.armed = !pthread_setspecific(exit_key, &thread);
	/* Since the caller looked, a signal handler may have been here. */
	if (thread.armed && !*piece)
		*piece = pool_take(pool, forking ? POOL_IN_FORK : POOL_THREAD);
	leave_pool();
	return *piece;
}

void *thread_get_state(void)
{
	/* This is a handler's request, and the one that it interrupts is using it? */
	if (thread.own_state)
		return NULL;
	return thread.state = need(&thread_states, &thread.own_state);
}

void *thread_get_expansion(void)
{
	return need(&thread_expansions, &thread.expansion);
}

void *thread_alloc_state(void)
{
	return pool_take(&thread_states, POOL_USER);
}

bool thread_free_state(void *state)
{
	return pool_give(&thread_states, state, POOL_USER);
}
