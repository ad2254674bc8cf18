/* SPDX-License-Identifier: MIT */
/*
 * What the vDSO's ChaCha20 cores, which are written for the kernel, need of its
 * <linux/linkage.h> to be assembled for this library. They stay within it: hidden.
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
