/* SPDX-License-Identifier: MIT */
/*
 * The ChaCha20 cores of our vDSO, in this process: one source, two homes. What a core
 * does and promises is in arch/x86/entry/vdso/vgetrandom-asm.S.
 */
#ifndef _VGETRANDOM_CORE_H
#define _VGETRANDOM_CORE_H

#include <stddef.h>

struct vgetrandom_state;

/**
 * struct core - a core
 * @name: as in the table of cores, <asm/vdso/getrandom-cores.h>
 * @blocks: how many it makes an iteration; a power of 2
 * @make: the core itself
 * @instead_of_vdso: the smallest request, in bytes, for which it pays to expand a key
 *		     drawn from a vDSO generator that makes one block at a time
 * @instead_of_syscall: the same, with a key from the system call
 */
struct core {
	const char	*name;
	size_t		blocks;
	void		(*make)(struct vgetrandom_state *state, unsigned char *dst,
				size_t nblocks, unsigned long call);
	size_t		instead_of_vdso;
	size_t		instead_of_syscall;
};

/**
 * core_best - the core that this machine wants to be used
 *
 * Return: NULL if the architecture has none.
 */
const struct core *core_best(void);

/**
 * core_numbered - a core by its number
 * @number: in the table of cores
 *
 * Return: NULL if the table has no such core, or it does not run in this process.
 */
const struct core *core_numbered(unsigned int number);

/**
 * core_named - a core by its name
 * @name: the name
 *
 * Return: NULL if there is none of the name, or this machine does not run it.
 */
const struct core *core_named(const char *name);

#endif /* _VGETRANDOM_CORE_H */
