// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdatomic.h>

#include "thread.h"

/*
 * glibc keeps the values of the first 32 keys in the thread itself, and calls malloc() for further
 * ones. musl keeps all values in the thread.
 */
#ifdef __GLIBC__
#define KEYS_WITHOUT_MALLOC	32
#else
#define KEYS_WITHOUT_MALLOC	~0U
#endif

__thread struct thread thread THREAD_MODEL;
struct pool thread_states, thread_expansions;

/* Last in .bss: then all data that a process touches at its start lies on one page. */
static struct pool_slot slots[2][POOL_MAX] __attribute__((section(".bss.slots")));

static pthread_key_t exit_key;

/* Number of forks that are under way in this process. */
static atomic_uint forking;

/*
 * While @in_pool is set, this thread may own a slot that struct thread does not know. So its signal
 * handlers allocate none, and a child that a handler forks reclaims none.
 */
static void enter_pool(void)
{
	thread.in_pool = true;
	atomic_signal_fence(memory_order_seq_cst);
}

static void leave_pool(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	thread.in_pool = false;
}

static void *detach(struct thread_slot *slot)
{
	void *own = slot->own;

	slot->idle = NULL;
	slot->own = NULL;
	return own;
}

static void free_slot(struct pool *pool, void *slot)
{
	if (slot && !pool_free(pool, slot, POOL_THREAD))
		pool_free(pool, slot, POOL_IN_FORK);
}

/*
 * A thread may exit in the middle of a request: it is cancelled, or a signal handler ends it. The
 * contents of its slots do not matter then: they are erased.
 */
static void exit_thread(void *unused)
{
	void *state, *expansion;

	(void)unused;
	/* A slot that a handler allocated from here on would never be freed. */
	thread.phase = THREAD_EXITED;
	enter_pool();
	state = detach(&thread.state);
	expansion = detach(&thread.expansion);
	atomic_signal_fence(memory_order_seq_cst);
	free_slot(&thread_states, state);
	free_slot(&thread_expansions, expansion);
	leave_pool();
}

/*
 * The child may have new threads before after_fork_in_child() runs: fork handlers of other
 * libraries, which run earlier, may create them. Their slots must not be reclaimed, so slots that
 * are allocated during a fork are POOL_IN_FORK. The parent's threads may allocate such slots too:
 * the child cannot use these again, and that is harmless.
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
		pool_reclaim(&thread_states, thread.state.own);
		pool_reclaim(&thread_expansions, thread.expansion.own);
		leave_pool();
	}
	/* Lock memory that the child is likely to need now: a sandbox may forbid it soon. */
	if (thread.state.own)
		pool_may_hold_keys(&thread_states, thread.state.own);
	if (thread.expansion.own)
		pool_may_hold_keys(&thread_expansions, thread.expansion.own);
	forking = 0;
}

const char *thread_setup(void)
{
	thread_states.slots = slots[0];
	thread_expansions.slots = slots[1];
	if (pthread_key_create(&exit_key, exit_thread))
		return "the C library has no thread-specific key left";
	if (exit_key >= KEYS_WITHOUT_MALLOC) {
		pthread_key_delete(exit_key);
		return "the library was loaded too late: the C library would call malloc() for its thread-specific key";
	}
	/*
	 * If this fails, a child does not know which slots it may use again. That is harmless: they
	 * stay unused, as in children of _Fork() and clone().
	 */
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	return NULL;
}

/*
 * Allocates the slot if the thread has none.
 *
 * Return: the slot; NULL if an interrupted call uses it, or if there is none.
 */
static void *get_slot(struct pool *pool, struct thread_slot *slot)
{
	if (slot->own)
		return slot->idle;
	if (thread.phase == THREAD_EXITED || thread.in_pool)
		return NULL;
	enter_pool();
	if (thread.phase == THREAD_NEW && !pthread_setspecific(exit_key, &thread))
		thread.phase = THREAD_REGISTERED;
	/*
	 * A signal handler may have allocated the slot since the check above. A handler that comes
	 * after leave_pool() must find it, or it would allocate another one.
	 */
	if (thread.phase == THREAD_REGISTERED && !slot->own) {
		slot->own = pool_alloc(pool, forking ? POOL_IN_FORK : POOL_THREAD);
		slot->idle = slot->own;
	}
	leave_pool();
	return slot->idle;
}

void *thread_get_state(void)
{
	return get_slot(&thread_states, &thread.state);
}

void *thread_get_expansion(void)
{
	return get_slot(&thread_expansions, &thread.expansion);
}

void *thread_alloc_state(void)
{
	return pool_alloc(&thread_states, POOL_USER);
}

bool thread_free_state(void *state)
{
	return pool_free(&thread_states, state, POOL_USER);
}
