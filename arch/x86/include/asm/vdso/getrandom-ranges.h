/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The instruction ranges of the vDSO's getrandom() that an interrupted task never returns to.
 *
 * The 64-bit image has a table of them in .rodata, the symbol vgetrandom_ranges. The kernel
 * sends a task that it interrupts in a range to the range's landing, and clears registers and
 * invalidates the state on the way: see arch/x86/entry/vdso/vgetrandom-abort.c.
 */
#ifndef _ASM_X86_VDSO_GETRANDOM_RANGES_H
#define _ASM_X86_VDSO_GETRANDOM_RANGES_H

#define VGETRANDOM_NR_RANGES	2

#ifndef __ASSEMBLY__

#include <linux/types.h>

/**
 * struct vgetrandom_range - a range, and where a task that is interrupted there continues
 * @start: first instruction; like @end and @landing an offset from the start of the table
 * @end: end of the range, exclusive
 * @landing: the instruction at which the task continues
 * @guarded: 0: a leaf without a frame, with the arguments of the call in registers and the
 *	state's address in rcx. 1: called by a stub that has a frame at rbp, with the state's
 *	address in rbx.
 */
struct vgetrandom_range {
	__s32 start;
	__s32 end;
	__s32 landing;
	__s32 guarded;
};

#endif /* !__ASSEMBLY__ */

#endif /* _ASM_X86_VDSO_GETRANDOM_RANGES_H */
