/* SPDX-License-Identifier: MIT */
/*
 * The functions of libc that the library replaces. Not from libc's headers: some lack these
 * functions, and others declare them differently.
 */
#ifndef _VGETRANDOM_DROPIN_H
#define _VGETRANDOM_DROPIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(default)
ssize_t getrandom(void *buf, size_t len, unsigned int flags);
int getentropy(void *buf, size_t len);
uint32_t arc4random(void);
void arc4random_buf(void *buf, size_t len);
uint32_t arc4random_uniform(uint32_t upper_bound);
#pragma GCC visibility pop

/* For syscall(), in arch/ARCH/syscall.S. */

/**
 * vgetrandom_for_syscall - serve syscall(SYS_getrandom, ...)
 * @buf: as in getrandom(2)
 * @len: likewise
 * @flags: likewise
 *
 * Return: as in getrandom(2)
 */
ssize_t vgetrandom_for_syscall(void *buf, size_t len, unsigned int flags);

/**
 * vgetrandom_fail - set errno
 * @error: the negative error number
 *
 * Return: -1
 */
ssize_t vgetrandom_fail(ssize_t error);

#endif /* _VGETRANDOM_DROPIN_H */
