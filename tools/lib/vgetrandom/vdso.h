/* SPDX-License-Identifier: MIT */
/*
 * The kernel's generator, in the vDSO: where it is, and what states it wants.
 */
#ifndef _VGETRANDOM_VDSO_H
#define _VGETRANDOM_VDSO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef ssize_t (*vdso_fn)(void *buf, size_t len, unsigned int flags,
			   void *state, size_t state_size);

/* What a vDSO answers when it is asked: struct vgetrandom_opaque_params of Linux 6.11. */
struct vdso_params {
	uint32_t	size_of_opaque_state;
	uint32_t	mmap_prot;
	uint32_t	mmap_flags;
	uint32_t	reserved[13];
};

/**
 * vdso_find - the vDSO's getrandom(), if it is there and can be used
 * @params: filled in with what its states need
 * @why: set to the reason if there is none
 *
 * Return: the function; NULL if there is none.
 */
vdso_fn vdso_find(struct vdso_params *params, const char **why);

#endif /* _VGETRANDOM_VDSO_H */
