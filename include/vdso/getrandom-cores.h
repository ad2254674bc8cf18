/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The architecture's ChaCha20 cores: their numbers and functions, from its table.
 */
#ifndef _VDSO_GETRANDOM_CORES_H
#define _VDSO_GETRANDOM_CORES_H

#include <linux/types.h>

struct vgetrandom_state;

enum vgetrandom_core {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature) VGETRANDOM_##NAME,
#include <asm/vdso/getrandom-cores.h>
	VGETRANDOM_NR_CORES
};

/* Their contract is at the top of arch/x86/entry/vdso/vgetrandom-asm.S. */
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)			\
	void vgetrandom_chacha20_##name(struct vgetrandom_state *state, u8 *dst,	\
					size_t nblocks, unsigned long call);
#include <asm/vdso/getrandom-cores.h>

/**
 * vgetrandom_best_core - choose a core for this machine, during initialization
 * @log: receives the name of the core, for the kernel's log
 *
 * Return: the last core of the table that the processor can run without a lower clock.
 */
u8 vgetrandom_best_core(const char **log);

#endif /* _VDSO_GETRANDOM_CORES_H */
