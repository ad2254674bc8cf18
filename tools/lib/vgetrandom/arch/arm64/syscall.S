/* SPDX-License-Identifier: MIT */
/*
 * long syscall(long number, ...); ../x86/syscall.S documents it.
 */
#include <sys/syscall.h>

#define MAX_ERRNO	4095

	.text
	.globl	syscall
	.type	syscall, @function
	.balign	64
syscall:
	.cfi_startproc
	hint	#34			/* bti c */
	cmp	x0, #SYS_getrandom
	b.eq	1f
	mov	x8, x0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	mov	x4, x5
	mov	x5, x6
	svc	#0
	cmn	x0, #MAX_ERRNO
	b.hs	vgetrandom_fail
	ret
1:	mov	x0, x1
	mov	x1, x2
	mov	w2, w3
	b	vgetrandom_for_syscall
	.cfi_endproc
	.size	syscall, . - syscall

#ifdef __ARM_FEATURE_BTI_DEFAULT
	/* The note by which the compiler marks objects that have landing pads. */
	.section .note.gnu.property, "a"
	.balign	8
	.word	4, 16, 5		/* NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.word	0xc0000000, 4, 3, 0	/* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI, PAC */
#endif
