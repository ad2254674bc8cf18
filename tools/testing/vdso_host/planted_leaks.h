/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that do leave something behind: eight bytes of the state's next key, in one
 * place each. For the tests to find, or they would not find what a core leaves.
 */
#ifndef _PLANTED_LEAKS_H
#define _PLANTED_LEAKS_H

#include "tracee.h"

#define PLANTED_OFFSET	3	/* in the key: at no multiple of anything */

/* Before the traced process is started. */
bool leaks_prepare(const struct vdso_host *host);

/* In memory: number @n, until there are no more; in the traced process at shared->place. */
vgetrandom_fn leaks_in_memory(unsigned int n, const char **name);

/*
 * In a register: likewise. @offset is where in struct user_regs_struct it is to be found,
 * or if it is one of @component, 0 being the legacy ones, where in that of the XSAVE area.
 */
#define LEAK_GENERAL	(~0U)
vgetrandom_fn leaks_in_register(unsigned int n, char name[32], unsigned int *component,
				size_t *offset);

#endif /* _PLANTED_LEAKS_H */
