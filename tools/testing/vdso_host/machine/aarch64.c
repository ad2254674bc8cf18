// SPDX-License-Identifier: MIT
/*
 * Replaces each svc of the text by an undefined instruction, because QEMU's user mode has no
 * seccomp filters. All system calls of the image are getrandom.
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
		fprintf(stderr, "machine: cannot write to the image: %s\n", strerror(errno));
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
		fprintf(stderr, "machine: %s\n",
			caught ? strerror(errno) : "the image makes no system call");
		return false;
	}
	return true;
}
