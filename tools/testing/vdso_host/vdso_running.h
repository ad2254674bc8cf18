/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds __vdso_getrandom() of the running kernel, for comparison.
 */
#ifndef _VDSO_RUNNING_H
#define _VDSO_RUNNING_H

#include <stdbool.h>
#include <stddef.h>

#include "step.h"

struct vdso_running {
	vgetrandom_fn fn;	/* NULL: this kernel has none */
	const void *text;	/* the whole image: section headers are not mapped */
	size_t text_len;
	size_t state_size;	/* as the query returns it */
};

/*
 * Returns false and prints an error to stderr if the query of parameters fails. A vDSO
 * without getrandom() is no error.
 */
bool vdso_running_open(struct vdso_running *running);

#endif /* _VDSO_RUNNING_H */
