/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The ChaCha20 cores for AVX-512: with zmm registers, sixteen blocks a pass; and
 * with ymm registers, eight, for processors that slow down when zmm are in use.
 *
 * Both have registers enough for all of it, and instructions that rotate.
 */

#include "vgetrandom-asm.S"

.section	.rodata.vgetrandom_chacha20_avx512, "a", @progbits
.balign	64
.Lnumbers:
	.octa	0x00000003000000020000000100000000
	.octa	0x00000007000000060000000500000004
	.octa	0x0000000b0000000a0000000900000008
	.octa	0x0000000f0000000e0000000d0000000c
.Lconstant:
	/* "expand 32-byte k", RFC 8439 section 2.3 */
	.octa	0x6b20657479622d323320646e61707865

.text

/*
 * By numbers, because the macros are for both kinds: \v is y or z. Registers 0 to 15
 * are words 0 to 15 of the blocks, 16 to 23 the key, 24 the blocks' numbers until they
 * have been added, 25 to 29 for what comes up.
 */
.macro	move		v, from, to
	vmovdqa32 %\v\()mm\from, %\v\()mm\to
.endm
.macro	addition	v, x, y
	vpaddd	%\v\()mm\y, %\v\()mm\x, %\v\()mm\x
.endm
.macro	exclusive_or	v, x, y
	vpxord	%\v\()mm\y, %\v\()mm\x, %\v\()mm\x
.endm
.macro	rotate		v, x, n
	vprold	$\n, %\v\()mm\x, %\v\()mm\x
.endm

/* Half of four quarter rounds, step by step: so the processor never has to wait. */
.macro	half_rounds	v, a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, n, m
	addition	\v, \a0, \b0
	addition	\v, \a1, \b1
	addition	\v, \a2, \b2
	addition	\v, \a3, \b3
	exclusive_or	\v, \d0, \a0
	exclusive_or	\v, \d1, \a1
	exclusive_or	\v, \d2, \a2
	exclusive_or	\v, \d3, \a3
	rotate	\v, \d0, \n
	rotate	\v, \d1, \n
	rotate	\v, \d2, \n
	rotate	\v, \d3, \n
	addition	\v, \c0, \d0
	addition	\v, \c1, \d1
	addition	\v, \c2, \d2
	addition	\v, \c3, \d3
	exclusive_or	\v, \b0, \c0
	exclusive_or	\v, \b1, \c1
	exclusive_or	\v, \b2, \c2
	exclusive_or	\v, \b3, \c3
	rotate	\v, \b0, \m
	rotate	\v, \b1, \m
	rotate	\v, \b2, \m
	rotate	\v, \b3, \m
.endm

/* RFC 8439 section 2.1. */
.macro	quarter_rounds	v, rows:vararg
	half_rounds	\v, \rows, 16, 12
	half_rounds	\v, \rows, 8, 7
.endm

/*
 * All blocks' words \w0 to \w3: then \w3, \t, \w1 and \w0 have those of blocks 0 to 3
 * in the lowest quarter, and of every fourth block after each in the next ones.
 */
.macro	transpose	v, w0, w1, w2, w3, t
	vpunpckldq %\v\()mm\w1, %\v\()mm\w0, %\v\()mm\t
	vpunpckhdq %\v\()mm\w1, %\v\()mm\w0, %\v\()mm\w0
	vpunpckldq %\v\()mm\w3, %\v\()mm\w2, %\v\()mm\w1
	vpunpckhdq %\v\()mm\w3, %\v\()mm\w2, %\v\()mm\w2
	vpunpcklqdq %\v\()mm\w1, %\v\()mm\t, %\v\()mm\w3
	vpunpckhqdq %\v\()mm\w1, %\v\()mm\t, %\v\()mm\t
	vpunpcklqdq %\v\()mm\w2, %\v\()mm\w0, %\v\()mm\w1
	vpunpckhqdq %\v\()mm\w2, %\v\()mm\w0, %\v\()mm\w0
.endm

/* zmm: block \i and every fourth one after it, of rows \a, \b, \c and \d. */
.macro	store_z		i, a, b, c, d
	vshufi32x4 $0x44, %zmm\b, %zmm\a, %zmm25
	vshufi32x4 $0x44, %zmm\d, %zmm\c, %zmm24
	vshufi32x4 $0xee, %zmm\b, %zmm\a, %zmm\a
	vshufi32x4 $0xee, %zmm\d, %zmm\c, %zmm\c
	vshufi32x4 $0x88, %zmm24, %zmm25, %zmm\b
	vshufi32x4 $0xdd, %zmm24, %zmm25, %zmm25
	vshufi32x4 $0x88, %zmm\c, %zmm\a, %zmm\d
	vshufi32x4 $0xdd, %zmm\c, %zmm\a, %zmm\a
	choose_base \i
	vmovdqu32 %zmm\b, 64 * \i(BASE)
	choose_base (\i + 4)
	vmovdqu32 %zmm25, 64 * (\i + 4)(BASE)
	choose_base (\i + 8)
	vmovdqu32 %zmm\d, 64 * (\i + 8)(BASE)
	choose_base (\i + 12)
	vmovdqu32 %zmm\a, 64 * (\i + 12)(BASE)
