/* SPDX-License-Identifier: MIT */
/*
 * The ChaCha20 cores, which this project's vDSO has as well: both are built from one source.
 * arch/x86/entry/vdso/vgetrandom-asm.S documents what a core does and promises.
 */
#ifndef _VGETRANDOM_CORE_H
#define _VGETRANDOM_CORE_H

#include <stddef.h>

struct vgetrandom_state;

/**
 * struct core - a ChaCha20 core
 * @name: its name in the table of cores, <asm/vdso/getrandom-cores.h>
 * @blocks: number of blocks that an iteration makes; a power of 2
 * @make: the function
 * @instead_of_vdso: size in bytes of the smallest request for which expanding a key is faster than
 *		     a vDSO generator that makes one block at a time; this generator makes the key
 * @instead_of_syscall: the same for the system call
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
 * core_best - the best core for this machine
 *
 * Return: the core; NULL if the library has none for this architecture.
 */
const struct core *core_best(void);

/**
 * core_numbered - find a core by its number
 * @number: its position in the table of cores
 *
 * Return: the core; NULL if the table has no such core, or it does not run in this process.
 */
const struct core *core_numbered(unsigned int number);

/**
 * core_named - find a core by its name
 * @name: the name
 *
 * Return: the core; NULL if no core has this name, or it does not run in this process.
 */
const struct core *core_named(const char *name);

#endif /* _VGETRANDOM_CORE_H */
