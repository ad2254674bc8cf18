/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The ChaCha20 core that every x86-64 has: two groups of four blocks, one after the other.
 */

#include "vgetrandom-asm.S"

.section	.rodata.cst16.vgetrandom_chacha20_sse2, "aM", @progbits, 16
.balign	16
.Lconstant:
	/* "expand 32-byte k", RFC 8439 section 2.3 */
	.octa	0x6b20657479622d323320646e61707865
.Lnumbers:
	.octa	0x00000003000000020000000100000000

.text

/*
 * A register for each word, but for two of row a: a rotation takes one besides, and
 * so does a word that is in the state. All four quarter rounds go side by side, or
 * the processor would wait for their results.
 */
#define B0		%xmm0
#define B1		%xmm1
#define B2		%xmm2
#define B3		%xmm3
#define C0		%xmm4
#define C1		%xmm5
#define C2		%xmm6
#define C3		%xmm7
#define D0		%xmm8
#define D1		%xmm9
#define D2		%xmm10
#define D3		%xmm11
#define A0		%xmm12
#define A1		%xmm13
#define A2		SCRATCH(0)
#define A3		SCRATCH(16)
#define KEYLO		SCRATCH(32)	/* the second pass needs it still */
#define KEYHI		SCRATCH(48)
#define TX		%xmm14
#define TY		%xmm15

/* a += b and d ^= a, of which two words are in the state. */
.macro	add_a		b0, b1, b2, b3, d0, d1, d2, d3
	movdqu	A2, TX
	movdqu	A3, TY
	paddd	\b0, A0
	paddd	\b1, A1
	paddd	\b2, TX
	paddd	\b3, TY
	pxor	A0, \d0
	pxor	A1, \d1
	pxor	TX, \d2
	pxor	TY, \d3
	movdqu	TX, A2
	movdqu	TY, A3
.endm

.macro	add_c		c0, c1, c2, c3, d0, d1, d2, d3, b0, b1, b2, b3
	paddd	\d0, \c0
	paddd	\d1, \c1
	paddd	\d2, \c2
	paddd	\d3, \c3
	pxor	\c0, \b0
	pxor	\c1, \b1
	pxor	\c2, \b2
	pxor	\c3, \b3
.endm

.macro	rotate		n, x
	movdqa	\x, TY
	pslld	$\n, \x
	psrld	$(32 - \n), TY
	por	TY, \x
.endm

.macro	rotate_16	x
	pshuflw	$0xb1, \x, \x
	pshufhw	$0xb1, \x, \x
.endm

/* Four quarter rounds (RFC 8439 section 2.1). */
.macro	quarter_rounds	b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3
	add_a	\b0, \b1, \b2, \b3, \d0, \d1, \d2, \d3
	rotate_16 \d0
	rotate_16 \d1
	rotate_16 \d2
	rotate_16 \d3
	add_c	\c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3, \b0, \b1, \b2, \b3
	rotate	12, \b0
	rotate	12, \b1
	rotate	12, \b2
	rotate	12, \b3
	add_a	\b0, \b1, \b2, \b3, \d0, \d1, \d2, \d3
	rotate	8, \d0
	rotate	8, \d1
	rotate	8, \d2
	rotate	8, \d3
	add_c	\c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3, \b0, \b1, \b2, \b3
	rotate	7, \b0
	rotate	7, \b1
	rotate	7, \b2
	rotate	7, \b3
.endm

/* All blocks' words \w0 to \w3: then \w3, \t, \w1 and \w0 have those of a block. */
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

/* Four words, each in all lanes of a register. */
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

/* The blocks' numbers. */
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

.Lpass:
	spread	.Lconstant(%rip), A0, A1, TX, TY
	movdqu	TX, A2
	movdqu	TY, A3
	spread	KEYLO, B0, B1, B2, B3
	spread	KEYHI, C0, C1, C2, C3
	numbers	D0
	pxor	D1, D1
	pxor	D2, D2
	pxor	D3, D3

	mov	$10, ROUNDS
	.balign	16
.Ldouble_round:
	quarter_rounds	B0, B1, B2, B3, C0, C1, C2, C3, D0, D1, D2, D3
	quarter_rounds	B1, B2, B3, B0, C2, C3, C0, C1, D3, D0, D1, D2
	dec	ROUNDS
	jnz	.Ldouble_round

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
	movdqu		A2, B2
	movdqu		A3, B3
	add_spread	.Lconstant(%rip), A0, A1, B2, B3
	transpose	A0, A1, B2, B3, TX
	store		0, B3, TX, A1, A0
	end_output	4, .Lpass
	/* After an odd number of passes there is another one, all for the state. */
	test	$4, COUNTER
	jnz	.Lpass

	pxor	%xmm0, %xmm0
	movdqu	%xmm0, A2
	movdqu	%xmm0, A3
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
