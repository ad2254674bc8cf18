/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running kernel's own vDSO, where it has getrandom(): for comparison.
 */
#ifndef _VDSO_RUNNING_H
#define _VDSO_RUNNING_H

#include <stdbool.h>
#include <stddef.h>

#include "step.h"

struct vdso_running {
	vgetrandom_fn fn;	/* NULL: it has none */
	const void *text;	/* the whole image: its sections are not to be had */
	size_t text_len;
	size_t state_size;	/* what it says that it needs */
};

/* Says why on stderr if it returns false; that it has no getrandom() is no failure. */
bool vdso_running_open(struct vdso_running *own);

#endif /* _VDSO_RUNNING_H */
