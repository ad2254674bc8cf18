/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What the kernel, the vDSO generator and its callers' memory agree on.
 *
 * Three parties meet here. The kernel writes struct vdso_rng_data, once per
 * reseed; every process can read it. The generator keeps one struct
 * vgetrandom_state per thread, in memory of the calling process that the
 * kernel may replace by zeros between any two instructions: see
 * MAP_DROPPABLE and Documentation/vdso/getrandom.rst.
 */
#ifndef _VDSO_GETRANDOM_H
#define _VDSO_GETRANDOM_H

#include <linux/types.h>

#define VGETRANDOM_KEY_SIZE	32	/* a ChaCha20 key, RFC 8439 section 2.3 */
#define VGETRANDOM_BLOCK_SIZE	64	/* one ChaCha20 block, ibid. */

/* Blocks of key stream in a refill: what one pass of the SSE2 core makes. */
#define VGETRANDOM_REFILL_BLOCKS	3
#define VGETRANDOM_REFILL_SIZE	(VGETRANDOM_REFILL_BLOCKS * VGETRANDOM_BLOCK_SIZE)
#define VGETRANDOM_BATCH_SIZE	(VGETRANDOM_REFILL_SIZE - VGETRANDOM_KEY_SIZE)

/**
 * struct vdso_rng_data - the kernel RNG's word to the generators in user space
 * @generation: changes at every reseed of the kernel's RNG. 0 means that there
 *		has been none, and is never the generation of a live state.
 * @is_ready:	nonzero once the kernel's RNG has been seeded; never goes back.
 *
 * Written by vdso_rng_publish() only. A reader that sees a generation and then
 * asks the kernel for bytes gets them from that generation's key or a later one.
 */
struct vdso_rng_data {
	__u64	generation;
	__u8	is_ready;
};

/**
 * struct vgetrandom_state - one thread's generator
 * @owner:	the lock: the call that is using the state, 0 when none is. A call
 *		is known by the address of its stack frame: calls that nest on one
 *		state come from signal handlers and have frames of their own. A
 *		call writes itself here again whenever it is about to write
 *		elsewhere in the state.
 * @witness:	the call that began last, as in @owner, but written once. A call
 *		that no longer finds itself here knows that the page was dropped or
 *		wiped under it, whatever has been done to the state since.
 * @generation:	the kernel's generation that @key and @batch come from; anything
 *		else when they come from none: 0, or the mark of a call that is
 *		making a key.
 * @available:	bytes of @batch, counted from its start, not handed out yet.
 *		Not a position, so that a state of zeros has nothing to give.
 * @batch:	key stream to hand out; all zeros from @available on.
 * @key:	the key of the next refill, which overwrites it.
 *
 * @batch and @key are adjacent: a refill is a single run of key stream.
 */
struct vgetrandom_state {
	unsigned long	owner;
	unsigned long	witness;
	__u64		generation;
	__u64		available;
	__u8		batch[VGETRANDOM_BATCH_SIZE];
	__u8		key[VGETRANDOM_KEY_SIZE];
};

#endif /* _VDSO_GETRANDOM_H */
