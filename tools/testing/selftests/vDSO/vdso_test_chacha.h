/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vdso_test_chacha.c calls that is written in assembly.
 */
#ifndef VDSO_TEST_CHACHA_H
#define VDSO_TEST_CHACHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vdso/getrandom.h>

typedef void core_fn(struct vgetrandom_state *state, uint8_t *dst, size_t nblocks,
		     unsigned long call);

/* arch/x86/entry/vdso/vgetrandom-chacha-*.S */
#define VGETRANDOM_CORE(NAME, name, ...)	core_fn vgetrandom_chacha20_##name;
#include <asm/vdso/getrandom-cores.h>

/*
 * Calls @core with all vector and mask registers in their initial state, and with a
 * stack of one word, for the return address, at @one_word_stack. What is in these
 * registers when it returns goes to @saved_registers, as XSAVE or FXSAVE lay it out;
 * and to @saved_in_use, if @has_in_use, XGETBV's word on which are in use.
 *
 * Returns whether the registers that a callee has to save are as before.
 */
bool call_core(struct vgetrandom_state *state, uint8_t *dst, size_t nblocks,
	       unsigned long call, core_fn *core);
extern void *one_word_stack;
extern uint8_t saved_registers[], initial_registers[];
extern uint32_t has_xsave, has_in_use, saved_in_use;

/* Stand-ins for a core, that leave something behind. */
core_fn leave_xmm15;
core_fn leave_upper_ymm0;
core_fn leave_upper_ymm31;
core_fn leave_upper_zmm9;
core_fn leave_zmm16;
core_fn leave_zmm31;
core_fn leave_mask;
core_fn leave_r15;
core_fn leave_stack;

/* One that uses vector registers of 256 or 512 bits, and does leave none in use. */
core_fn use_ymm;
core_fn use_zmm;

#endif /* VDSO_TEST_CHACHA_H */
