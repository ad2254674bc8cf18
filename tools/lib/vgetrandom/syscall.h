/* SPDX-License-Identifier: MIT */
/*
 * The system call itself. libc's getrandom() may be this library's own, is a cancellation
 * point with some, and libc's syscall() moves errno.
 */
#ifndef _VGETRANDOM_SYSCALL_H
#define _VGETRANDOM_SYSCALL_H

#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

static inline ssize_t syscall_getrandom(void *buf, size_t len, unsigned int flags)
{
	ssize_t ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "0" (SYS_getrandom), "D" (buf), "S" (len), "d" (flags)
		     : "rcx", "r11", "memory");
	return ret;
}

#endif /* _VGETRANDOM_SYSCALL_H */
