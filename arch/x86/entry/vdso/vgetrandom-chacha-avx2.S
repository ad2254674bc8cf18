/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The ChaCha20 core for AVX2: eight blocks in one iteration.
 */

#include "vgetrandom-asm.S"

.section	.rodata.vgetrandom_chacha20_avx2, "a", @progbits
.balign	32
.Lrotate16:
	.octa	0x0d0c0f0e09080b0a0504070601000302
	.octa	0x0d0c0f0e09080b0a0504070601000302
.Lrotate8:
	.octa	0x0e0d0c0f0a09080b0605040702010003
	.octa	0x0e0d0c0f0a09080b0605040702010003
.Lnumbers:
	.octa	0x00000003000000020000000100000000
	.octa	0x00000007000000060000000500000004
.Lconstant:
	/* "expand 32-byte k", RFC 8439 section 2.3 */
	.octa	0x6b20657479622d323320646e61707865

.section .text.vgetrandom, "ax", @progbits

/*
 * Fourteen registers hold words, two are for rotations. Half of row c is in the scratch.
 * A double round exchanges it with the other half twice, when that half is not needed. Two
 * quarter rounds are interleaved. The processor overlaps them with the next two, which do
 * not depend on their results.
 */
#define A0		%ymm0
#define A1		%ymm1
#define A2		%ymm2
#define A3		%ymm3
#define B0		%ymm4
#define B1		%ymm5
#define B2		%ymm6
#define B3		%ymm7
#define D0		%ymm8
#define D1		%ymm9
#define D2		%ymm10
#define D3		%ymm11
#define C0		%ymm12	/* C0, C1: for rotations, while C2 and C3 are in registers */
#define C1		%ymm13
#define C2		%ymm14	/* C2, C3: for rotations, while C0 and C1 are in registers */
#define C3		%ymm15
#define TX		A2	/* after the rounds, when A2 and A3 are in the scratch */
#define TY		A3
#define AWAY0		SCRATCH(0)
#define AWAY1		SCRATCH(32)

.macro	rotate		n, x, t
	vpslld	$\n, \x, \t
	vpsrld	$(32 - \n), \x, \x
	vpor	\t, \x, \x
.endm

/* Half of two quarter rounds (RFC 8439 section 2.1). */
.macro	half_rounds	a0, a1, b0, b1, c0, c1, d0, d1, t0, t1, shuffle, n
	vpaddd	\b0, \a0, \a0
	vpaddd	\b1, \a1, \a1
	vpxor	\a0, \d0, \d0
	vpxor	\a1, \d1, \d1
	vpshufb	\shuffle, \d0, \d0
	vpshufb	\shuffle, \d1, \d1
	vpaddd	\d0, \c0, \c0
	vpaddd	\d1, \c1, \c1
	vpxor	\c0, \b0, \b0
	vpxor	\c1, \b1, \b1
	rotate	\n, \b0, \t0
	rotate	\n, \b1, \t1
.endm

.macro	quarter_rounds	words:vararg
	half_rounds	\words, .Lrotate16(%rip), 12
	half_rounds	\words, .Lrotate8(%rip), 7
.endm

/* Load \y0 and \y1 from the scratch, and store \x0 and \x1 there. */
.macro	exchange	x0, x1, y0, y1
	vmovdqu	AWAY0, \y0
	vmovdqu	AWAY1, \y1
	vmovdqu	\x0, AWAY0
	vmovdqu	\x1, AWAY1
.endm

/*
 * In: \w0 to \w3, words 0 to 3 of a row, of all blocks. Out: \w3, \t, \w1 and \w0, that
 * row of blocks 0 to 3 in the lower halves, of blocks 4 to 7 in the upper halves.
 */
.macro	transpose	w0, w1, w2, w3, t
	vpunpckldq \w1, \w0, \t
	vpunpckhdq \w1, \w0, \w0
	vpunpckldq \w3, \w2, \w1
	vpunpckhdq \w3, \w2, \w2
	vpunpcklqdq \w1, \t, \w3
	vpunpckhqdq \w1, \t, \t
	vpunpcklqdq \w2, \w0, \w1
	vpunpckhqdq \w2, \w0, \w0
