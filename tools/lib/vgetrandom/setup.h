/* SPDX-License-Identifier: MIT */
/*
 * What is in effect in this process: decided once, when the library starts.
 */
#ifndef _VGETRANDOM_SETUP_H
#define _VGETRANDOM_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "vdso.h"
#include "vgetrandom.h"

struct core;

/**
 * struct config - what is in effect
 * @fn: the vDSO's function, or the library's generator; NULL: the system call serves small
 *	requests
 * @way: which of these
 * @state_size: of its states, in bytes
 * @large_from: from that many bytes on a request is large; never 0
 * @core: what expands large requests' keys
 * @params: what the vDSO or the generator says of its states
 * @small_why: the reason for @fn
 * @large_why: the reason for @large_from
 * @module_why: the reason why the module's page is not used; NULL if it is
 * @leave_syscall: syscall(SYS_getrandom, ...) is to be the system call
 *
 * As long as the library has not started all is 0 but for @large_from, and every request
 * is a system call.
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
