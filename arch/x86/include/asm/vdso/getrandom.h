/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What lib/vdso/getrandom.c asks of x86-64.
 */
#ifndef __ASM_VDSO_GETRANDOM_H
#define __ASM_VDSO_GETRANDOM_H

#ifndef __ASSEMBLY__

#include <asm/asm.h>
#include <asm/unistd.h>
#include <vdso/datapage.h>	/* and the two pages of it, from <asm/vvar.h> */
#include <vdso/getrandom.h>

/*
 * The ChaCha20 cores, of vgetrandom-chacha-*.S in arch/x86/entry/vdso/. Which one is
 * used is decided at boot, by vgetrandom-core.c.
 */
enum vgetrandom_core {
	VGETRANDOM_SSE2,
	VGETRANDOM_AVX2,
	VGETRANDOM_AVX512VL,	/* ymm registers only */
	VGETRANDOM_AVX512,	/* zmm registers */
};

/**
 * getrandom_syscall - getrandom(2) itself
 * @buffer:	where the bytes go
 * @len:	how many
 * @flags:	GRND_*
 *
 * Return: what the system call returns.
 */
static __always_inline ssize_t getrandom_syscall(void *buffer, size_t len, unsigned int flags)
{
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "0" (__NR_getrandom), "D" (buffer), "S" (len), "d" (flags)
		     : "rcx", "r11", "memory");

	return ret;
}

/**
 * __arch_get_vdso_rng_data - where the kernel's RNG publishes its state, mostly
 *
 * Return: the kernel's own data; in a time namespace, data that nobody ever writes.
 */
static __always_inline const struct vdso_rng_data *__arch_get_vdso_rng_data(void)
{
	return &VVAR(_vdso_rng_data)[0];
}

/**
 * __arch_find_vdso_rng_data - where the kernel's RNG publishes its state
 *
 * In a time namespace the page that is usually the kernel's belongs to the
 * namespace, and the kernel's page takes the place of the namespace's. A process can
 * change namespaces between two calls, so ask in each; a handler that joins one in
 * the middle of a call makes the data go away, and the next attempt asks again. (One
 * that leaves a namespace there takes the page away, from this function as from
 * clock_gettime().)
 *
 * Return: the kernel's own data, inside and outside of time namespaces.
 */
static __always_inline const struct vdso_rng_data *__arch_find_vdso_rng_data(void)
{
	if (IS_ENABLED(CONFIG_TIME_NS) &&
	    unlikely(READ_ONCE(__vdso_data->clock_mode) == VDSO_CLOCKMODE_TIMENS))
		return &TIMENS(_vdso_rng_data)[0];
	return &VVAR(_vdso_rng_data)[0];
}

/**
 * __arch_vgetrandom_call - a name for the call that is being made
 *
 * Calls that are under way on the same state are nested in one another by signals,
 * each in a frame of its own.
 *
 * Return: an address in the caller's frame.
 */
static __always_inline unsigned long __arch_vgetrandom_call(void)
{
	unsigned long call;

	asm volatile("movq %%rsp, %[call]" : [call] "=r" (call));

	return call;
}

/**
 * __arch_vgetrandom_holds - look at a word in memory, once
 * @word:	what to look at
 * @value:	what it should hold
 *
 * As READ_ONCE(*word) == value, which the compiler does not make one instruction of.
 *
 * Return: whether it does.
 */
static __always_inline bool __arch_vgetrandom_holds(const void *word, u64 value)
{
	bool holds;

	asm volatile("cmpq %[value], %[word]" CC_SET(e)
		     : CC_OUT(e) (holds) : [word] "m" (*(const u64 *)word), [value] "re" (value)
		     : "memory");

	return holds;
}

/**
 * __arch_vgetrandom_replace - replace a word, if nobody else has
 * @word:	in a state
 * @from:	what it should hold
 * @to:		what it shall hold then
 *
 * Between reading and writing there is no place for a drop or a signal: it is one
 * instruction. Other CPUs do not matter, a state has one thread: so no LOCK.
 *
 * Return: whether @word held @from, and was replaced.
 */
