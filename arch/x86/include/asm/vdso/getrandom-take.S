/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The instructions that move bytes out of the batch, as macros of the C preprocessor:
 * vgetrandom-entry.S uses them as they are, and the C functions in getrandom-take.h as templates
 * of asm statements. They are assembly because C can neither clear a register nor keep the
 * compiler from spilling it to the stack.
 */
#ifndef __ASM_VDSO_GETRANDOM_TAKE_S
#define __ASM_VDSO_GETRANDOM_TAKE_S

#ifdef __ASSEMBLY__
#define XMM(n)	%xmm##n
#define YMM(n)	%ymm##n
#else
#define XMM(n)	%%xmm##n
#define YMM(n)	%%ymm##n
#endif

/* An operand of an asm statement, with a modifier for its size. */
#define VGETRANDOM_OP(modifier, name)	%modifier[name]

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
	movdqu	from, XMM(0);						\
	movdqu	XMM(0), to;						\
	pxor	XMM(0), XMM(0);						\
	movdqu	XMM(0), from

/* 17 to 32 bytes: 16 at each end. */
#define VGETRANDOM_TAKE_32(from, to, len)				\
	movdqu	(from), XMM(0);						\
	movdqu	-16(from, len), XMM(1);					\
	movdqu	XMM(0), (to);						\
	movdqu	XMM(1), -16(to, len);					\
	pxor	XMM(0), XMM(0);						\
	pxor	XMM(1), XMM(1);						\
	movdqu	XMM(0), (from);						\
	movdqu	XMM(0), -16(from, len)

/* 33 to 64 bytes: 32 at each end. */
#define VGETRANDOM_TAKE_64(from, to, len)				\
	movdqu	(from), XMM(0);						\
	movdqu	16(from), XMM(1);					\
	movdqu	-32(from, len), XMM(2);					\
	movdqu	-16(from, len), XMM(3);					\
	movdqu	XMM(0), (to);						\
	movdqu	XMM(1), 16(to);						\
	movdqu	XMM(2), -32(to, len);					\
	movdqu	XMM(3), -16(to, len);					\
	pxor	XMM(0), XMM(0);						\
	pxor	XMM(1), XMM(1);						\
	pxor	XMM(2), XMM(2);						\
	pxor	XMM(3), XMM(3);						\
	movdqu	XMM(0), (from);						\
	movdqu	XMM(0), 16(from);					\
	movdqu	XMM(0), -32(from, len);					\
	movdqu	XMM(0), -16(from, len)

/*
 * More than 64 bytes, in steps of 32. The last step can overlap the one before it, so
 * its bytes are loaded first, before they are zeroed. Changes all three registers.
 */
#define VGETRANDOM_TAKE_LONG(from, to, len)				\
	movdqu	-32(from, len), XMM(2);					\
	movdqu	-16(from, len), XMM(3);					\
1:	movdqu	(from), XMM(0);						\
	movdqu	16(from), XMM(1);					\
	movdqu	XMM(0), (to);						\
	movdqu	XMM(1), 16(to);						\
	pxor	XMM(0), XMM(0);						\
	movdqu	XMM(0), (from);						\
	movdqu	XMM(0), 16(from);					\
	addq	$32, from;						\
	addq	$32, to;						\
	subq	$32, len;						\
	cmpq	$32, len;						\
	ja	1b;							\
	movdqu	XMM(2), -32(to, len);					\
	movdqu	XMM(3), -16(to, len);					\
	movdqu	XMM(0), -32(from, len);					\
	movdqu	XMM(0), -16(from, len);					\
	pxor	XMM(1), XMM(1);						\
	pxor	XMM(2), XMM(2);						\
	pxor	XMM(3), XMM(3)

/* The same in steps of 64. */
#define VGETRANDOM_TAKE_AVX(from, to, len)				\
	vmovdqu	-64(from, len), YMM(2);					\
	vmovdqu	-32(from, len), YMM(3);					\
	vpxor	XMM(4), XMM(4), XMM(4);					\
1:	vmovdqu	(from), YMM(0);						\
	vmovdqu	32(from), YMM(1);					\
	vmovdqu	YMM(4), (from);						\
	vmovdqu	YMM(4), 32(from);					\
	vmovdqu	YMM(0), (to);						\
	vmovdqu	YMM(1), 32(to);						\
	addq	$64, from;						\
	addq	$64, to;						\
	subq	$64, len;						\
	cmpq	$64, len;						\
	ja	1b;							\
	vmovdqu	YMM(2), -64(to, len);					\
	vmovdqu	YMM(3), -32(to, len);					\
	vmovdqu	YMM(4), -64(from, len);					\
	vmovdqu	YMM(4), -32(from, len);					\
	vzeroupper;							\
	pxor	XMM(0), XMM(0);						\
	pxor	XMM(1), XMM(1);						\
	pxor	XMM(2), XMM(2);						\
	pxor	XMM(3), XMM(3)

#endif /* __ASM_VDSO_GETRANDOM_TAKE_S */
