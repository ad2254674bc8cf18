/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * __arch_vgetrandom_take() for x86-64: move bytes out of the batch.
 */
#ifndef __ASM_VDSO_GETRANDOM_TAKE_H
#define __ASM_VDSO_GETRANDOM_TAKE_H

#include <linux/stringify.h>
#include <vdso/getrandom.h>
#ifndef __ASSEMBLY__
#include <vdso/getrandom-cores.h>
#endif

/*
 * The instructions, for the C functions below and for vgetrandom-entry.S. They are assembly
 * because C can neither clear a register nor keep the compiler from spilling it to the stack.
 */
#ifdef __ASSEMBLY__
#define VGETRANDOM_REG(name)	%name
#else
#define VGETRANDOM_REG(name)	%%name	/* in the template of an asm statement */
#endif

#define X0	VGETRANDOM_REG(xmm0)
#define X1	VGETRANDOM_REG(xmm1)
#define X2	VGETRANDOM_REG(xmm2)
#define X3	VGETRANDOM_REG(xmm3)
#define X4	VGETRANDOM_REG(xmm4)
#define Y0	VGETRANDOM_REG(ymm0)
#define Y1	VGETRANDOM_REG(ymm1)
#define Y2	VGETRANDOM_REG(ymm2)
#define Y3	VGETRANDOM_REG(ymm3)
#define Y4	VGETRANDOM_REG(ymm4)

/*
 * Copy the word at @from to @to, zero it at @from, and zero the register. @load writes the
 * full register @wide: a partial write would have to wait for the register's old value.
 */
#define VGETRANDOM_TAKE_WORD(load, store, wide, word, low, from, to)	\
	load	from, wide;						\
	store	$0, from;						\
	store	word, to;						\
	xorl	low, low

/* @len bytes as two words of @size, one at each end; the words may overlap. */
#define VGETRANDOM_TAKE_ENDS(load, store, size, wide0, word0, low0,	\
			     wide1, word1, low1, from, to, len)		\
	load	(from), wide0;						\
	load	-size(from, len), wide1;				\
	store	$0, (from);						\
	store	$0, -size(from, len);					\
	store	word0, (to);						\
	store	word1, -size(to, len);					\
	xorl	low0, low0;						\
	xorl	low1, low1

#define VGETRANDOM_TAKE_16(from, to)					\
	movdqu	from, X0;						\
	movdqu	X0, to;							\
	pxor	X0, X0;							\
	movdqu	X0, from

/* 17 to 32 bytes: 16 at each end. */
#define VGETRANDOM_TAKE_32(from, to, len)				\
	movdqu	(from), X0;						\
	movdqu	-16(from, len), X1;					\
	movdqu	X0, (to);						\
	movdqu	X1, -16(to, len);					\
	pxor	X0, X0;							\
	pxor	X1, X1;							\
	movdqu	X0, (from);						\
	movdqu	X0, -16(from, len)

/*
 * More than 32 bytes, in steps of 32. The last step can overlap the one before it, so
 * its bytes are loaded first, before they are zeroed. Changes all three registers.
 */
#define VGETRANDOM_TAKE_LONG(from, to, len)				\
	movdqu	-32(from, len), X2;					\
	movdqu	-16(from, len), X3;					\
1:	movdqu	(from), X0;						\
	movdqu	16(from), X1;						\
	movdqu	X0, (to);						\
	movdqu	X1, 16(to);						\
	pxor	X0, X0;							\
	movdqu	X0, (from);						\
	movdqu	X0, 16(from);						\
	addq	$32, from;						\
	addq	$32, to;						\
	subq	$32, len;						\
	cmpq	$32, len;						\
	ja	1b;							\
	movdqu	X2, -32(to, len);					\
	movdqu	X3, -16(to, len);					\
	movdqu	X0, -32(from, len);					\
	movdqu	X0, -16(from, len);					\
	pxor	X1, X1;							\
	pxor	X2, X2;							\
	pxor	X3, X3

/* More than 64 bytes: the same in steps of 64. */
#define VGETRANDOM_TAKE_AVX(from, to, len)				\
	vmovdqu	-64(from, len), Y2;					\
	vmovdqu	-32(from, len), Y3;					\
	vpxor	X4, X4, X4;						\
