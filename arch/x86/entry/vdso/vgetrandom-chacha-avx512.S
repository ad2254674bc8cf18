/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The ChaCha20 cores for AVX-512, which has a rotate instruction and 32 registers. Both
 * make 16 blocks in one iteration. One core uses zmm registers, one for each word of all
 * blocks. The other is for processors that lower their clock while zmm registers are used.
 * It uses ymm registers and interleaves two groups of 8 blocks: while instructions of one
 * group wait for results, those of the other run.
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

.section .text.vgetrandom, "ax", @progbits

/* Macros for both kinds of registers: \v is y or z, and registers are numbers. */
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

/*
 * One of the four steps of a quarter round (RFC 8439 section 2.1), for four quarter rounds
 * side by side so that the processor never waits: a += b; d = (d ^ a) <<< n.
 */
.macro	add_ab		v, a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, n
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
.endm

/* c += d; b = (b ^ c) <<< n: the same step for other rows. */
.macro	add_cd		v, a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, n
	add_ab	\v, \c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3, \
		\a0, \a1, \a2, \a3, \b0, \b1, \b2, \b3, \n
.endm

/* Words 0 to 15 of a group of blocks, as columns and as diagonals. */
#define COLUMNS_0	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
#define DIAGONALS_0	0, 1, 2, 3, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14
#define COLUMNS_1	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
#define DIAGONALS_1	16, 17, 18, 19, 21, 22, 23, 20, 26, 27, 24, 25, 31, 28, 29, 30

/*
 * In: \w0 to \w3, words 0 to 3 of a row, of all blocks. Out: \w3, \t, \w1 and \w0, that
 * row of blocks 0 to 3 in the lowest quarters, of blocks 4 to 7 in the next quarters, etc.
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

/* zmm: blocks \i, \i + 4, \i + 8 and \i + 12, from rows \a, \b, \c and \d. */
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

/* ymm: blocks \i and \i + 4, from rows \a, \b, \c and \d. */
.macro	store_y		i, a, b, c, d, t
	vshufi32x4 $0, %ymm\b, %ymm\a, %ymm\t
	vshufi32x4 $3, %ymm\b, %ymm\a, %ymm\a
	vshufi32x4 $0, %ymm\d, %ymm\c, %ymm\b
	vshufi32x4 $3, %ymm\d, %ymm\c, %ymm\c
	choose_base \i
	vmovdqu32 %ymm\t, 64 * (\i)(BASE)
	vmovdqu32 %ymm\b, 64 * (\i) + 32(BASE)
	choose_base (\i + 4)
	vmovdqu32 %ymm\a, 64 * (\i + 4)(BASE)
	vmovdqu32 %ymm\c, 64 * (\i + 4) + 32(BASE)
.endm

/* Words 0 to 3 start as the constant, which is added at the end. \lanes: {1to8}, {1to16}. */
.macro	set_constant	v, w0, w1, w2, w3
	vpbroadcastd 0x0 + .Lconstant(%rip), %\v\()mm\w0
	vpbroadcastd 0x4 + .Lconstant(%rip), %\v\()mm\w1
	vpbroadcastd 0x8 + .Lconstant(%rip), %\v\()mm\w2
	vpbroadcastd 0xc + .Lconstant(%rip), %\v\()mm\w3
.endm
.macro	add_constant	v, w0, w1, w2, w3, lanes
	vpaddd	0x0 + .Lconstant(%rip)\lanes, %\v\()mm\w0, %\v\()mm\w0
	vpaddd	0x4 + .Lconstant(%rip)\lanes, %\v\()mm\w1, %\v\()mm\w1
	vpaddd	0x8 + .Lconstant(%rip)\lanes, %\v\()mm\w2, %\v\()mm\w2
	vpaddd	0xc + .Lconstant(%rip)\lanes, %\v\()mm\w3, %\v\()mm\w3
.endm

/* Clear registers 16 to 31, which vzeroall does not. */
.macro	clear_upper	registers:vararg
	.irp	n, \registers
	vpxord	%xmm\n, %xmm\n, %xmm\n
	.endr
.endm

/* A word of the key, for both groups of ymm registers. */
.macro	set_key		word, w0, w1
	vpbroadcastd KEY(\word), %ymm\w0
	move	y, \w0, \w1
.endm
.macro	add_key		word, w0, w1
	vpaddd	KEY(\word){1to8}, %ymm\w0, %ymm\w0
	vpaddd	KEY(\word){1to8}, %ymm\w1, %ymm\w1
.endm

/*
 * The words need all registers. So each iteration reads the key again, and one word is in
 * the scratch while its register is used for other values.
 */
CORE_START(vgetrandom_chacha20_avx512vl)
	xor	COUNTER, COUNTER

.Literation_y:
	set_constant y, 0, 1, 2, 3
	set_constant y, 16, 17, 18, 19
	set_key	0, 4, 20
	set_key	1, 5, 21
	set_key	2, 6, 22
	set_key	3, 7, 23
	set_key	4, 8, 24
	set_key	5, 9, 25
	set_key	6, 10, 26
	set_key	7, 11, 27
	vpbroadcastd COUNTER, %ymm12
	vpaddd	32 + .Lnumbers(%rip), %ymm12, %ymm28
	vpaddd	.Lnumbers(%rip), %ymm12, %ymm12
	vpxor	%xmm13, %xmm13, %xmm13
	vpxor	%xmm14, %xmm14, %xmm14
	vpxor	%xmm15, %xmm15, %xmm15
	clear_upper 29, 30, 31

	mov	$10, ROUNDS
	.balign	32
