/* SPDX-License-Identifier: MIT */
/*
 * What each thread has, from its first request to its exit.
 */
#ifndef _VGETRANDOM_THREAD_H
#define _VGETRANDOM_THREAD_H

#include <linux/compiler.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "pool.h"
#include "vdso.h"

/**
 * struct thread - what a thread has
 * @state: its state for the vDSO function, as long as no call is using it; otherwise NULL
 * @own_state: its state, in use or not; NULL until it is needed, and where there is none
 * @expansion: where it keeps the key of a large request; NULL until it is needed
 * @expanding: it is being used
 * @exiting: the thread has given all back, and gets nothing any more
 * @armed: the thread's exit will give it back
 * @in_pool: the thread is taking a piece, or giving one back
 * @syscalls: requests of the thread that the system call has served; draws of keys do not count
 *
 * Signal handlers of the thread see it in every state that is possible.
 */
struct thread {
	void			*volatile state;
	void			*volatile own_state;
	void			*volatile expansion;
	volatile bool		expanding;
	volatile bool		exiting;
	volatile bool		armed;
	volatile unsigned char	in_pool;
	volatile unsigned long	syscalls;
};

/*
 * glibc may allocate memory when a thread first touches a variable of a library that
 * came with dlopen(): not in a signal handler, please. It keeps some room for those that
 * say that they must not wait that long. musl has it ready when dlopen() returns, and
 * does not know such room.
 */
#ifdef __GLIBC__
#define THREAD_MODEL	__attribute__((tls_model("initial-exec")))
#else
#define THREAD_MODEL
#endif

extern __thread struct thread thread THREAD_MODEL __attribute__((visibility("hidden")));

/* Their pieces are what struct thread points to. */
extern struct pool thread_states, thread_expansions;

/**
 * thread_call - call the vDSO function
 * @fn: the function
 * @buf: where the bytes go
 * @len: how many
 * @flags: as in getrandom()
 * @state: this thread's @state; not NULL
 * @state_size: its size
 *
 * The function would notice that a signal handler calls it again with the state that it is
 * using, but by what it has written there. Linux 6.11's does not notice if that is lost
 * in between, because the page was dropped or the handler runs in a child that it has
 * forked: then what was made before goes out in both processes. So handlers do not find
 * the state.
 *
 * Return: what the function returns: a number of bytes, or -errno
 */
static __always_inline ssize_t thread_call(vdso_fn fn, void *buf, size_t len,
					   unsigned int flags, void *state,
					   size_t state_size)
{
	ssize_t ret;

	thread.state = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	ret = fn(buf, len, flags, state, state_size);
	atomic_signal_fence(memory_order_seq_cst);
	/* The same as @state, which need not be kept over the call for this. */
	thread.state = thread.own_state;
	return ret;
}

/**
 * thread_setup - find out about threads' exits and forks
 *
 * Return: NULL; or the reason why threads cannot have anything.
 */
const char *thread_setup(void);

/**
 * thread_get_state - the calling thread's state, if its @state is NULL
 *
 * Return: the state; NULL if there is none to be had, at least now.
 */
void *thread_get_state(void);

/**
 * thread_get_expansion - the calling thread's expander, that has none yet
 *
 * Return: as thread_get_state()
 */
void *thread_get_expansion(void);

/**
 * thread_alloc_state - a state that belongs to no thread
 *
 * Return: the state, or NULL
 */
void *thread_alloc_state(void);

/**
 * thread_free_state - give it back
 * @state: from thread_alloc_state()
 *
 * Return: false if it is none
 */
bool thread_free_state(void *state);

#endif /* _VGETRANDOM_THREAD_H */
