/* SPDX-License-Identifier: MIT */
/*
 * What the hosted vDSO and calls_test need to know about an architecture. Each has a header
 * and a source file here. Tests that single-step or read registers are for x86-64 only.
 *
 *	MACHINE_ELF		its ELF machine number
 *	MACHINE_BASELINE	a feature that every processor has, for tables of cores
 *	MACHINE_STATE_ALIGN	required alignment of states
 *	MACHINE_SYSCALL_SIGNAL	the signal of machine_catch_getrandom()
 *	machine_has(feature)	does this processor have a feature of such a table?
 *	machine_breakpoint	an instruction that raises SIGTRAP
 *
 * With a signal's context c:
 *
 *	machine_argument(c, n)	argument 0, 1 or 2 of a function or system call, at its start
 *	machine_return_from_syscall(c, v)	skip the system call and return v from it
 *	machine_return_early(c, v)	return v from a function at its breakpoint, at its start
 */
#ifndef _MACHINE_H
#define _MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __aarch64__
#include "aarch64.h"
#else
#include "x86_64.h"
#endif

/*
 * Make each getrandom system call of @text raise MACHINE_SYSCALL_SIGNAL instead. Once in a
 * process. Returns false and prints an error to stderr if it fails.
 */
bool machine_catch_getrandom(const void *text, size_t len);

#endif /* _MACHINE_H */
