/* SPDX-License-Identifier: MIT */
/*
 * Only the rounds of ChaCha20, in registers, for each instruction set: no set-up, no addition
 * of the input, no transposition, no store. Each of the words 0 to 15 is a vector; its initial
 * value is whatever the register holds.
 *
 *	void rounds_NAME(unsigned long double_rounds)	at least 1
 *
 * Each loop makes as many blocks per iteration as the core, whose output must fit into a state.
 * See limit.c.
 */

.altmacro

.macro begin name
	.globl	rounds_\name
	.type	rounds_\name, @function
	.balign	64
rounds_\name:
.endm

.macro end name
	ret
	.size	rounds_\name, . - rounds_\name
.endm

/*
 * With 32 registers: each group of blocks has 16, and the groups are interleaved.
 */

.macro evex_add v, dst, src, count
	vpaddd	%\v\src, %\v\dst, %\v\dst
.endm

/* Alternate XOR and rotation: eight rotations in a row would wait for a free pipe. */
.macro evex_xor_rotate v, dst, src, count
	vpxord	%\v\src, %\v\dst, %\v\dst
	vprold	$\count, %\v\dst, %\v\dst
.endm

/* Apply op to rows dst and src, in all columns or diagonals. */
.macro rows op, v, groups, dst, dst_shift, src, src_shift, count
	.set	group, 0
	.rept	\groups
	.set	column, 0
	.rept	4
	.set	to, 16 * group + 4 * \dst + ((column + \dst_shift) & 3)
	.set	from, 16 * group + 4 * \src + ((column + \src_shift) & 3)
	\op	\v, %to, %from, \count
	.set	column, column + 1
	.endr
	.set	group, group + 1
	.endr
.endm

.macro half_round v, groups, diagonal, first, second
	rows	evex_add, \v, \groups, 0, 0, 1, \diagonal
	rows	evex_xor_rotate, \v, \groups, 3, %(3 * \diagonal), 0, 0, \first
	rows	evex_add, \v, \groups, 2, %(2 * \diagonal), 3, %(3 * \diagonal)
	rows	evex_xor_rotate, \v, \groups, 1, \diagonal, 2, %(2 * \diagonal), \second
.endm

.macro with_32_registers name, v, groups
	begin	\name
1:
	.irp	diagonal, 0, 1
	half_round \v, \groups, \diagonal, 16, 12
	half_round \v, \groups, \diagonal, 8, 7
	.endr
	dec	%rdi
	jnz	1b
	vzeroupper
	end	\name
.endm

/*
 * With 16 registers: 0 to 11 hold rows 0, 1 and 3. Two words of row 2 are in 12 and 13, and two
 * on the stack. 14 and 15 are temporary, for rotations. Two quarter-rounds at a time.
 */

.macro vex_add dst, src
	vpaddd	%ymm\src, %ymm\dst, %ymm\dst
.endm

.macro vex_xor dst, src
	vpxor	%ymm\src, %ymm\dst, %ymm\dst
.endm

.macro vex_shift dst, temp, left
	vpslld	$\left, %ymm\dst, %ymm\temp
	vpsrld	$32 - \left, %ymm\dst, %ymm\dst
	vpor	%ymm\temp, %ymm\dst, %ymm\dst
.endm

.macro vex_by_16 dst, temp
	vpshufb	by_16(%rip), %ymm\dst, %ymm\dst
.endm

.macro vex_by_8 dst, temp
	vpshufb	by_8(%rip), %ymm\dst, %ymm\dst
.endm

.macro vex_swap store, load
	vmovdqu	%ymm12, \store(%rsp)
	vmovdqu	%ymm13, \store+32(%rsp)
	vmovdqu	\load(%rsp), %ymm12
	vmovdqu	\load+32(%rsp), %ymm13
.endm

.macro sse_add dst, src
	paddd	%xmm\src, %xmm\dst
.endm

.macro sse_xor dst, src
	pxor	%xmm\src, %xmm\dst
.endm

.macro sse_shift dst, temp, left
	movdqa	%xmm\dst, %xmm\temp
	pslld	$\left, %xmm\temp
	psrld	$32 - \left, %xmm\dst
	por	%xmm\temp, %xmm\dst
.endm

.macro sse_by_16 dst, temp
	pshuflw	$0xb1, %xmm\dst, %xmm\dst
	pshufhw	$0xb1, %xmm\dst, %xmm\dst
.endm

.macro sse_by_8 dst, temp
	sse_shift \dst, \temp, 8
.endm

.macro sse_swap store, load
	movdqu	%xmm12, \store(%rsp)
	movdqu	%xmm13, \store+32(%rsp)
	movdqu	\load(%rsp), %xmm12
	movdqu	\load+32(%rsp), %xmm13
.endm

.macro both isa, op, dst, src, other_dst, other_src
	\isa\()_\op	\dst, \src
	\isa\()_\op	\other_dst, \other_src
.endm

.macro pair isa, a, b, d, other_a, other_b, other_d
	both	\isa, add, \a, \b, \other_a, \other_b
	both	\isa, xor, \d, \a, \other_d, \other_a
	both	\isa, by_16, \d, 14, \other_d, 15
	both	\isa, add, 12, \d, 13, \other_d
	both	\isa, xor, \b, 12, \other_b, 13
	\isa\()_shift	\b, 14, 12
	\isa\()_shift	\other_b, 15, 12
	both	\isa, add, \a, \b, \other_a, \other_b
	both	\isa, xor, \d, \a, \other_d, \other_a
	both	\isa, by_8, \d, 14, \other_d, 15
	both	\isa, add, 12, \d, 13, \other_d
	both	\isa, xor, \b, 12, \other_b, 13
	\isa\()_shift	\b, 14, 7
	\isa\()_shift	\other_b, 15, 7
.endm

.macro with_16_registers name, isa
	begin	\name
	sub	$136, %rsp
1:
	pair	\isa, 0, 4, 8, 1, 5, 9
	\isa\()_swap 0, 64
	pair	\isa, 2, 6, 10, 3, 7, 11
	pair	\isa, 0, 5, 11, 1, 6, 8
	\isa\()_swap 64, 0
	pair	\isa, 2, 7, 9, 3, 4, 10
	dec	%rdi
	jnz	1b
	.ifc	\isa, vex
	vzeroupper
	.endif
	add	$136, %rsp
	end	\name
.endm

	.text
	with_16_registers sse2, sse
	with_16_registers avx2, vex
	with_32_registers avx512vl, ymm, 2
	with_32_registers avx512, zmm, 1

	.section .rodata
	.balign	32
by_16:	.byte	2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
	.byte	2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
by_8:	.byte	3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14
	.byte	3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14

	.section .note.GNU-stack, "", @progbits
