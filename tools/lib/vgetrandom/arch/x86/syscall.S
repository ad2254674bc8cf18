/* SPDX-License-Identifier: MIT */
/*
 * long syscall(long number, ...); replaces libc's.
 *
 * It has no stack frame: a child of vfork(2) returns from here on its parent's stack, and a child
 * of clone(2) on another stack.
 */
#include <sys/syscall.h>
#ifdef __CET__
#include <cet.h>
#else
#define _CET_ENDBR
#endif

#define MAX_ERRNO	4095

	.text
	.globl	syscall
	.type	syscall, @function
	.balign	64
syscall:
	.cfi_startproc
	_CET_ENDBR
	cmp	$SYS_getrandom, %rdi
	je	1f
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	cmp	$-MAX_ERRNO, %rax
	jae	2f
	ret
1:	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%ecx, %edx
	jmp	vgetrandom_for_syscall
2:	mov	%rax, %rdi
	jmp	vgetrandom_fail
	.cfi_endproc
	.size	syscall, . - syscall
