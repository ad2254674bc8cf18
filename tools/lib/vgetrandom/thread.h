/* SPDX-License-Identifier: MIT */
/*
 * What the library keeps for each thread, from the thread's first request to its exit.
 */
#ifndef _VGETRANDOM_THREAD_H
#define _VGETRANDOM_THREAD_H

#include <linux/compiler.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "pool.h"
#include "setup.h"

/**
 * struct thread_slot - a slot of a pool that a thread owns
 * @idle: the slot while no call uses it, otherwise NULL
 * @own: the slot, in use or not; NULL until the thread needs it, and if there is none
 */
struct thread_slot {
	void	*volatile idle;
	void	*volatile own;
};

/**
 * enum thread_phase - which slots a thread may allocate
 * @THREAD_NEW: none yet: its exit would not free them
 * @THREAD_REGISTERED: any: its exit frees them
 * @THREAD_EXITED: none any more: they have been freed
 */
enum thread_phase {
	THREAD_NEW,
	THREAD_REGISTERED,
	THREAD_EXITED,
};

/**
 * struct thread - a thread
 * @state: its state for the vDSO function
 * @expansion: its expansion state: the key of a large request, while that is served
 * @phase: enum thread_phase
 * @in_pool: the thread is just allocating or freeing a slot
 * @syscalls: requests of the thread that the system call has served. The key of a large request
 *	      does not count.
 *
 * Signal handlers of the thread may see every intermediate state.
 */
struct thread {
	struct thread_slot	state;
	struct thread_slot	expansion;
	volatile unsigned char	phase;
	volatile bool		in_pool;
	volatile unsigned long	syscalls;
};

/*
 * glibc may call malloc() when a thread first touches a thread-local variable of a library that
 * was loaded with dlopen(). A signal handler must not do that, so the variable is initial-exec:
 * glibc reserves some space for such variables. musl reserves none, but has the memory of all
 * variables ready when dlopen() returns.
 */
#ifdef __GLIBC__
#define THREAD_MODEL	__attribute__((tls_model("initial-exec")))
#else
#define THREAD_MODEL
#endif

extern __thread struct thread thread THREAD_MODEL __attribute__((visibility("hidden")));

/* The slots of struct thread come from these. */
extern struct pool thread_states, thread_expansions;

/**
 * thread_begin_use - hide a slot from signal handlers, before the thread uses it
 * @slot: the slot
 *
 * A signal handler may interrupt the vDSO function and call it with the same state. The function
 * detects that by a token in the state. Linux 6.11's does not detect it if the token is zeroed in
 * between: because the page is dropped, or in a child that the handler forks. Then the parent and
 * the child return the same bytes. So handlers must not find the state.
 */
static __always_inline void thread_begin_use(struct thread_slot *slot)
{
	slot->idle = NULL;
	atomic_signal_fence(memory_order_seq_cst);
}

/**
 * thread_end_use - let signal handlers find a slot again
 * @slot: the slot
 */
static __always_inline void thread_end_use(struct thread_slot *slot)
{
	atomic_signal_fence(memory_order_seq_cst);
	/* The call need not keep the slot's address in a register for this. */
	slot->idle = slot->own;
}

/**
 * thread_call - call the vDSO function, or the library's generator
 * @buf: the buffer to fill
 * @len: its length
 * @flags: as in getrandom()
 * @state: the thread's idle state; not NULL
 *
 * Return: as the function: a number of bytes, or -errno
 */
static __always_inline ssize_t thread_call(void *buf, size_t len, unsigned int flags, void *state)
{
	ssize_t ret;

	thread_begin_use(&thread.state);
	ret = config.fn(buf, len, flags, state, config.state_size);
	thread_end_use(&thread.state);
	return ret;
}

/**
 * thread_setup - have the C library call this file when a thread exits and when a process forks
 *
 * Return: NULL; or the reason why threads cannot own slots.
 */
const char *thread_setup(void);

/**
 * thread_get_state - allocate the calling thread's state; call it if there is no idle one
 *
 * Return: the state; NULL if an interrupted call uses it, or if there is none (now).
 */
void *thread_get_state(void);

/**
 * thread_get_expansion - allocate the calling thread's expansion state; see thread_get_state()
 *
 * Return: as thread_get_state()
 */
void *thread_get_expansion(void);

/**
 * thread_alloc_state - allocate a state that belongs to no thread
 *
 * Return: the state, or NULL
 */
void *thread_alloc_state(void);

/**
 * thread_free_state - free a state of thread_alloc_state()
 * @state: the state
 *
 * Return: false if @state is not an allocated one
 */
bool thread_free_state(void *state);

#endif /* _VGETRANDOM_THREAD_H */
