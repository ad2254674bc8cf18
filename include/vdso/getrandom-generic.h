/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What lib/vdso/getrandom.c asks of an architecture, and what it may leave to C.
 *
 * An architecture must have <asm/vdso/getrandom.h>, which includes this at its end, with
 *
 *	getrandom_syscall()		the system call
 *	__arch_get_vdso_rng_data()	the place of the data page
 *	__arch_find_vdso_rng_data()	the same, inside time namespaces too
 *	PAGE_SIZE			from a header of its own
 *
 * and <asm/vdso/getrandom-cores.h>, its table of ChaCha20 cores, with one at least. For
 * all else there is a form in C here. An architecture that has a better one defines a
 * macro of the same name.
 *
 * The forms in C are right, but the language cannot promise that they leave no secret
 * behind:
 *
 *  - __arch_vgetrandom_take() may leave in registers what it has moved last.
 *  - A compiler may keep a copy of what any of them moves on the stack, for as long as
 *    nothing overwrites it there: key stream that has been returned, not what follows.
 *  - A core in C leaves words of its last block in registers, and may have had the key
 *    and blocks on the stack.
 *  - __arch_vgetrandom_take() takes about six instructions a word. For more than 256 bytes that
 *    exceeds the two hundred that lib/vdso/getrandom.c allows for a place that writes.
 *
 * So a key can outlive its use: an architecture needs at least a core in assembly, and
 * __arch_vgetrandom_take() too, for what Documentation/vdso/getrandom-security.rst
 * promises about registers and memory after a call.
 */
#ifndef _VDSO_GETRANDOM_GENERIC_H
#define _VDSO_GETRANDOM_GENERIC_H

#include <linux/compiler.h>
#include <vdso/getrandom.h>
#include <vdso/getrandom-cores.h>

/**
 * __arch_vgetrandom_token - a name for the call that is being made
 *
 * Calls that are under way on the same state are nested in one another by signals,
 * each in a frame of its own.
 *
 * Return: an address in the caller's frame.
 */
#ifndef __arch_vgetrandom_token
static __always_inline unsigned long __arch_vgetrandom_token(void)
{
	return (unsigned long)__builtin_frame_address(0);
}
#endif

/**
 * __arch_vgetrandom_holds - look at a word in memory, once
 * @word:	what to look at
 * @value:	what it should hold
 *
 * The word is read by one instruction.
 *
 * Return: whether @word held @value.
 */
#ifndef __arch_vgetrandom_holds
static __always_inline bool __arch_vgetrandom_holds(const void *word, u64 value)
{
	return READ_ONCE(*(const u64 *)word) == value;
}
#endif

/**
 * __arch_vgetrandom_replace - replace a word, if nothing else has
 * @word:	in a state
 * @from:	what it should hold
 * @to:		what it shall hold then
 *
 * A drop or a signal between reading and writing makes it fail: it is one instruction, or
 * a load and a store of which the second fails after an exception. Other CPUs do not
 * matter, because a state has one thread. Compilers for arm64 need -mno-outline-atomics, or
 * they call a function of libgcc here, which a vDSO does not have.
 *
 * Return: whether @word held @from, and was replaced.
 */
#ifndef __arch_vgetrandom_replace
static __always_inline bool __arch_vgetrandom_replace(u64 *word, u64 from, u64 to)
{
	return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}
#endif

/**
 * __arch_vgetrandom_may_hold_keys - may a key be put into the state?
 * @state:	the state
 *
 * Asked before each key. In droppable memory, which a vDSO has its states in, always. A
 * fork after this leaves the child with a state of zeros: that is noticed, and it asks
 * again.
 *
 * Return: false if the system call has to serve the request.
 */
#ifndef __arch_vgetrandom_may_hold_keys
static __always_inline bool __arch_vgetrandom_may_hold_keys(const struct vgetrandom_state *state)
{
	return true;
}
#endif

/**
 * __arch_vgetrandom_take - move bytes out of a batch
 * @dst:	where they go; any alignment
 * @src:	where they are, and zeros will be; any alignment
 * @len:	how many
 * @rng:	says which core is used, and so which registers there are
 */
#ifndef __arch_vgetrandom_take
static __always_inline void __arch_vgetrandom_take(u8 *dst, u8 *src, size_t len,
						   const struct vdso_rng_data *rng)
{
	u64 word;

	/* These are not volatile, as vgetrandom_relock() is: not before it. */
	barrier();
	/* With the barrier, or compilers make calls of memcpy() and memset() of it. */
	for (; len >= sizeof(word); len -= sizeof(word)) {
		__builtin_memcpy(&word, src, sizeof(word));
		__builtin_memcpy(dst, &word, sizeof(word));
		__builtin_memset(src, 0, sizeof(word));
		barrier();
		dst += sizeof(word);
		src += sizeof(word);
	}
	while (len--) {
		WRITE_ONCE(*dst++, READ_ONCE(*src));
		WRITE_ONCE(*src++, 0);
	}
}
#endif

/**
 * __arch_vgetrandom_erase_64 - write zeros to 64 bytes
 * @p:	where; on a word's boundary
 */
#ifndef __arch_vgetrandom_erase_64
static __always_inline void __arch_vgetrandom_erase_64(u8 *p)
{
	int i;

	for (i = 0; i < 64 / (int)sizeof(u64); i++)
		WRITE_ONCE(((u64 *)p)[i], 0);
}
#endif

/**
 * __arch_vgetrandom_generate - use up a key
 * @state:	has the key, and an empty batch
 * @dst:	where whole blocks go; any alignment
 * @nblocks:	how many
 * @call:	what to write to the state's @owner before writing results
 * @core:	of struct vdso_rng_data
 *
 * The blocks after those at @dst, as many as an iteration makes besides and at least one,
 * are in the state then: the next key, and behind it the batch, whose length is not
 * written anywhere.
 *
 * Return: how many blocks are in the state.
 */
#ifndef __arch_vgetrandom_generate
static __always_inline size_t
__arch_vgetrandom_generate(struct vgetrandom_state *state, u8 *dst, size_t nblocks,
			   unsigned long call, unsigned int core)
{
	switch (core) {
	default:	/* The first runs everywhere. */
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	case VGETRANDOM_##NAME:						\
		vgetrandom_chacha20_##name(state, dst, nblocks, call);	\
		return (blocks) - nblocks % (blocks);
#include <asm/vdso/getrandom-cores.h>
	}
}
#endif

#endif /* _VDSO_GETRANDOM_GENERIC_H */
