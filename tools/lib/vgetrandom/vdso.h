/* SPDX-License-Identifier: MIT */
/*
 * The kernel's generator, in the vDSO: where it is, and what states it wants.
 */
#ifndef _VGETRANDOM_VDSO_H
#define _VGETRANDOM_VDSO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uapi/linux/random.h>

typedef ssize_t (*vdso_fn)(void *buf, size_t len, unsigned int flags,
			   void *state, size_t state_size);

/**
 * vdso_find - the vDSO's getrandom(), if it is there and can be used
 * @params: filled in with what its states need
 * @why: set to the reason if there is none
 *
 * Return: the function; NULL if there is none.
 */
vdso_fn vdso_find(struct vgetrandom_opaque_params *params, const char **why);

#endif /* _VGETRANDOM_VDSO_H */
