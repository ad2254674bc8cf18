/* SPDX-License-Identifier: MIT */
/*
 * The part of the kernel's <linux/linkage.h> that the vDSO's ChaCha20 cores need when they
 * are assembled for this library. Their symbols are hidden: the library does not export them.
 */
#ifndef _VGETRANDOM_LINUX_LINKAGE_H
#define _VGETRANDOM_LINUX_LINKAGE_H

#define SYM_L_GLOBAL(name)	.globl name; .hidden name
#define SYM_A_ALIGN		.balign 32

#define SYM_START(name, linkage, align)		\
	linkage(name);				\
	.type name, @function;			\
	align;					\
	name:

#define SYM_FUNC_END(name)	.size name, . - name

#endif /* _VGETRANDOM_LINUX_LINKAGE_H */