static __always_inline bool __arch_vgetrandom_replace(u64 *word, u64 from, u64 to)
{
	bool replaced;

	asm volatile("cmpxchgq %[to], %[word]" CC_SET(e)
		     : CC_OUT(e) (replaced), [word] "+m" (*word), "+a" (from)
		     : [to] "r" (to)
		     : "memory");

	return replaced;
}

/*
 * Take bytes of a batch: to @dst, out of @src for good, and out of the registers too.
 * In assembly because C has no way to say the last, or to keep the compiler from
 * parking them on the stack. @load fills a register: with less, its upper part would
 * be something to wait for.
 */
#define __arch_vgetrandom_take_word(load, wide, suffix, modifier, dst, src)		\
({										\
	unsigned long __word;							\
										\
	asm volatile(#load " (%[from]), %" #wide "[word]\n\t"			\
		     "mov" #suffix " $0, (%[from])\n\t"				\
		     "mov" #suffix " %" #modifier "[word], (%[to])\n\t"		\
		     "xorl %k[word], %k[word]"					\
		     : [word] "=&r" (__word)					\
		     : [from] "r" (src), [to] "r" (dst)				\
		     : "memory", "cc");						\
})

/* Two words that make up @len bytes, one from each end; they may overlap. */
#define __arch_vgetrandom_take_ends(load, wide, suffix, modifier, size, dst, src, len)	\
({										\
	unsigned long __head, __tail;						\
										\
	asm volatile(#load " (%[from]), %" #wide "[head]\n\t"			\
		     #load " -" #size "(%[from],%[n]), %" #wide "[tail]\n\t"	\
		     "mov" #suffix " $0, (%[from])\n\t"				\
		     "mov" #suffix " $0, -" #size "(%[from],%[n])\n\t"		\
		     "mov" #suffix " %" #modifier "[head], (%[to])\n\t"		\
		     "mov" #suffix " %" #modifier "[tail], -" #size "(%[to],%[n])\n\t" \
		     "xorl %k[head], %k[head]\n\t"				\
		     "xorl %k[tail], %k[tail]"					\
		     : [head] "=&r" (__head), [tail] "=&r" (__tail)		\
		     : [from] "r" (src), [to] "r" (dst), [n] "r" (len)		\
		     : "memory", "cc");						\
})

static __always_inline void __arch_vgetrandom_take_16(u8 *dst, u8 *src)
{
	asm volatile("movdqu (%[from]), %%xmm0\n\t"
		     "movdqu %%xmm0, (%[to])\n\t"
		     "pxor %%xmm0, %%xmm0\n\t"
		     "movdqu %%xmm0, (%[from])"
		     : : [from] "r" (src), [to] "r" (dst) : "memory");
}

/* 17 to 32 bytes: 16 from each end. */
static __always_inline void __arch_vgetrandom_take_32(u8 *dst, u8 *src, size_t len)
{
	asm volatile("movdqu (%[from]), %%xmm0\n\t"
		     "movdqu -16(%[from],%[n]), %%xmm1\n\t"
		     "movdqu %%xmm0, (%[to])\n\t"
		     "movdqu %%xmm1, -16(%[to],%[n])\n\t"
		     "pxor %%xmm0, %%xmm0\n\t"
		     "pxor %%xmm1, %%xmm1\n\t"
		     "movdqu %%xmm0, (%[from])\n\t"
		     "movdqu %%xmm0, -16(%[from],%[n])"
		     : : [from] "r" (src), [to] "r" (dst), [n] "r" (len) : "memory");
}

/*
 * More than 32 bytes, in steps of 32. The last step overlaps the one before it, so
 * its bytes are fetched while they are still there.
 */
