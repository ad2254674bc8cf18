/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * ChaCha20 (RFC 8439 section 2.3) for a generator whose secrets may not touch
 * the stack: everything lives in registers between the key in the caller's
 * state and the key stream at its destination.
 *
 * The blocks are those of the original ChaCha20 (Bernstein, "ChaCha, a variant
 * of Salsa20", 2008): a 64 bit block counter and a 64 bit nonce, here zero.
 *
 * A core is one function of this file's interface. This is the SSE2 one, that
 * every x86-64 has; wider ones go into files of their own beside it.
 */

#include <linux/linkage.h>

#ifndef RET
#define RET ret			/* user space has no return thunks */
#endif

.section	.rodata.cst16.vgetrandom_chacha20_constant, "aM", @progbits, 16
.balign	16
.Lconstant:
	/* "expand 32-byte k", RFC 8439 section 2.3 */
	.octa	0x6b20657479622d323320646e61707865

.text

#define DST		%rdi
#define KEY		%rsi
#define COUNTER		%rdx
#define NBLOCKS		%rcx
#define OWNER		%r8
#define CALL		%r9
#define BLOCK		%r10	/* number of the next block */
#define NEXT		%r11	/* scratch: number of a later block of the pass */
#define ROUNDS		%eax

/*
 * A block is four rows of four words, a row a register. Three blocks in flight
 * keep the vector units of current CPUs busy, where one would leave them
 * waiting for each other's results; a fourth would need the stack.
 */
#define A0		%xmm0
#define B0		%xmm1
#define C0		%xmm2
#define D0		%xmm3
#define A1		%xmm4
#define B1		%xmm5
#define C1		%xmm6
#define D1		%xmm7
#define A2		%xmm8
#define B2		%xmm9
#define C2		%xmm10
#define D2		%xmm11
/* The key, kept here and not read again: the state can vanish in mid-call. */
#define KEYLO		%xmm12
#define KEYHI		%xmm13
#define TMP		%xmm14
#define CONST		%xmm15

/* Four quarter rounds side by side, one on each column. */
.macro	quarter_rounds	a, b, c, d
	paddd	\b, \a
	pxor	\a, \d
	pshuflw	$0xb1, \d, \d
	pshufhw	$0xb1, \d, \d

	paddd	\d, \c
	pxor	\c, \b
	movdqa	\b, TMP
	pslld	$12, \b
	psrld	$20, TMP
	por	TMP, \b

	paddd	\b, \a
	pxor	\a, \d
	movdqa	\d, TMP
	pslld	$8, \d
	psrld	$24, TMP
	por	TMP, \d

	paddd	\d, \c
	pxor	\c, \b
	movdqa	\b, TMP
	pslld	$7, \b
	psrld	$25, TMP
	por	TMP, \b
.endm

/* Turn diagonals into columns, and back with the arguments in reverse. */
.macro	turn_rows	x, y, z
	pshufd	$0x39, \x, \x
	pshufd	$0x4e, \y, \y
	pshufd	$0x93, \z, \z
.endm

.macro	first_rows	a, b, c, d, number
	movdqa	CONST, \a
	movdqa	KEYLO, \b
	movdqa	KEYHI, \c
	movq	\number, \d
.endm

.macro	store_block	a, b, c, d, number, offset
	paddd	CONST, \a
	paddd	KEYLO, \b
	paddd	KEYHI, \c
	movq	\number, TMP
	paddd	TMP, \d
	movdqu	\a, \offset + 0x00(DST)
	movdqu	\b, \offset + 0x10(DST)
	movdqu	\c, \offset + 0x20(DST)
	movdqu	\d, \offset + 0x30(DST)
.endm

/* One round of each of the \n blocks in flight. */
.macro	round_of	n
	quarter_rounds	A0, B0, C0, D0
.if \n > 1
	quarter_rounds	A1, B1, C1, D1
.endif
.if \n > 2
	quarter_rounds	A2, B2, C2, D2
.endif
.endm

/* Make \n blocks, from number BLOCK on, at DST; step both past them. */
.macro	pass	n
	first_rows	A0, B0, C0, D0, BLOCK
.if \n > 1
	lea	1(BLOCK), NEXT
	first_rows	A1, B1, C1, D1, NEXT
.endif
.if \n > 2
	lea	2(BLOCK), NEXT
	first_rows	A2, B2, C2, D2, NEXT
.endif

	mov	$10, ROUNDS
	.balign	16
.Ldouble_round\@:
	round_of	\n
	turn_rows	B0, C0, D0
.if \n > 1
	turn_rows	B1, C1, D1
.endif
.if \n > 2
	turn_rows	B2, C2, D2
.endif
	round_of	\n
	turn_rows	D0, C0, B0
.if \n > 1
	turn_rows	D1, C1, B1
.endif
.if \n > 2
	turn_rows	D2, C2, B2
.endif
	dec	ROUNDS
	jnz	.Ldouble_round\@

	mov	CALL, (OWNER)
	store_block	A0, B0, C0, D0, BLOCK, 0x00
.if \n > 1
	lea	1(BLOCK), NEXT
	store_block	A1, B1, C1, D1, NEXT, 0x40
.endif
.if \n > 2
	lea	2(BLOCK), NEXT
	store_block	A2, B2, C2, D2, NEXT, 0x80
.endif
	add	$\n, BLOCK
	add	$(\n * 64), DST
.endm

/**
 * vgetrandom_chacha20_blocks - key stream of ChaCha20, without using the stack
 * @dst:	where nblocks * 64 bytes go; any alignment
 * @key:	32 bytes; any alignment. May lie in the last block of @dst.
 * @counter:	number of the first block; nblocks is added to it
 * @nblocks:	how many blocks to make; 0 makes none
 * @owner:	where to write @call, each time after the rounds and before the
 *		results, so that what is about to be overwritten is locked; see
 *		struct vgetrandom_state
 * @call:	what to write there
 *
 * void vgetrandom_chacha20_blocks(u8 *dst, const u8 key[32], u64 *counter,
 *				   size_t nblocks, unsigned long *owner,
 *				   unsigned long call);
 *
 * The key is read once, at the start. On return no register holds anything
 * that was made from it.
 */
SYM_START(vgetrandom_chacha20_blocks, SYM_L_GLOBAL, SYM_A_ALIGN)
	/* First of all: SYM_FUNC_START may begin with an instruction. */
	.cfi_startproc
	mov	(COUNTER), BLOCK
	movdqu	0x00(KEY), KEYLO
	movdqu	0x10(KEY), KEYHI
	movdqa	.Lconstant(%rip), CONST

	sub	$3, NBLOCKS
	jb	.Lremainder
.Lthree:
	pass	3
	sub	$3, NBLOCKS
	jae	.Lthree

.Lremainder:
	add	$3, NBLOCKS
	jz	.Ldone
	dec	NBLOCKS
	jz	.Lone
	pass	2
	jmp	.Ldone
.Lone:
	pass	1

.Ldone:
	mov	BLOCK, (COUNTER)
	pxor	A0, A0
	pxor	B0, B0
	pxor	C0, C0
	pxor	D0, D0
	pxor	A1, A1
	pxor	B1, B1
	pxor	C1, C1
	pxor	D1, D1
	pxor	A2, A2
	pxor	B2, B2
	pxor	C2, C2
	pxor	D2, D2
	pxor	KEYLO, KEYLO
	pxor	KEYHI, KEYHI
	pxor	TMP, TMP
	RET
	.cfi_endproc
SYM_FUNC_END(vgetrandom_chacha20_blocks)
