/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What lib/vdso/getrandom.c needs from an architecture, and C versions of the rest.
 *
 * An architecture must provide <asm/vdso/getrandom.h>, which defines
 *
 *	getrandom_syscall()		the system call
 *	__arch_get_vdso_rng_data()	the address of the kernel's data
 *	__arch_find_vdso_rng_data()	the same, also in a time namespace
 *	PAGE_SIZE			from one of the architecture's headers
 *
 * and includes this header at its end; and <asm/vdso/getrandom-cores.h>, a table of at
 * least one ChaCha20 core. All other functions have a C version here. An architecture
 * that has a better version defines a macro of the same name.
 *
 * The C versions are correct, but the language cannot promise that they leave no secret
 * behind:
 *
 *  - __arch_vgetrandom_take() may leave the bytes that it moved last in registers.
 *  - The compiler may spill to the stack the bytes that a function moves. They stay there
 *    until they are overwritten: keystream that has been returned, never later keystream.
 *  - A core in C leaves words of its last block in registers, and may spill the key and
 *    blocks to the stack.
 *  - __arch_vgetrandom_take() needs about six instructions for a word. For more than 256
 *    bytes these exceed the two hundred instructions to which lib/vdso/getrandom.c limits
 *    a place that writes, and so its race.
 *
 * So a key can outlive its use. An architecture needs a core and __arch_vgetrandom_take()
 * in assembly to keep the promises of Documentation/vdso/getrandom-security.rst about
 * registers and memory after a call.
 */
#ifndef _VDSO_GETRANDOM_GENERIC_H
#define _VDSO_GETRANDOM_GENERIC_H

#include <linux/compiler.h>
#include <vdso/getrandom.h>
#include <vdso/getrandom-cores.h>

/**
 * __arch_vgetrandom_token - the token of this call: see struct vgetrandom_state
 *
 * Return: an address in the stack frame of the caller.
 */
#ifndef __arch_vgetrandom_token
static __always_inline unsigned long __arch_vgetrandom_token(void)
{
	return (unsigned long)__builtin_frame_address(0);
}
#endif

/**
 * __arch_vgetrandom_holds - compare a word in memory
 * @word:	address of the word
 * @value:	the value to compare with
 *
 * Reads the word once, with one instruction.
 *
 * Return: true if @word held @value.
 */
#ifndef __arch_vgetrandom_holds
static __always_inline bool __arch_vgetrandom_holds(const void *word, u64 value)
{
	return READ_ONCE(*(const u64 *)word) == value;
}
#endif

/**
 * __arch_vgetrandom_replace - replace a word, unless it has changed
 * @word:	address of the word, in a state
 * @from:	the value that the word must hold
 * @to:		the new value
 *
 * A drop or a signal must not go unnoticed between the read and the write. So this is one
 * instruction, or a load and a store of which the store fails after an exception. Other
 * CPUs do not matter, because only one thread uses a state. Compilers for arm64 need
 * -mno-outline-atomics: otherwise they call a function of libgcc, which a vDSO lacks.
 *
 * Return: true if @word held @from and was replaced.
 */
#ifndef __arch_vgetrandom_replace
static __always_inline bool __arch_vgetrandom_replace(u64 *word, u64 from, u64 to)
{
	return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}
#endif

/**
 * __arch_vgetrandom_may_hold_keys - may the state's memory hold a key?
 * @state:	the state
 *
 * Called before each key is requested. The vDSO's states are in droppable memory, which
 * always may. If the process forks afterwards, the child's state is zeros: the call detects
 * that, and its second attempt calls this again.
 *
 * Return: false if the system call must serve the request.
 */
#ifndef __arch_vgetrandom_may_hold_keys
static __always_inline bool __arch_vgetrandom_may_hold_keys(const struct vgetrandom_state *state)
{
	return true;
}
#endif

/**
 * __arch_vgetrandom_take - move bytes out of the batch: copy them and zero the source
 * @dst:	receives the bytes; any alignment
 * @src:	the bytes, zeros afterwards; any alignment
 * @len:	number of bytes
 * @rng:	its @core tells which registers the processor has
 */
#ifndef __arch_vgetrandom_take
static __always_inline void __arch_vgetrandom_take(u8 *dst, u8 *src, size_t len,
						   const struct vdso_rng_data *rng)
{
	u64 word;

	/* The accesses below are not volatile: keep them after vgetrandom_relock(). */
	barrier();
	/* The barrier in the loop keeps the compiler from calling memcpy() and memset(). */
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
 * @p:	their address, aligned to a u64
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
 * __arch_vgetrandom_generate - expand the key into keystream and the next key
 * @state:	has a key and an empty batch
 * @dst:	receives whole blocks; any alignment
 * @nblocks:	number of blocks for @dst
 * @call:	the token to store in the state's @owner before results are written
 * @core:	number of the core, from struct vdso_rng_data
 *
 * The blocks of the last iteration that do not go to @dst, at least one, go to the state:
 * first the next key, then the new batch. This does not set the state's @available.
 *
 * Return: the number of blocks in the state.
 */
#ifndef __arch_vgetrandom_generate
static __always_inline size_t
__arch_vgetrandom_generate(struct vgetrandom_state *state, u8 *dst, size_t nblocks,
			   unsigned long call, unsigned int core)
{
	switch (core) {
	default:	/* Unknown: the first core, which every processor runs. */
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	case VGETRANDOM_##NAME:						\
		vgetrandom_chacha20_##name(state, dst, nblocks, call);	\
		return (blocks) - nblocks % (blocks);
#include <asm/vdso/getrandom-cores.h>
	}
}
#endif

/*
 * An architecture whose assembly uses vgetrandom_try(), vgetrandom_slow() and
 * vgetrandom_rare() defines their linkage, and the section of vgetrandom_try().
 */
#ifndef VGETRANDOM_LINKAGE
#define VGETRANDOM_LINKAGE	static
#define VGETRANDOM_SECTION
#endif

struct vgetrandom_request;

/**
 * __arch_vgetrandom_try - call vgetrandom_try() so that the kernel can abort it
 * @request:	the argument of vgetrandom_try()
 *
 * The kernel aborts a call when it interrupts vgetrandom_try() or the fast path, so that an
 * interrupted call never writes to the state again, and its registers hold no secrets. It
 * stores 0 to @generation, @available and @owner of the state, in this order. This function
 * then returns. Without such a kernel it only calls vgetrandom_try(), and the locking in
 * lib/vdso/getrandom.c protects the state as far as it can.
 *
 * Return: the result of vgetrandom_try(); or the reason for the abort: -EINTR for a signal;
 * -ENOMEM if there was no memory for the state or the buffer; -EFAULT if the access of one
 * of them would have raised SIGSEGV or SIGBUS.
 */
#ifndef __arch_vgetrandom_try
#define __arch_vgetrandom_try(request) vgetrandom_try(request)
#endif

#endif /* _VDSO_GETRANDOM_GENERIC_H */