static __always_inline void __arch_vgetrandom_take_long(u8 *dst, u8 *src, size_t len)
{
	asm volatile("movdqu -32(%[from],%[n]), %%xmm2\n\t"
		     "movdqu -16(%[from],%[n]), %%xmm3\n"
		     "1:\n\t"
		     "movdqu (%[from]), %%xmm0\n\t"
		     "movdqu 16(%[from]), %%xmm1\n\t"
		     "movdqu %%xmm0, (%[to])\n\t"
		     "movdqu %%xmm1, 16(%[to])\n\t"
		     "pxor %%xmm0, %%xmm0\n\t"
		     "movdqu %%xmm0, (%[from])\n\t"
		     "movdqu %%xmm0, 16(%[from])\n\t"
		     "addq $32, %[from]\n\t"
		     "addq $32, %[to]\n\t"
		     "subq $32, %[n]\n\t"
		     "cmpq $32, %[n]\n\t"
		     "ja 1b\n\t"
		     "movdqu %%xmm2, -32(%[to],%[n])\n\t"
		     "movdqu %%xmm3, -16(%[to],%[n])\n\t"
		     "movdqu %%xmm0, -32(%[from],%[n])\n\t"
		     "movdqu %%xmm0, -16(%[from],%[n])\n\t"
		     "pxor %%xmm1, %%xmm1\n\t"
		     "pxor %%xmm2, %%xmm2\n\t"
		     "pxor %%xmm3, %%xmm3"
		     : [from] "+r" (src), [to] "+r" (dst), [n] "+r" (len)
		     : : "memory", "cc");
}

/* More than 64 bytes, in the same way in steps of 64. */
static __always_inline void __arch_vgetrandom_take_avx(u8 *dst, u8 *src, size_t len)
{
	asm volatile("vmovdqu -64(%[from],%[n]), %%ymm2\n\t"
		     "vmovdqu -32(%[from],%[n]), %%ymm3\n\t"
		     "vpxor %%xmm4, %%xmm4, %%xmm4\n"
		     "1:\n\t"
		     "vmovdqu (%[from]), %%ymm0\n\t"
		     "vmovdqu 32(%[from]), %%ymm1\n\t"
		     "vmovdqu %%ymm4, (%[from])\n\t"
		     "vmovdqu %%ymm4, 32(%[from])\n\t"
		     "vmovdqu %%ymm0, (%[to])\n\t"
		     "vmovdqu %%ymm1, 32(%[to])\n\t"
		     "addq $64, %[from]\n\t"
		     "addq $64, %[to]\n\t"
		     "subq $64, %[n]\n\t"
		     "cmpq $64, %[n]\n\t"
		     "ja 1b\n\t"
		     "vmovdqu %%ymm2, -64(%[to],%[n])\n\t"
		     "vmovdqu %%ymm3, -32(%[to],%[n])\n\t"
		     "vmovdqu %%ymm4, -64(%[from],%[n])\n\t"
		     "vmovdqu %%ymm4, -32(%[from],%[n])\n\t"
		     "vzeroupper\n\t"
		     "pxor %%xmm0, %%xmm0\n\t"
		     "pxor %%xmm1, %%xmm1\n\t"
		     "pxor %%xmm2, %%xmm2\n\t"
		     "pxor %%xmm3, %%xmm3"
		     : [from] "+r" (src), [to] "+r" (dst), [n] "+r" (len)
		     : : "memory", "cc");
}

static __always_inline bool __arch_vgetrandom_has_avx(unsigned int core)
{
	return core >= VGETRANDOM_AVX2 && core <= VGETRANDOM_AVX512;
}

/**
 * __arch_vgetrandom_take - move bytes out of a batch
 * @dst:	where they go; any alignment
 * @src:	where they are, and zeros will be; any alignment
 * @len:	how many
 * @rng:	says which core is used, and so which registers there are
 *
 * The sizes that are asked for most take the fewest steps. No register and no stack
 * slot holds any of the bytes afterwards.
 */
