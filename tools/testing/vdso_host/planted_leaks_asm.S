/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that leave eight bytes of the next key in a register, one function for each
 * register. planted_leaks.c finds them by their order and distance.
 */

#define KEY	67		/* offset of the key in a state, plus PLANTED_OFFSET */
#define DISTANCE 64		/* from one function to the next */

	.text
	.balign	64
	.globl	leaks_registers
leaks_registers:

/* After the real call, with the state in %rcx. */
.macro	leak	instruction:vararg
	.balign	DISTANCE
	push	%rcx
	call	*leaks_real(%rip)
	pop	%rcx
	\instruction
	ret
.endm

/* In the order of struct user_regs_struct. */
.irp	r, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	leak	mov KEY(%rcx), %\r
.endr
.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	leak	movq KEY(%rcx), %mm\n
.endr
.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	leak	movq KEY(%rcx), %xmm\n
.endr
.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	leak	movhps KEY(%rcx), %xmm\n
.endr
.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	leak	vinserti128 $1, KEY(%rcx), %ymm\n, %ymm\n
.endr
.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	leak	kmovq KEY(%rcx), %k\n
.endr
.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	leak	vinserti64x4 $1, KEY(%rcx), %zmm\n, %zmm\n
.endr
.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	leak	vmovq KEY(%rcx), %xmm\n
.endr
.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	leak	vinserti64x2 $1, KEY(%rcx), %ymm\n, %ymm\n
.endr
.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	leak	vinserti64x4 $1, KEY(%rcx), %zmm\n, %zmm\n
.endr

	.section .note.GNU-stack, "", @progbits
