/* SPDX-License-Identifier: MIT */
/*
 * Finds the kernel's generator in the vDSO.
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
 * vdso_find - find the vDSO's getrandom()
 * @params: set to what its states require
 * @why: set to the reason if the function returns NULL
 *
 * Return: the function; NULL if there is none, or the library cannot use it.
 */
vdso_fn vdso_find(struct vgetrandom_opaque_params *params, const char **why);

#endif /* _VGETRANDOM_VDSO_H */