.Ldouble_round_y:
	add_ab	y, COLUMNS_0, 16
	add_ab	y, COLUMNS_1, 16
	add_cd	y, COLUMNS_0, 12
	add_cd	y, COLUMNS_1, 12
	add_ab	y, COLUMNS_0, 8
	add_ab	y, COLUMNS_1, 8
	add_cd	y, COLUMNS_0, 7
	add_cd	y, COLUMNS_1, 7
	add_ab	y, DIAGONALS_0, 16
	add_ab	y, DIAGONALS_1, 16
	add_cd	y, DIAGONALS_0, 12
	add_cd	y, DIAGONALS_1, 12
	add_ab	y, DIAGONALS_0, 8
	add_ab	y, DIAGONALS_1, 8
	add_cd	y, DIAGONALS_0, 7
	add_cd	y, DIAGONALS_1, 7
	dec	ROUNDS
	jnz	.Ldouble_round_y

	vmovdqu32 %ymm31, SCRATCH(0)
	add_constant y, 0, 1, 2, 3, {1to8}
	add_constant y, 16, 17, 18, 19, {1to8}
	/* The last read of the key, before it is overwritten. */
	add_key	0, 4, 20
	add_key	1, 5, 21
	add_key	2, 6, 22
	add_key	3, 7, 23
	add_key	4, 8, 24
	add_key	5, 9, 25
	add_key	6, 10, 26
	add_key	7, 11, 27
	vpbroadcastd COUNTER, %ymm31
	addition y, 12, 31
	addition y, 28, 31
	vpaddd	.Lnumbers(%rip), %ymm12, %ymm12
	vpaddd	32 + .Lnumbers(%rip), %ymm28, %ymm28
	transpose y, 0, 1, 2, 3, 31
	transpose y, 4, 5, 6, 7, 2
	transpose y, 8, 9, 10, 11, 6
	transpose y, 12, 13, 14, 15, 10

	begin_output
	store_y	0, 3, 7, 11, 15, 14
	store_y	1, 31, 2, 6, 10, 14
	store_y	2, 1, 5, 9, 13, 14
	store_y	3, 0, 4, 8, 12, 14
	vmovdqu32 SCRATCH(0), %ymm31
	transpose y, 16, 17, 18, 19, 0
	transpose y, 20, 21, 22, 23, 1
	transpose y, 24, 25, 26, 27, 2
	transpose y, 28, 29, 30, 31, 3
	vgetrandom_relock
	store_y	8, 19, 23, 27, 31, 4
	store_y	9, 0, 1, 2, 3, 4
	store_y	10, 17, 21, 25, 29, 4
	store_y	11, 16, 20, 24, 28, 4
	end_output 16, .Literation_y

	clear_upper 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	vzeroall
	vmovdqu	%ymm0, SCRATCH(0)
CORE_END(vgetrandom_chacha20_avx512vl)

/* Registers 16 to 23 hold the key, and 24 the block numbers until they have been added. */
CORE_START(vgetrandom_chacha20_avx512)
	vpbroadcastd KEY(0), %zmm16
	vpbroadcastd KEY(1), %zmm17
	vpbroadcastd KEY(2), %zmm18
	vpbroadcastd KEY(3), %zmm19
	vpbroadcastd KEY(4), %zmm20
	vpbroadcastd KEY(5), %zmm21
	vpbroadcastd KEY(6), %zmm22
	vpbroadcastd KEY(7), %zmm23
	xor	COUNTER, COUNTER

	.balign	32
.Literation_z:
	vpbroadcastd COUNTER, %zmm24
	vpaddd	.Lnumbers(%rip), %zmm24, %zmm24
	set_constant z, 0, 1, 2, 3
	move	z, 16, 4
	move	z, 17, 5
	move	z, 18, 6
	move	z, 19, 7
	move	z, 20, 8
	move	z, 21, 9
	move	z, 22, 10
	move	z, 23, 11
	move	z, 24, 12
	vpxor	%xmm13, %xmm13, %xmm13
	vpxor	%xmm14, %xmm14, %xmm14
	vpxor	%xmm15, %xmm15, %xmm15

	mov	$10, ROUNDS
	.balign	32
.Ldouble_round_z:
	add_ab	z, COLUMNS_0, 16
	add_cd	z, COLUMNS_0, 12
	add_ab	z, COLUMNS_0, 8
	add_cd	z, COLUMNS_0, 7
	add_ab	z, DIAGONALS_0, 16
	add_cd	z, DIAGONALS_0, 12
	add_ab	z, DIAGONALS_0, 8
	add_cd	z, DIAGONALS_0, 7
	dec	ROUNDS
	jnz	.Ldouble_round_z

	add_constant z, 0, 1, 2, 3, {1to16}
	addition z, 4, 16
	addition z, 5, 17
	addition z, 6, 18
	addition z, 7, 19
	addition z, 8, 20
	addition z, 9, 21
	addition z, 10, 22
	addition z, 11, 23
	addition z, 12, 24
	transpose z, 0, 1, 2, 3, 26
	transpose z, 4, 5, 6, 7, 27
	transpose z, 8, 9, 10, 11, 28
	transpose z, 12, 13, 14, 15, 29

	begin_output
	store_z	0, 3, 7, 11, 15
	store_z	1, 26, 27, 28, 29
	store_z	2, 1, 5, 9, 13
	store_z	3, 0, 4, 8, 12
	end_output 16, .Literation_z

	clear_upper 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
	vzeroall
CORE_END(vgetrandom_chacha20_avx512)
