/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Searches all writable memory of a stopped process for secrets. Another process does it,
 * so that the searched one need not hold the secrets.
 */
#ifndef _WRITABLE_MEMORY_H
#define _WRITABLE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memory_range {
	uintptr_t start, end;
};

struct memory_finding {
	uintptr_t address;	/* of the first secret; 0 if there is none */
	char what[128];		/* the mapping that it is in, or an error message */
	size_t searched;	/* bytes */
	unsigned int mappings;
};

#define MEMORY_MAX_ALLOWED 8

/*
 * Returns false if writable memory of @pid outside of @allowed holds a secret (secrets.h), or
 * cannot be read. The caller traces @pid, which must be stopped.
 */
bool memory_is_clean(pid_t pid, const struct memory_range *allowed, size_t nallowed,
		     struct memory_finding *finding);

#endif /* _WRITABLE_MEMORY_H */
