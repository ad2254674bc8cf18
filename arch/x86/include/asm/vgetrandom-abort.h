/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupted calls of the vDSO's getrandom().
 */
#ifndef _ASM_X86_VGETRANDOM_ABORT_H
#define _ASM_X86_VGETRANDOM_ABORT_H

#include <linux/types.h>

struct pt_regs;

#ifdef CONFIG_VDSO_GETRANDOM
bool vgetrandom_abort(struct pt_regs *regs, int reason);
#else
static inline bool vgetrandom_abort(struct pt_regs *regs, int reason)
{
	return false;
}
#endif

#endif /* _ASM_X86_VGETRANDOM_ABORT_H */
