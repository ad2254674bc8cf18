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

#define VGETRANDOM_KEY_SIZE	32	/* a ChaCha20 key, RFC 8439 section 2.3 */
#define VGETRANDOM_BLOCK_SIZE	64	/* one ChaCha20 block, ibid. */

/*
 * The most that any core makes an iteration, see <asm/vdso/getrandom-cores.h>. A refill is
 * one iteration: so a state has room for that much.
 */
#define VGETRANDOM_MAX_BLOCKS	16
#define VGETRANDOM_KEYSTREAM_SIZE	(VGETRANDOM_MAX_BLOCKS * VGETRANDOM_BLOCK_SIZE)
#define VGETRANDOM_BATCH_SIZE	(VGETRANDOM_KEYSTREAM_SIZE - VGETRANDOM_KEY_SIZE)

/* For the cores that have fewer registers than they need. */
#define VGETRANDOM_SCRATCH_SIZE	64

/* Where the cores, which are assembly, find the fields of struct vgetrandom_state. */
#define VGETRANDOM_OWNER	0
#define VGETRANDOM_KEYSTREAM		64
#define VGETRANDOM_SCRATCH	(VGETRANDOM_KEYSTREAM + VGETRANDOM_KEYSTREAM_SIZE)

#ifndef __ASSEMBLY__

#include <linux/types.h>

/**
 * struct vdso_rng_data - the kernel RNG's word to the generators in user space
 * @generation: changes at every reseed of the kernel's RNG. 0 means that there
 *		has been none, and is never the generation of a live state.
 * @is_ready:	nonzero once the kernel's RNG has been seeded; never goes back.
 * @core:	which of its ChaCha20 cores the architecture wants to be used. All
 *		make the same bytes, and 0 runs everywhere: so nobody minds when
 *		this changes.
 *
 * Written by the kernel's RNG only. A reader that sees a generation and then
 * asks the kernel for bytes gets them from that generation's key or a later one.
 */
struct vdso_rng_data {
	__u64	generation;
	__u8	is_ready;
	__u8	core;
};

/**
 * struct vgetrandom_state - one thread's generator
 * @owner:	the lock: the call that is using the state, 0 when none is. A call
 *		is known by an address in its stack frame: calls that nest on one
 *		state come from signal handlers and have frames of their own. A
 *		call writes itself here again whenever it is about to write what
 *		another call would take for good.
 * @witness:	the call that began last, as in @owner, but written once. A call
 *		that no longer finds itself here knows that the page was dropped or
 *		wiped under it, whatever has been done to the state since.
 * @generation:	the kernel's generation that @key and @batch come from; anything
 *		else when they come from none: 0, or the mark of a call that is
 *		making a key.
 * @available:	bytes of @batch, counted from its start, not handed out yet.
 *		Not a position, so that a state of zeros has nothing to give.
 * @unused:	puts the run on a cache line, so that no vector of it is on two
 * @key:	the key of the next refill, which overwrites it.
 * @batch:	key stream to hand out; all zeros from @available on.
 * @scratch:	where a core that runs out of registers puts what it is working on, or a
 *		copy of the key;
 *		zeros when it has returned. Apart from the rest, so that a call that
 *		has lost the state unawares does no harm to the next one's.
 *
 * @key and @batch are adjacent: what a refill makes is a single run of key stream,
 * that may end before the batch does. What all small requests read and write, but
 * for the bytes themselves, shares the first cache line.
 */
struct vgetrandom_state {
	unsigned long	owner;
	unsigned long	witness;
	__u64		generation;
	__u64		available;
	__u8		unused[32];
	__u8		key[VGETRANDOM_KEY_SIZE];
	__u8		batch[VGETRANDOM_BATCH_SIZE];
	__u8		scratch[VGETRANDOM_SCRATCH_SIZE];
};

#endif /* !__ASSEMBLY__ */

#endif /* _VDSO_GETRANDOM_H */