static __always_inline void __arch_vgetrandom_take(u8 *dst, u8 *src, size_t len,
						   const struct vdso_rng_data *rng)
{
	if (len == 4)
		__arch_vgetrandom_take_word(movl, k, l, k, dst, src);
	else if (len == 8)
		__arch_vgetrandom_take_word(movq, q, q, q, dst, src);
	else if (len == 16)
		__arch_vgetrandom_take_16(dst, src);
	else if (len > 64 && __arch_vgetrandom_has_avx(READ_ONCE(rng->core)))
		__arch_vgetrandom_take_avx(dst, src, len);
	else if (len > 32)
		__arch_vgetrandom_take_long(dst, src, len);
	else if (len > 16)
		__arch_vgetrandom_take_32(dst, src, len);
	else if (len > 8)
		__arch_vgetrandom_take_ends(movq, q, q, q, 8, dst, src, len);
	else if (len > 4)
		__arch_vgetrandom_take_ends(movl, k, l, k, 4, dst, src, len);
	else if (len > 1)
		__arch_vgetrandom_take_ends(movzwl, k, w, w, 2, dst, src, len);
	else if (len)
		__arch_vgetrandom_take_word(movzbl, k, b, b, dst, src);
}

/**
 * __arch_vgetrandom_erase_64 - write zeros to 64 bytes
 * @p:	where; any alignment
 */
static __always_inline void __arch_vgetrandom_erase_64(u8 *p)
{
	asm volatile("pxor %%xmm0, %%xmm0\n\t"
		     "movdqu %%xmm0, 0x00(%[p])\n\t"
		     "movdqu %%xmm0, 0x10(%[p])\n\t"
		     "movdqu %%xmm0, 0x20(%[p])\n\t"
		     "movdqu %%xmm0, 0x30(%[p])"
		     : : [p] "r" (p) : "memory");
}

/* What they do is written in vgetrandom-asm.S. */
void vgetrandom_chacha20_sse2(struct vgetrandom_state *state, u8 *dst, size_t nblocks,
			      unsigned long call);
void vgetrandom_chacha20_avx2(struct vgetrandom_state *state, u8 *dst, size_t nblocks,
			      unsigned long call);
void vgetrandom_chacha20_avx512vl(struct vgetrandom_state *state, u8 *dst, size_t nblocks,
				  unsigned long call);
void vgetrandom_chacha20_avx512(struct vgetrandom_state *state, u8 *dst, size_t nblocks,
				unsigned long call);

/**
 * __arch_vgetrandom_generate - use up a key
 * @state:	has the key, and an empty batch
 * @dst:	where whole blocks go; any alignment
 * @nblocks:	how many
 * @call:	what to write to the state's @owner before writing elsewhere in it
 * @core:	of struct vdso_rng_data
 *
 * The blocks after those at @dst, as many as a pass makes besides and at least one,
 * are in the state then: the next key, and behind it the batch, whose length is not
 * written anywhere.
 *
 * Return: how many blocks are in the state.
 */
static __always_inline size_t
__arch_vgetrandom_generate(struct vgetrandom_state *state, u8 *dst, size_t nblocks,
			   unsigned long call, unsigned int core)
{
	if (IS_ENABLED(CONFIG_AS_AVX512) && core == VGETRANDOM_AVX512) {
		vgetrandom_chacha20_avx512(state, dst, nblocks, call);
		return 16 - nblocks % 16;
	}
	if (IS_ENABLED(CONFIG_AS_AVX512) && core == VGETRANDOM_AVX512VL) {
		vgetrandom_chacha20_avx512vl(state, dst, nblocks, call);
		return 16 - nblocks % 16;
	}
	if (core == VGETRANDOM_AVX2)
		vgetrandom_chacha20_avx2(state, dst, nblocks, call);
	else
		vgetrandom_chacha20_sse2(state, dst, nblocks, call);

	return 8 - nblocks % 8;
}

/* In arch/x86/entry/vdso/vgetrandom.c: the exported function. */
ssize_t __vdso_getrandom(void *buffer, size_t len, unsigned int flags,
			 void *opaque_state, size_t opaque_len);

#endif /* !__ASSEMBLY__ */

#endif /* __ASM_VDSO_GETRANDOM_H */
