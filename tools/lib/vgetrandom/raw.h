/* SPDX-License-Identifier: MIT */
/*
 * Replacements for libc functions. libc's system call functions may be replaced by this library or
 * by another one, set errno, and may be cancellation points.
 */
#ifndef _VGETRANDOM_RAW_H
#define _VGETRANDOM_RAW_H

#include <arch.h>
#include <stdbool.h>
#include <sys/syscall.h>

/**
 * raw_syscall - make a system call
 * @...: the number of the system call, then up to 6 arguments, integers or pointers
 *
 * Return: what the kernel returns; -errno on error
 */
#define raw_syscall(...)	__raw_syscall(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define __raw_syscall(nr, a, b, c, d, e, f, ...)				\
	arch_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/**
 * raw_streq - compare two strings
 * @a: a string
 * @b: another string
 *
 * For the start of a process: libc's strcmp() is in a page that few processes have touched by
 * then, and would cost a page fault.
 *
 * Return: true if the strings are equal
 */
static inline bool raw_streq(const char *a, const char *b)
{
	for (; *a && *a == *b; a++)
		b++;
	return *a == *b;
}

#endif /* _VGETRANDOM_RAW_H */
