// SPDX-License-Identifier: MIT
/*
 * The thread's expansion state holds the key of a large request, and the keystream that a core
 * makes beyond the end of the request. It is a struct vgetrandom_state, which cores know, in memory
 * that is not dumped, swapped or inherited by a child of fork(). Key and keystream are erased when
 * the request has been served.
 *
 * That memory may become zeros at any time: the kernel may drop its pages, and a signal handler may
 * fork in the middle of a request, which leaves zeros in the child. Bytes that are made after that
 * come from a key of zeros. So each request first writes a token into @witness, which is in the
 * same page as the key, and checks it at the end: if the token is gone, the bytes are discarded.
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

/* Erases @blocks blocks of keystream; @keystream is aligned to a cache line. */
static void erase(void *keystream, size_t blocks)
{
	typedef long long vector __attribute__((vector_size(16)));
	volatile vector *at = keystream;

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
		return thread_call(key, VGETRANDOM_KEY_SIZE, flags, state);
	return raw_syscall(SYS_getrandom, key, VGETRANDOM_KEY_SIZE, flags);
}

/* Fails, with @is_served false, if there is no memory for the key, or if its page was dropped. */
static struct expanded attempt(struct vgetrandom_state *expansion, void *buf, size_t len,
			       unsigned int flags, void *state)
{
	const struct core *core = config.core;
	/* An iteration makes at least one block for the state: the last block of the request. */
	size_t blocks = (len - 1) / VGETRANDOM_BLOCK_SIZE;
	size_t tail = len - blocks * VGETRANDOM_BLOCK_SIZE;
	size_t kept = core->blocks - (blocks & (core->blocks - 1));
	unsigned long token = (unsigned long)&blocks;
	void *keystream = (char *)expansion + VGETRANDOM_KEYSTREAM;
	ssize_t drawn;
	bool zeroed;

	expansion->witness = token;
	atomic_signal_fence(memory_order_seq_cst);
	/*
	 * A child that is forked from here on finds no token; a child that was forked earlier locks
	 * the memory itself, or stops here.
	 */
	if (!pool_may_hold_keys(&thread_expansions, expansion))
		return (struct expanded) { false, 0 };
	drawn = draw_key(keystream, flags, state);
	if (drawn == VGETRANDOM_KEY_SIZE) {
		core->make(expansion, buf, blocks, token);
		arch_copy_secret((char *)buf + len - tail, keystream, tail);
	} else {
		kept = 1;
	}
	atomic_signal_fence(memory_order_seq_cst);
	zeroed = *(volatile unsigned long *)&expansion->witness != token;
	erase(keystream, kept);
	expansion->witness = 0;
	expansion->owner = 0;
	/* -EFAULT: there is no memory for the page of the key. That is not the caller's mistake. */
	if (drawn < 0)
		return (struct expanded) { drawn != -EFAULT, drawn };
	return (struct expanded) { drawn == VGETRANDOM_KEY_SIZE && !zeroed, (ssize_t)len };
}

struct expanded expand(void *buf, size_t len, unsigned int flags, void *state)
{
	struct vgetrandom_state *expansion = thread.expansion.idle;
	struct expanded expanded = { false, 0 };

	if (!expansion)
		expansion = thread_get_expansion();
	if (!expansion)
		return expanded;
	thread_begin_use(&thread.expansion);
	for (int i = 0; i < ATTEMPTS && !expanded.is_served; i++)
		expanded = attempt(expansion, buf, len, flags, state);
	thread_end_use(&thread.expansion);
	return expanded;
}