1:	vmovdqu	(from), Y0;						\
	vmovdqu	32(from), Y1;						\
	vmovdqu	Y4, (from);						\
	vmovdqu	Y4, 32(from);						\
	vmovdqu	Y0, (to);						\
	vmovdqu	Y1, 32(to);						\
	addq	$64, from;						\
	addq	$64, to;						\
	subq	$64, len;						\
	cmpq	$64, len;						\
	ja	1b;							\
	vmovdqu	Y2, -64(to, len);					\
	vmovdqu	Y3, -32(to, len);					\
	vmovdqu	Y4, -64(from, len);					\
	vmovdqu	Y4, -32(from, len);					\
	vzeroupper;							\
	pxor	X0, X0;							\
	pxor	X1, X1;							\
	pxor	X2, X2;							\
	pxor	X3, X3

#ifndef __ASSEMBLY__

#define __arch_vgetrandom_take_word(load, store, w, m, dst, src)		\
({										\
	unsigned long __word;							\
										\
	asm volatile(__stringify(VGETRANDOM_TAKE_WORD(load, store, %w[word],	\
				 %m[word], %k[word], (%[from]), (%[to])))	\
		     : [word] "=&r" (__word)					\
		     : [from] "r" (src), [to] "r" (dst)				\
		     : "memory", "cc");						\
})

#define __arch_vgetrandom_take_ends(load, store, size, w, m, dst, src, len)	\
({										\
	unsigned long __head, __tail;						\
										\
	asm volatile(__stringify(VGETRANDOM_TAKE_ENDS(load, store, size,	\
				 %w[head], %m[head], %k[head],			\
				 %w[tail], %m[tail], %k[tail],			\
				 %[from], %[to], %[n]))				\
		     : [head] "=&r" (__head), [tail] "=&r" (__tail)		\
		     : [from] "r" (src), [to] "r" (dst), [n] "r" (len)		\
		     : "memory", "cc");						\
})

static __always_inline void __arch_vgetrandom_take_16(u8 *dst, u8 *src)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_16((%[from]), (%[to])))
		     : : [from] "r" (src), [to] "r" (dst) : "memory");
}

static __always_inline void __arch_vgetrandom_take_32(u8 *dst, u8 *src, size_t len)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_32(%[from], %[to], %[n]))
		     : : [from] "r" (src), [to] "r" (dst), [n] "r" (len) : "memory");
}

static __always_inline void __arch_vgetrandom_take_long(u8 *dst, u8 *src, size_t len)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_LONG(%[from], %[to], %[n]))
		     : [from] "+r" (src), [to] "+r" (dst), [n] "+r" (len)
		     : : "memory", "cc");
}

static __always_inline void __arch_vgetrandom_take_avx(u8 *dst, u8 *src, size_t len)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_AVX(%[from], %[to], %[n]))
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
		__arch_vgetrandom_take_word(movl, movl, k, k, dst, src);
	else if (len == 8)
		__arch_vgetrandom_take_word(movq, movq, q, q, dst, src);
	else if (len == 16)
		__arch_vgetrandom_take_16(dst, src);
	else if (len > 64 && __arch_vgetrandom_has_avx(READ_ONCE(rng->core)))
		__arch_vgetrandom_take_avx(dst, src, len);
	else if (len > 32)
		__arch_vgetrandom_take_long(dst, src, len);
	else if (len > 16)
		__arch_vgetrandom_take_32(dst, src, len);
	else if (len > 8)
		__arch_vgetrandom_take_ends(movq, movq, 8, q, q, dst, src, len);
	else if (len > 4)
		__arch_vgetrandom_take_ends(movl, movl, 4, k, k, dst, src, len);
	else if (len > 1)
		__arch_vgetrandom_take_ends(movzwl, movw, 2, k, w, dst, src, len);
	else if (len)
		__arch_vgetrandom_take_word(movzbl, movb, k, b, dst, src);
}

#define __arch_vgetrandom_take __arch_vgetrandom_take

#endif /* !__ASSEMBLY__ */

#endif /* __ASM_VDSO_GETRANDOM_TAKE_H */
