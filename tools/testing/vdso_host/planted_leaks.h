/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Controls for process_residue_test: calls that leave eight bytes of the state's next key
 * behind, each in another place. The test must find them all.
 */
#ifndef _PLANTED_LEAKS_H
#define _PLANTED_LEAKS_H

#include "tracee.h"

#define PLANTED_OFFSET	3	/* in the key: not aligned */

/* Call this before the traced process starts. */
bool leaks_prepare(const struct vdso_host *host);

/*
 * Call number @n that leaks to memory, or NULL after the last one. It stores the address of
 * the leak in shared->place of the traced process.
 */
vgetrandom_fn leaks_in_memory(unsigned int n, const char **name);

/*
 * The same for registers. @offset is the leak's offset in struct user_regs_struct if
 * @component is LEAK_GENERAL, or else in this component of the XSAVE area (0: legacy area).
 */
#define LEAK_GENERAL	(~0U)
vgetrandom_fn leaks_in_register(unsigned int n, char name[32], unsigned int *component,
				size_t *offset);

#endif /* _PLANTED_LEAKS_H */
