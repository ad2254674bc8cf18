/* SPDX-License-Identifier: MIT */
/*
 * What the hosted vDSO and the tests of the rules have to know of a machine. Each has a
 * header and a source here; what steps, and what looks into registers, is for x86-64 only.
 *
 *	MACHINE_ELF		what ELF files call it
 *	MACHINE_BASELINE	a feature that all of them have, for tables of cores
 *	MACHINE_STATE_ALIGN	states may be at multiples of this
 *	MACHINE_SYSCALL_SIGNAL		the signal of machine_catch_getrandom()
 *	machine_has(feature)	has this one a feature of such a table?
 *	machine_breakpoint	an instruction that raises SIGTRAP
 *
 * And of a signal's context:
 *
 *	machine_argument(c, n)	argument 0, 1 or 2 of the function or system call that begins
 *	machine_return_from_syscall(c, v)	the system call has been made, and returns this
 *	machine_return_early(c)	the function that begins returns to its caller at once
 *	machine_ip(c)		the instruction that comes next
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
 * From now on MACHINE_SYSCALL_SIGNAL is raised by each getrandom system call of @text instead. Once
 * in a process. Says why on stderr if it returns false.
 */
bool machine_catch_getrandom(const void *text, size_t len);

#endif /* _MACHINE_H */
