// SPDX-License-Identifier: MIT
/*
 * A seccomp filter traps getrandom system calls of the text, and of no other code.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "machine.h"

#define LOAD(field)							\
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field)						\
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
#define JUMP(op, value, yes, no)	BPF_JUMP(BPF_JMP | (op) | BPF_K, value, yes, no)

bool machine_catch_getrandom(const void *text, size_t len)
{
	const uintptr_t start = (uintptr_t)text, end = start + len;
	struct sock_filter code[] = {
		LOAD(arch),
		JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 0, 8),
		LOAD(nr),
		JUMP(BPF_JEQ, SYS_getrandom, 0, 6),
		LOAD_HIGH(instruction_pointer),
		JUMP(BPF_JEQ, start >> 32, 0, 4),
		LOAD(instruction_pointer),
		JUMP(BPF_JGE, (uint32_t)start, 0, 2),
		JUMP(BPF_JGE, (uint32_t)end, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	/* The filter compares 32 bits: start and end must have the same upper half. */
	if (start >> 32 != end >> 32) {
		fprintf(stderr, "machine: the text at %p crosses 4 GiB; run the test again\n", text);
		return false;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		fprintf(stderr, "machine: cannot install a seccomp filter: %s\n", strerror(errno));
		return false;
	}
	return true;
}
