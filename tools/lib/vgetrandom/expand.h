/* SPDX-License-Identifier: MIT */
/*
 * Large requests: a key from the kernel for this one, expanded by ChaCha20 in the process.
 */
#ifndef _VGETRANDOM_EXPAND_H
#define _VGETRANDOM_EXPAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * expand_setup - map memory for the keys of large requests
 * @why: set to the reason if there is none
 *
 * Return: false if large requests cannot be expanded in this process.
 */
bool expand_setup(const char **why);

/**
 * expand_works_here - can this process expand, that may be a child of the one set up?
 */
bool expand_works_here(void);

/**
 * expand - serve a large request
 * @buf: where the bytes go
 * @len: how many; at least 1
 * @flags: 0 or GRND_NONBLOCK
 * @state: the thread's state for the vDSO function; NULL: keys come from the system call
 *
 * Return: @len; or -errno; or 0: somebody else has to serve the request.
 */
ssize_t expand(void *buf, size_t len, unsigned int flags, void *state);

#endif /* _VGETRANDOM_EXPAND_H */
