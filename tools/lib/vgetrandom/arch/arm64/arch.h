/* SPDX-License-Identifier: MIT */
/*
 * What the library asks of an architecture, for arm64; ../x86/arch.h documents it.
 */
#ifndef _VGETRANDOM_ARCH_H
#define _VGETRANDOM_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

#define ARCH_PAGE		4096UL
#define ARCH_ADDRESS_BITS	52
#define ARCH_VDSO_SYMBOL	"__kernel_getrandom"
#define ARCH_VDSO_VERSION	"LINUX_2.6.39"
#define ARCH_MULTIARCH		"aarch64-linux-"

static inline bool arch_slowed_by(const char *core)
{
	(void)core;
	return false;
}

static inline ssize_t arch_syscall_getrandom(void *buf, size_t len, unsigned int flags)
{
	register long nr asm("x8") = SYS_getrandom;
	register long ret asm("x0") = (long)buf;
	register size_t bytes asm("x1") = len;
	register unsigned long mode asm("x2") = flags;

	asm volatile("svc	#0"
		     : "+r" (ret) : "r" (nr), "r" (bytes), "r" (mode) : "memory", "cc");
	return ret;
}

static inline void arch_move_out(void *dst, const void *src, size_t len)
{
	unsigned int byte;

	asm volatile("1:	cbz	%[len], 2f\n\t"
		     "ldrb	%w[byte], [%[src]], #1\n\t"
		     "strb	%w[byte], [%[dst]], #1\n\t"
		     "sub	%[len], %[len], #1\n\t"
		     "b		1b\n"
		     "2:	mov	%w[byte], wzr"
		     : [src] "+r" (src), [dst] "+r" (dst), [len] "+r" (len), [byte] "=&r" (byte)
		     : : "memory");
}

#endif /* _VGETRANDOM_ARCH_H */
