/* SPDX-License-Identifier: MIT */
/*
 * How requests of this process are served: decided once, when the library starts.
 */
#ifndef _VGETRANDOM_SETUP_H
#define _VGETRANDOM_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "vdso.h"
#include "vgetrandom.h"

struct core;

/**
 * struct config - how requests are served
 * @fn: the function that serves small requests: the vDSO's, or the library's generator; NULL: the
 *	system call serves them
 * @way: which of these
 * @state_size: size of @fn's states in bytes
 * @large_from: the size in bytes from which a request is large; NEVER_LARGE if no size is; never 0
 * @core: the core that expands the keys of large requests
 * @params: what @fn requires of its states
 * @small_why: the reason for @fn
 * @large_why: the reason for @large_from
 * @module_why: the reason why the module's page is not used; NULL if it is
 * @leave_syscall: syscall(SYS_getrandom, ...) always makes the system call
 *
 * Until the library has started, all members except @large_from are 0, and every request is a
 * system call.
 */
struct config {
	vdso_fn				fn;
	enum vgetrandom_way		way;
	size_t				state_size;
	size_t				large_from;
	const struct core		*core;
	struct vgetrandom_opaque_params	params;
	const char			*small_why;
	const char			*large_why;
	const char			*module_why;
	bool				leave_syscall;
};

#define NEVER_LARGE	((size_t)-1)

extern struct config config __attribute__((visibility("hidden")));

#endif /* _VGETRANDOM_SETUP_H */
