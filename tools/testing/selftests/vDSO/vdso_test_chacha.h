/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vdso_test_chacha.c calls that is written in assembly.
 */
#ifndef VDSO_TEST_CHACHA_H
#define VDSO_TEST_CHACHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* arch/x86/entry/vdso/vgetrandom-chacha.S */
void vgetrandom_chacha20_blocks(uint8_t *dst, const uint8_t *key,
				uint64_t *counter, size_t nblocks,
				unsigned long *owner, unsigned long call);

/*
 * Calls it with a stack of one word, for the return address, at @one_word_stack.
 * Returns whether the registers that a callee has to save are as before.
 */
bool call_without_stack(uint8_t *dst, const uint8_t *key, uint64_t *counter,
			size_t nblocks, unsigned long *owner, unsigned long call);
extern void *one_word_stack;

#endif /* VDSO_TEST_CHACHA_H */
