/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For functions in assembly that call a function from known registers: save all registers that
 * a function must preserve, and restore them. Between the two the stack is aligned for a call.
 */
#ifndef _CALLEE_SAVED_H
#define _CALLEE_SAVED_H

#define PUSH_CALLEE_SAVED	\
	"push %rbp\n\t"		\
	"push %rbx\n\t"		\
	"push %r12\n\t"		\
	"push %r13\n\t"		\
	"push %r14\n\t"		\
	"push %r15\n\t"		\
	"sub $8, %rsp\n\t"

#define POP_CALLEE_SAVED	\
	"add $8, %rsp\n\t"	\
	"pop %r15\n\t"		\
	"pop %r14\n\t"		\
	"pop %r13\n\t"		\
	"pop %r12\n\t"		\
	"pop %rbx\n\t"		\
	"pop %rbp\n\t"

#endif /* _CALLEE_SAVED_H */
