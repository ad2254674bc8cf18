/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Assembly functions that vdso_test_chacha.c calls.
 */
#ifndef VDSO_TEST_CHACHA_H
#define VDSO_TEST_CHACHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vdso/getrandom.h>

typedef void core_fn(struct vgetrandom_state *state, uint8_t *dst, size_t nblocks,
		     unsigned long token);

/* arch/x86/entry/vdso/vgetrandom-chacha-*.S */
#define VGETRANDOM_CORE(NAME, name, ...)	core_fn vgetrandom_chacha20_##name;
#include <asm/vdso/getrandom-cores.h>

/*
 * Calls @core with all vector and mask registers in their initial state, and with a
 * stack of one word, for the return address, at @one_word_stack. Afterwards it saves
 * these registers to @saved_registers, in the layout of XSAVE or FXSAVE; and if
 * @has_xinuse, the components in use (XGETBV with ECX = 1) to @saved_xinuse.
 *
 * Returns whether the callee-saved registers are unchanged.
 */
bool call_core(struct vgetrandom_state *state, uint8_t *dst, size_t nblocks,
	       unsigned long token, core_fn *core);
extern void *one_word_stack;
extern uint8_t saved_registers[], initial_registers[];
extern uint32_t has_xsave, has_xinuse, saved_xinuse;

/* Fake cores that leave a register or the stack word not zero, or a register changed. */
core_fn leave_xmm15;
core_fn leave_upper_ymm0;
core_fn leave_upper_ymm31;
core_fn leave_upper_zmm9;
core_fn leave_zmm16;
core_fn leave_zmm31;
core_fn leave_mask;
core_fn leave_r15;
core_fn leave_stack;

/* Fake cores that use 256-bit or 512-bit registers, and leave none in use. */
core_fn use_ymm;
core_fn use_zmm;

#endif /* VDSO_TEST_CHACHA_H */
