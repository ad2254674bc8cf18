/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of what the kernel does to a task that it interrupts in the vDSO's getrandom(): see
 * <asm/vdso/getrandom-ranges.h>. The hosted tests apply it to a signal's context, because the
 * running kernel does not know the hosted image. A guest test compares it with the booted
 * kernel. It depends on no other file of these tests.
 */
#ifndef _ABORT_MODEL_H
#define _ABORT_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include <asm/vdso/getrandom-ranges.h>	/* add arch/x86/include with -idirafter */

/**
 * abort_model_range - the range that an instruction is in
 * @table: vgetrandom_ranges, of the image as it is mapped
 * @ip: address of the instruction
 *
 * Return: an entry of @table, or NULL if @ip is in no range.
 */
const struct vgetrandom_range *abort_model_range(const struct vgetrandom_range *table,
						 uintptr_t ip);

/**
 * abort_model_landing - where the kernel sends a task that it interrupts in a range
 * @table: vgetrandom_ranges, of the image as it is mapped
 * @range: an entry of @table
 */
uintptr_t abort_model_landing(const struct vgetrandom_range *table,
			      const struct vgetrandom_range *range);

/**
 * abort_model - abort the call that a task has been interrupted in
 * @context: the task's registers, as the kernel passes them to a signal handler. Without vector
 *	registers in it (uc_mcontext.fpregs is NULL), only the others are cleared.
 * @table: vgetrandom_ranges, of the image as it is mapped
 * @reason: -EINTR, -ENOMEM or -EFAULT
 *
 * Also invalidates the state, in this process' memory. The context has no orig_ax, which the
 * kernel sets to -1. It cannot be the context of a task that runs 32-bit code.
 *
 * Return: false if the task is in no range; then nothing has changed.
 */
bool abort_model(ucontext_t *context, const struct vgetrandom_range *table, int reason);

#endif /* _ABORT_MODEL_H */
