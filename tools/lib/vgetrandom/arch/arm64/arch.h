/* SPDX-License-Identifier: MIT */
/*
 * What the library needs from an architecture, for arm64; ../x86/arch.h documents it.
 */
#ifndef _VGETRANDOM_ARCH_H
#define _VGETRANDOM_ARCH_H

#include <stdbool.h>
#include <stddef.h>

#define ARCH_PAGE		4096UL
#define ARCH_ADDRESS_BITS	52
#define ARCH_VDSO_SYMBOL	"__kernel_getrandom"
#define ARCH_VDSO_VERSION	"LINUX_2.6.39"
#define ARCH_MULTIARCH		"aarch64-linux-"

struct arch_processor { };

static inline struct arch_processor arch_processor(void)
{
	return (struct arch_processor) { };
}

static inline bool arch_core_slows_cpu(const char *core, const struct arch_processor *processor)
{
	(void)core;
	(void)processor;
	return false;
}

static inline long arch_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 asm("x8") = nr;
	register long x0 asm("x0") = a;
	register long x1 asm("x1") = b;
	register long x2 asm("x2") = c;
	register long x3 asm("x3") = d;
	register long x4 asm("x4") = e;
	register long x5 asm("x5") = f;

	asm volatile("svc	#0"
		     : "+r" (x0)
		     : "r" (x8), "r" (x1), "r" (x2), "r" (x3), "r" (x4), "r" (x5)
		     : "memory", "cc");
	return x0;
}

static inline void arch_tell_valgrind(unsigned long request, const volatile void *tag)
{
	volatile unsigned long words[6];

	words[0] = request;
	words[1] = (unsigned long)tag;
	asm volatile("mov	x3, xzr\n\t"
		     "mov	x4, %[words]\n\t"
		     "ror	x12, x12, #3\n\t"
		     "ror	x12, x12, #13\n\t"
		     "ror	x12, x12, #51\n\t"
		     "ror	x12, x12, #61\n\t"
		     "orr	x10, x10, x10"
		     : : [words] "r" (words) : "x3", "x4", "cc", "memory");
}

static inline void arch_copy_secret(void *dst, const void *src, size_t len)
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
