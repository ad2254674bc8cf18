/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * __arch_vgetrandom_take() for x86-64: move bytes out of the batch.
 */
#ifndef __ASM_VDSO_GETRANDOM_TAKE_H
#define __ASM_VDSO_GETRANDOM_TAKE_H

#include <vdso/getrandom.h>
#include <vdso/getrandom-cores.h>

/*
 * Copy a word to @dst, zero it at @src, and zero the register. This is assembly because C
 * can neither clear a register nor keep the compiler from spilling it to the stack. @load
 * writes the full register: a partial write would have to wait for the register's old value.
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

/* @len bytes as two words, one at each end; the words may overlap. */
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

/* 17 to 32 bytes: 16 at each end. */
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
 * More than 32 bytes, in steps of 32. The last step can overlap the one before it, so
 * its bytes are loaded first, before they are zeroed.
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

/* More than 64 bytes: the same in steps of 64. */
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

/* All cores from AVX2 on need AVX. An unknown number means the first core. */
static __always_inline bool __arch_vgetrandom_has_avx(unsigned int core)
{
	return core >= VGETRANDOM_AVX2 && core < VGETRANDOM_NR_CORES;
}

/*
 * The most frequent sizes come first. Afterwards no register and no stack slot holds any
 * of the bytes.
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

#define __arch_vgetrandom_take __arch_vgetrandom_take

#endif /* __ASM_VDSO_GETRANDOM_TAKE_H */
