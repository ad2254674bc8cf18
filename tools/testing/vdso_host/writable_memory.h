/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All the memory that a stopped process can write to, searched for secrets from
 * outside: by a process that knows them, so that the other one need not.
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
	uintptr_t address;	/* 0: there are none */
	char what[128];		/* the mapping it is in; or what went wrong */
	size_t searched;	/* bytes */
	unsigned int mappings;
};

#define MEMORY_MAX_ALLOWED 8

/*
 * Is there a secret (see secrets.h) in the memory of @pid that it can write to, but for
 * @allowed? The caller traces it, and it is stopped. Returns false if there is, or if
 * some of the memory could not be read.
 */
bool memory_is_clean(pid_t pid, const struct memory_range *allowed, size_t nallowed,
		     struct memory_finding *finding);

#endif /* _WRITABLE_MEMORY_H */