.endm

/* ymm: the same of two blocks. */
.macro	store_y		i, a, b, c, d
	vshufi32x4 $0, %ymm\b, %ymm\a, %ymm25
	vshufi32x4 $0, %ymm\d, %ymm\c, %ymm24
	vshufi32x4 $3, %ymm\b, %ymm\a, %ymm\a
	vshufi32x4 $3, %ymm\d, %ymm\c, %ymm\c
	choose_base \i
	vmovdqu32 %ymm25, 64 * \i(BASE)
	vmovdqu32 %ymm24, 64 * \i + 32(BASE)
	choose_base (\i + 4)
	vmovdqu32 %ymm\a, 64 * (\i + 4)(BASE)
	vmovdqu32 %ymm\c, 64 * (\i + 4) + 32(BASE)
.endm

/* A core: \spread is how the assembler says "one word in all lanes". */
.macro	core		v, width, spread
	vpbroadcastd KEY(0), %\v\()mm16
	vpbroadcastd KEY(1), %\v\()mm17
	vpbroadcastd KEY(2), %\v\()mm18
	vpbroadcastd KEY(3), %\v\()mm19
	vpbroadcastd KEY(4), %\v\()mm20
	vpbroadcastd KEY(5), %\v\()mm21
	vpbroadcastd KEY(6), %\v\()mm22
	vpbroadcastd KEY(7), %\v\()mm23
	xor	COUNTER, COUNTER

.Lpass_\v\():
	vpbroadcastd COUNTER, %\v\()mm24
	vpaddd	.Lnumbers(%rip), %\v\()mm24, %\v\()mm24
	vpbroadcastd 0x0 + .Lconstant(%rip), %\v\()mm0
	vpbroadcastd 0x4 + .Lconstant(%rip), %\v\()mm1
	vpbroadcastd 0x8 + .Lconstant(%rip), %\v\()mm2
	vpbroadcastd 0xc + .Lconstant(%rip), %\v\()mm3
	move	\v, 16, 4
	move	\v, 17, 5
	move	\v, 18, 6
	move	\v, 19, 7
	move	\v, 20, 8
	move	\v, 21, 9
	move	\v, 22, 10
	move	\v, 23, 11
	move	\v, 24, 12
	vpxor	%xmm13, %xmm13, %xmm13
	vpxor	%xmm14, %xmm14, %xmm14
	vpxor	%xmm15, %xmm15, %xmm15

	mov	$10, ROUNDS
	.balign	32
.Ldouble_round_\v\():
	quarter_rounds	\v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	quarter_rounds	\v, 0, 1, 2, 3, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14
	dec	ROUNDS
	jnz	.Ldouble_round_\v

	vpaddd	0x0 + .Lconstant(%rip)\spread, %\v\()mm0, %\v\()mm0
	vpaddd	0x4 + .Lconstant(%rip)\spread, %\v\()mm1, %\v\()mm1
	vpaddd	0x8 + .Lconstant(%rip)\spread, %\v\()mm2, %\v\()mm2
	vpaddd	0xc + .Lconstant(%rip)\spread, %\v\()mm3, %\v\()mm3
	addition \v, 4, 16
	addition \v, 5, 17
	addition \v, 6, 18
	addition \v, 7, 19
	addition \v, 8, 20
	addition \v, 9, 21
	addition \v, 10, 22
	addition \v, 11, 23
	addition \v, 12, 24
	transpose \v, 0, 1, 2, 3, 26
	transpose \v, 4, 5, 6, 7, 27
	transpose \v, 8, 9, 10, 11, 28
	transpose \v, 12, 13, 14, 15, 29

	begin_output
	store_\v 0, 3, 7, 11, 15
	store_\v 1, 26, 27, 28, 29
	store_\v 2, 1, 5, 9, 13
	store_\v 3, 0, 4, 8, 12
	end_output \width, .Lpass_\v

	/* vzeroall does not know of these. */
	vpxord	%xmm16, %xmm16, %xmm16
	vpxord	%xmm17, %xmm17, %xmm17
	vpxord	%xmm18, %xmm18, %xmm18
	vpxord	%xmm19, %xmm19, %xmm19
	vpxord	%xmm20, %xmm20, %xmm20
	vpxord	%xmm21, %xmm21, %xmm21
	vpxord	%xmm22, %xmm22, %xmm22
	vpxord	%xmm23, %xmm23, %xmm23
	vpxord	%xmm24, %xmm24, %xmm24
	vpxord	%xmm25, %xmm25, %xmm25
	vpxord	%xmm26, %xmm26, %xmm26
	vpxord	%xmm27, %xmm27, %xmm27
	vpxord	%xmm28, %xmm28, %xmm28
	vpxord	%xmm29, %xmm29, %xmm29
	vzeroall
.endm

CORE_START(vgetrandom_chacha20_avx512vl)
	core	y, 8, {1to8}
CORE_END(vgetrandom_chacha20_avx512vl)

CORE_START(vgetrandom_chacha20_avx512)
	core	z, 16, {1to16}
CORE_END(vgetrandom_chacha20_avx512)
