/* SPDX-License-Identifier: MIT */
/*
 * Large requests: a key from the kernel for this one, expanded by ChaCha20 in the process.
 */
#ifndef _VGETRANDOM_EXPAND_H
#define _VGETRANDOM_EXPAND_H

#include <stddef.h>
#include <sys/types.h>

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
