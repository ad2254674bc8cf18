/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The ChaCha20 core that every x86-64 runs: two groups of four blocks, one after the other.
 */

#include "vgetrandom-asm.S"

.section	.rodata.cst16.vgetrandom_chacha20_sse2, "aM", @progbits, 16
.balign	16
.Lconstant:
	/* "expand 32-byte k", RFC 8439 section 2.3 */
	.octa	0x6b20657479622d323320646e61707865
.Lnumbers:
	.octa	0x00000003000000020000000100000000

.section .text.vgetrandom, "ax", @progbits

/* As in the core for AVX2, see there: half of row c is in the scratch. */
#define A0		%xmm0
#define A1		%xmm1
#define A2		%xmm2
#define A3		%xmm3
#define B0		%xmm4
#define B1		%xmm5
#define B2		%xmm6
#define B3		%xmm7
#define D0		%xmm8
#define D1		%xmm9
#define D2		%xmm10
#define D3		%xmm11
#define C0		%xmm12	/* C0, C1: for rotations, while C2 and C3 are in registers */
#define C1		%xmm13
#define C2		%xmm14	/* C2, C3: for rotations, while C0 and C1 are in registers */
#define C3		%xmm15
#define TX		A2	/* after the rounds, when A2 and A3 are in the scratch */
#define TY		A3
#define AWAY0		SCRATCH(0)
#define AWAY1		SCRATCH(16)
#define KEYLO		SCRATCH(32)	/* a copy of the key, for the second group */
#define KEYHI		SCRATCH(48)

/* a += b; d ^= a: for two quarter rounds. */
.macro	add_xor		a0, a1, b0, b1, d0, d1
	paddd	\b0, \a0
	paddd	\b1, \a1
	pxor	\a0, \d0
	pxor	\a1, \d1
.endm

.macro	rotate		n, x, t
	movdqa	\x, \t
	pslld	$\n, \x
	psrld	$(32 - \n), \t
	por	\t, \x
.endm

.macro	rotate_16	x
	pshuflw	$0xb1, \x, \x
	pshufhw	$0xb1, \x, \x
.endm

/* Two quarter rounds (RFC 8439 section 2.1). */
.macro	quarter_rounds	a0, a1, b0, b1, c0, c1, d0, d1, t0, t1
	add_xor	\a0, \a1, \b0, \b1, \d0, \d1
	rotate_16 \d0
	rotate_16 \d1
	add_xor	\c0, \c1, \d0, \d1, \b0, \b1
	rotate	12, \b0, \t0
	rotate	12, \b1, \t1
	add_xor	\a0, \a1, \b0, \b1, \d0, \d1
	rotate	8, \d0, \t0
	rotate	8, \d1, \t1
	add_xor	\c0, \c1, \d0, \d1, \b0, \b1
	rotate	7, \b0, \t0
	rotate	7, \b1, \t1
.endm

/* Load \y0 and \y1 from the scratch, and store \x0 and \x1 there. */
.macro	exchange	x0, x1, y0, y1
	movdqu	AWAY0, \y0
	movdqu	AWAY1, \y1
	movdqu	\x0, AWAY0
	movdqu	\x1, AWAY1
.endm

/* In: words 0 to 3 of a row, of all blocks. Out: \w3, \t, \w1 and \w0, blocks 0 to 3. */
.macro	transpose	w0, w1, w2, w3, t
	movdqa	\w0, \t
	punpckldq \w1, \t
	punpckhdq \w1, \w0
	movdqa	\w2, \w1
	punpckldq \w3, \w1
	punpckhdq \w3, \w2
	movdqa	\t, \w3
	punpcklqdq \w1, \w3
	punpckhqdq \w1, \t
	movdqa	\w0, \w1
	punpcklqdq \w2, \w1
	punpckhqdq \w2, \w0
.endm

