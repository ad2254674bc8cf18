/* SPDX-License-Identifier: MIT */
/*
 * Large requests: the kernel makes a key for the request, and ChaCha20 expands it in the process.
 */
#ifndef _VGETRANDOM_EXPAND_H
#define _VGETRANDOM_EXPAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * struct expanded - result of expand()
 * @is_served: false if the caller must serve the request in another way: this thread has no
 *	       expansion state, an interrupted call uses it, or each attempt failed
 * @ret: if @is_served: the length of the request, or -errno
 */
struct expanded {
	bool	is_served;
	ssize_t	ret;
};

/**
 * expand - serve a large request
 * @buf: the buffer to fill
 * @len: its length; at least 1
 * @flags: 0 or GRND_NONBLOCK
 * @state: the thread's idle state, to draw the key from; NULL: the system call makes the key
 *
 * Return: struct expanded
 */
struct expanded expand(void *buf, size_t len, unsigned int flags, void *state);

#endif /* _VGETRANDOM_EXPAND_H */
