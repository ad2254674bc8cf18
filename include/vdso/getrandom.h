/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The data that the kernel and the vDSO's getrandom() share.
 *
 * The kernel writes struct vdso_rng_data at every reseed; every process can read
 * it. The generator keeps one struct vgetrandom_state per thread, in memory of the
 * calling process. The kernel may replace that memory by zeros between any two
 * instructions: see MAP_DROPPABLE and Documentation/vdso/getrandom.rst.
 */
#ifndef _VDSO_GETRANDOM_H
#define _VDSO_GETRANDOM_H

#define VGETRANDOM_KEY_SIZE	32	/* a ChaCha20 key, RFC 8439 section 2.3 */
#define VGETRANDOM_BLOCK_SIZE	64	/* one ChaCha20 block, ibid. */

/*
 * The most blocks that a core makes in one iteration, see <asm/vdso/getrandom-cores.h>.
 * A refill is one iteration, so a state has room for that many.
 */
#define VGETRANDOM_MAX_BLOCKS		16
#define VGETRANDOM_KEYSTREAM_SIZE	(VGETRANDOM_MAX_BLOCKS * VGETRANDOM_BLOCK_SIZE)
#define VGETRANDOM_BATCH_SIZE		(VGETRANDOM_KEYSTREAM_SIZE - VGETRANDOM_KEY_SIZE)

/* For cores that need more registers than the processor has. */
#define VGETRANDOM_SCRATCH_SIZE	64

/* From here on flags are for the system call: GRND_RANDOM | GRND_INSECURE, and unknown ones. */
#define VGETRANDOM_FLAGS_END	6

/* Offsets in struct vgetrandom_state, for assembly. */
#define VGETRANDOM_OWNER	0
#define VGETRANDOM_WITNESS	8
#define VGETRANDOM_GENERATION	16
#define VGETRANDOM_AVAILABLE	24
#define VGETRANDOM_KEYSTREAM	64
#define VGETRANDOM_BATCH	(VGETRANDOM_KEYSTREAM + VGETRANDOM_KEY_SIZE)
#define VGETRANDOM_SCRATCH	(VGETRANDOM_KEYSTREAM + VGETRANDOM_KEYSTREAM_SIZE)
#define VGETRANDOM_STATE_SIZE	(VGETRANDOM_SCRATCH + VGETRANDOM_SCRATCH_SIZE)

/* The same in struct vdso_rng_data. */
#define VGETRANDOM_RNG_CORE	9

#ifndef __ASSEMBLY__

#include <linux/types.h>

/**
 * struct vdso_rng_data - what the kernel's RNG tells the generators in user space
 * @generation: changes at every reseed of the kernel's RNG. 0 until the first
 *		reseed, which sets it to a random number below 2^63; a state that
 *		has a key never has generation 0.
 * @is_ready:	nonzero once the kernel's RNG has been seeded; never reset.
 * @core:	number of the ChaCha20 core to use. All cores make the same bytes and
 *		core 0 runs on every processor, so a change does no harm at any time.
 *
 * Only the kernel writes it. A thread that sees a generation and then enters
 * getrandom(2) gets bytes made with the key of that generation or of a later one.
 */
struct vdso_rng_data {
	__u64	generation;
	__u8	is_ready;
	__u8	core;
};

/**
 * struct vgetrandom_state - the generator of one thread
 * @owner:	the lock: the token of the call that uses the state, 0 if none does. The
 *		call stores its token again before each write that another call could
 *		mistake for part of a valid state.
 * @witness:	the token of the call that started last, stored once per attempt. If a call
 *		finds another value here at its end, the page was dropped, or zeroed by a
 *		fork, during the call; that holds even if the state is in use again.
 * @generation:	the kernel's generation from which @key and @batch come. If they are not
 *		valid: 0, or the token of a call that is making a key.
 * @available:	how many bytes at the start of @batch have not been returned yet. A
 *		count, not a position: a zeroed state has no bytes available.
 * @request:	the token of the innermost request that is made in several chunks: see
 *		vgetrandom_try(). A fork zeroes it, so the child knows that the parent has the
 *		same chunks.
 * @unused:	aligns @key to a cache line, so that no vector of the keystream spans two
 * @key:	key of the next refill, which overwrites it
 * @batch:	keystream for later calls; zeros from @available on
 * @scratch:	memory for a core that runs out of registers: intermediate values or a
 *		copy of the key; zeros when the core has returned. The core uses no other
 *		field for this: if the page was dropped, a handler may have made a new
 *		state in it, whose key and batch must stay intact.
 *
 * A token identifies a call: it is an address in the stack frame of the call. Only
 * signal handlers nest calls on one state, so each of these calls has a different frame.
 *
 * @key and @batch are adjacent because a refill fills both with one keystream, which
 * may be shorter than the two together. A small request reads and writes only the first
 * cache line of the state and the bytes it returns.
 */
struct vgetrandom_state {
	unsigned long	owner;
	unsigned long	witness;
	__u64		generation;
	__u64		available;
	__u64		request;
	__u8		unused[24];
	__u8		key[VGETRANDOM_KEY_SIZE];
	__u8		batch[VGETRANDOM_BATCH_SIZE];
	__u8		scratch[VGETRANDOM_SCRATCH_SIZE];
};

#endif /* !__ASSEMBLY__ */

#endif /* _VDSO_GETRANDOM_H */