.endm

/* Rows \x and \y, half a block, of blocks \i and \i + 4. */
.macro	store_halves	i, offset, x, y, t
	vperm2i128 $0x20, \y, \x, \t
	vperm2i128 $0x31, \y, \x, \x
	choose_base \i
	vmovdqu	\t, 64 * \i + \offset(BASE)
	choose_base (\i + 4)
	vmovdqu	\x, 64 * (\i + 4) + \offset(BASE)
.endm

/* Add a word to all lanes. A load broadcasts it at no extra cost. */
.macro	add_word	word, x, t
	vpbroadcastd \word, \t
	vpaddd	\t, \x, \x
.endm

CORE_START(vgetrandom_chacha20_avx2)
	xor	COUNTER, COUNTER

.Literation:
	vpbroadcastd .Lconstant+0x0(%rip), A0
	vpbroadcastd .Lconstant+0x4(%rip), A1
	vpbroadcastd .Lconstant+0x8(%rip), A2
	vpbroadcastd .Lconstant+0xc(%rip), A3
	vpbroadcastd KEY(0), B0
	vpbroadcastd KEY(1), B1
	vpbroadcastd KEY(2), B2
	vpbroadcastd KEY(3), B3
	vpbroadcastd KEY(4), C0
	vpbroadcastd KEY(5), C1
	vpbroadcastd KEY(6), C2
	vpbroadcastd KEY(7), C3
	vmovdqu	C2, AWAY0
	vmovdqu	C3, AWAY1
	vmovd	COUNTER, %xmm8
	vpbroadcastd %xmm8, D0
	vpaddd	.Lnumbers(%rip), D0, D0
	vpxor	D1, D1, D1
	vpxor	D2, D2, D2
	vpxor	D3, D3, D3

	mov	$10, ROUNDS
	.balign	32
.Ldouble_round:
	DOUBLE_ROUND_BY_HALVES
	dec	ROUNDS
	jnz	.Ldouble_round

	exchange	A2, A3, C2, C3

	/* The last read of the key, before it is overwritten. */
	add_word	KEY(0), B0, TX
	add_word	KEY(1), B1, TY
	add_word	KEY(2), B2, TX
	add_word	KEY(3), B3, TY
	add_word	KEY(4), C0, TX
	add_word	KEY(5), C1, TY
	add_word	KEY(6), C2, TX
	add_word	KEY(7), C3, TY
	vmovd		COUNTER, %xmm2
	vpbroadcastd	%xmm2, TX
	vpaddd		.Lnumbers(%rip), TX, TX
	vpaddd		TX, D0, D0

	begin_output
	transpose	C0, C1, C2, C3, TX
	transpose	D0, D1, D2, D3, TY
	store_halves	0, 32, C3, D3, C2
	store_halves	1, 32, TX, TY, C2
	store_halves	2, 32, C1, D1, C2
	store_halves	3, 32, C0, D0, C2
	vmovdqu		AWAY0, C2
	vmovdqu		AWAY1, C3
	add_word	.Lconstant+0x0(%rip), A0, TX
	add_word	.Lconstant+0x4(%rip), A1, TY
	add_word	.Lconstant+0x8(%rip), C2, TX
	add_word	.Lconstant+0xc(%rip), C3, TY
	transpose	A0, A1, C2, C3, TX
	transpose	B0, B1, B2, B3, TY
	store_halves	0, 0, C3, B3, C2
	store_halves	1, 0, TX, TY, C2
	store_halves	2, 0, A1, B1, C2
	store_halves	3, 0, A0, B0, C2
	end_output	8, .Literation

	vpxor	B0, B0, B0
	vmovdqu	B0, AWAY0
	vmovdqu	B0, AWAY1
	vzeroall
CORE_END(vgetrandom_chacha20_avx2)
