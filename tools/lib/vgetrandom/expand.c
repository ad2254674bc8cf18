// SPDX-License-Identifier: MIT
/*
 * The key of a request, and what a core makes of it besides the request's bytes, are in
 * the thread's expander: a struct vgetrandom_state, which cores know, in memory that
 * neither a core dump, nor swap, nor a child of fork() gets to see. Both are gone when
 * the request has been served.
 *
 * That memory may turn into zeros at any time: droppable pages when the kernel needs
 * them, and all of it in a child that a signal handler forks in the middle of a request.
 * What is made from then on comes from a key of zeros. Each request begins by writing
 * the expander's @witness, in the same page as the key, and it is looked at when all is
 * done: if it is gone, none of it counts.
 */
#include <errno.h>
#include <stdatomic.h>
#include <vdso/getrandom.h>

#include "core.h"
#include "expand.h"
#include "raw.h"
#include "setup.h"
#include "thread.h"

#define ATTEMPTS	3

/* What a core has left: whole blocks, on cache lines. */
static void erase(void *run, size_t blocks)
{
	typedef long long vector __attribute__((vector_size(16)));
	volatile vector *at = run;

	for (; blocks; blocks--, at += 4) {
		at[0] = (vector){ 0 };
		at[1] = (vector){ 0 };
		at[2] = (vector){ 0 };
		at[3] = (vector){ 0 };
	}
}

static ssize_t draw_key(void *key, unsigned int flags, void *state)
{
	if (state)
		return thread_call(config.fn, key, VGETRANDOM_KEY_SIZE, flags, state,
				   config.state_size);
	return raw_syscall(SYS_getrandom, key, VGETRANDOM_KEY_SIZE, flags);
}

/* 0 if the memory has been lost meanwhile. */
static ssize_t attempt(struct vgetrandom_state *expander, void *buf, size_t len,
		       unsigned int flags, void *state)
{
	const struct core *core = config.core;
	/* An iteration makes at least one block for the state: the last one of the request. */
	size_t blocks = (len - 1) / VGETRANDOM_BLOCK_SIZE;
	size_t tail = len - blocks * VGETRANDOM_BLOCK_SIZE;
	size_t kept = core->blocks - (blocks & (core->blocks - 1));
	unsigned long mark = (unsigned long)&blocks;
	void *run = (char *)expander + VGETRANDOM_KEYSTREAM;
	ssize_t drawn;
	bool lost;

	expander->witness = mark;
	atomic_signal_fence(memory_order_seq_cst);
	/* A child of fork() from here on has no witness, and one from before does not come on. */
	if (!pool_may_hold_keys(&thread_expansions, expander))
		return 0;
	drawn = draw_key(run, flags, state);
	if (drawn == VGETRANDOM_KEY_SIZE) {
		core->make(expander, buf, blocks, mark);
		arch_copy_secret((char *)buf + len - tail, run, tail);
	} else {
		kept = 1;
	}
	atomic_signal_fence(memory_order_seq_cst);
	lost = *(volatile unsigned long *)&expander->witness != mark;
	erase(run, kept);
	expander->witness = 0;
	expander->owner = 0;
	/* There is no memory for the expander's page: that is not the caller's mistake. */
	if (drawn == -EFAULT)
		return 0;
	if (drawn != VGETRANDOM_KEY_SIZE)
		return drawn < 0 ? drawn : 0;
	return lost ? 0 : (ssize_t)len;
}

ssize_t expand(void *buf, size_t len, unsigned int flags, void *state)
{
	struct vgetrandom_state *expander = thread.expansion;
	ssize_t ret = 0;

	/* A signal handler that interrupts a request here is served by others. */
	if (thread.expanding)
		return 0;
	if (!expander)
		expander = thread_get_expansion();
	if (!expander)
		return 0;
	thread.expanding = true;
	atomic_signal_fence(memory_order_seq_cst);
	for (int i = 0; i < ATTEMPTS && !ret; i++)
		ret = attempt(expander, buf, len, flags, state);
	atomic_signal_fence(memory_order_seq_cst);
	thread.expanding = false;
	return ret;
}