.macro	store		row, w0, w1, w2, w3
	choose_base 0
	movdqu	\w0, 0x00 + 16 * \row(BASE)
	choose_base 1
	movdqu	\w1, 0x40 + 16 * \row(BASE)
	choose_base 2
	movdqu	\w2, 0x80 + 16 * \row(BASE)
	choose_base 3
	movdqu	\w3, 0xc0 + 16 * \row(BASE)
.endm

/* Load four words, each into all lanes of a register. */
.macro	spread		from, w0, w1, w2, w3
	movdqu	\from, \w3
	pshufd	$0x00, \w3, \w0
	pshufd	$0x55, \w3, \w1
	pshufd	$0xaa, \w3, \w2
	pshufd	$0xff, \w3, \w3
.endm

.macro	add_spread	from, w0, w1, w2, w3
	movdqu	\from, TY
	pshufd	$0x00, TY, TX
	paddd	TX, \w0
	pshufd	$0x55, TY, TX
	paddd	TX, \w1
	pshufd	$0xaa, TY, TX
	paddd	TX, \w2
	pshufd	$0xff, TY, TX
	paddd	TX, \w3
.endm

/* The numbers of the blocks. */
.macro	numbers		x
	movd	COUNTER, \x
	pshufd	$0x00, \x, \x
	paddd	.Lnumbers(%rip), \x
.endm

CORE_START(vgetrandom_chacha20_sse2)
	xor	COUNTER, COUNTER
	movdqu	KEY(0), TX
	movdqu	KEY(4), TY
	movdqu	TX, KEYLO
	movdqu	TY, KEYHI

.Lgroup:
	spread	.Lconstant(%rip), A0, A1, A2, A3
	spread	KEYLO, B0, B1, B2, B3
	spread	KEYHI, C0, C1, C2, C3
	movdqu	C2, AWAY0
	movdqu	C3, AWAY1
	numbers	D0
	pxor	D1, D1
	pxor	D2, D2
	pxor	D3, D3

	mov	$10, ROUNDS
	.balign	32
.Ldouble_round:
	DOUBLE_ROUND_BY_HALVES
	dec	ROUNDS
	jnz	.Ldouble_round

	exchange	A2, A3, C2, C3

	add_spread	KEYLO, B0, B1, B2, B3
	add_spread	KEYHI, C0, C1, C2, C3
	numbers		TX
	paddd		TX, D0

	begin_output
	transpose	B0, B1, B2, B3, TX
	store		1, B3, TX, B1, B0
	transpose	C0, C1, C2, C3, TX
	store		2, C3, TX, C1, C0
	transpose	D0, D1, D2, D3, TX
	store		3, D3, TX, D1, D0
	movdqu		AWAY0, B2
	movdqu		AWAY1, B3
	add_spread	.Lconstant(%rip), A0, A1, B2, B3
	transpose	A0, A1, B2, B3, TX
	store		0, B3, TX, A1, A0
	end_output	4, .Lgroup
	/* After an odd number of groups, make another one, all of it for the state. */
	test	$4, COUNTER
	jnz	.Lgroup

	pxor	%xmm0, %xmm0
	movdqu	%xmm0, AWAY0
	movdqu	%xmm0, AWAY1
	movdqu	%xmm0, KEYLO
	movdqu	%xmm0, KEYHI
	pxor	%xmm1, %xmm1
	pxor	%xmm2, %xmm2
	pxor	%xmm3, %xmm3
	pxor	%xmm4, %xmm4
	pxor	%xmm5, %xmm5
	pxor	%xmm6, %xmm6
	pxor	%xmm7, %xmm7
	pxor	%xmm8, %xmm8
	pxor	%xmm9, %xmm9
	pxor	%xmm10, %xmm10
	pxor	%xmm11, %xmm11
	pxor	%xmm12, %xmm12
	pxor	%xmm13, %xmm13
	pxor	%xmm14, %xmm14
	pxor	%xmm15, %xmm15
CORE_END(vgetrandom_chacha20_sse2)
