/* SPDX-License-Identifier: MIT */
/*
 * The library's own system calls. libc's functions may be this library's or those of another
 * one, set errno, and may be cancellation points.
 */
#ifndef _VGETRANDOM_RAW_H
#define _VGETRANDOM_RAW_H

#include <arch.h>
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

#endif /* _VGETRANDOM_RAW_H */
