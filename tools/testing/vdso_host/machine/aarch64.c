// SPDX-License-Identifier: MIT
/*
 * In the text each svc becomes an undefined instruction: an emulator of user space has no
 * seccomp filters. All system calls of the image are for getrandom.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine.h"

#define SVC		0xd4000001	/* svc #0 */
#define UNDEFINED	0x00000000	/* udf #0 */

bool machine_catch_getrandom(const void *text, size_t len)
{
	const uintptr_t from = (uintptr_t)text & -getpagesize();
	const size_t size = (uintptr_t)text + len - from;
	uint32_t *code = (uint32_t *)text;
	unsigned int caught = 0;

	if (mprotect((void *)from, size, PROT_READ | PROT_WRITE)) {
		fprintf(stderr, "machine: writing to the image: %s\n", strerror(errno));
		return false;
	}
	for (size_t i = 0; i < len / sizeof(*code); i++) {
		if (code[i] != SVC)
			continue;
		code[i] = UNDEFINED;
		caught++;
	}
	__builtin___clear_cache((char *)from, (char *)from + size);
	if (!caught || mprotect((void *)from, size, PROT_READ | PROT_EXEC)) {
		fprintf(stderr, "machine: the image makes no system call, or: %s\n",
			strerror(errno));
		return false;
	}
	return true;
}
