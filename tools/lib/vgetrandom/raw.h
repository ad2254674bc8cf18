/* SPDX-License-Identifier: MIT */
/*
 * What the library does without libc. libc's functions for system calls may be this library's or
 * those of another one, set errno, and may be cancellation points.
 */
#ifndef _VGETRANDOM_RAW_H
#define _VGETRANDOM_RAW_H

#include <arch.h>
#include <stdbool.h>
#include <sys/syscall.h>

/**
 * raw_syscall - make a system call
 * @...: its number, then up to 6 arguments, integers or pointers
 *
 * Return: what the kernel returns; -errno on error
 */
#define raw_syscall(...)	__raw_syscall(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define __raw_syscall(nr, a, b, c, d, e, f, ...)				\
	arch_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/**
 * raw_streq - strcmp(), for what each process compares when it starts
 * @a: a string
 * @b: another one
 *
 * libc's is in a page of libc that few processes have by then: a page fault.
 *
 * Return: are they the same?
 */
static inline bool raw_streq(const char *a, const char *b)
{
	for (; *a && *a == *b; a++)
		b++;
	return *a == *b;
}

#endif /* _VGETRANDOM_RAW_H */
