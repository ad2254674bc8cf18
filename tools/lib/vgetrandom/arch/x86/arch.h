/* SPDX-License-Identifier: MIT */
/*
 * What the library asks of an architecture; this is x86-64.
 */
#ifndef _VGETRANDOM_ARCH_H
#define _VGETRANDOM_ARCH_H

#include <cpuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The size of a page; where the kernel has a choice, the smallest. */
#define ARCH_PAGE		4096UL

/* An address of a process has no more bits. */
#define ARCH_ADDRESS_BITS	47

/* The function in the vDSO. */
#define ARCH_VDSO_SYMBOL	"__vdso_getrandom"
#define ARCH_VDSO_VERSION	"LINUX_2.6"

/* Debian's folder for libraries, up to the name of the C library. */
#define ARCH_MULTIARCH		"x86_64-linux-"

/*
 * For each core, from how many bytes on it pays to expand a key: one drawn from a vDSO
 * generator that makes a block at a time, and one from the system call. "crossover" in
 * bench/ finds them. An expansion takes an iteration of the core, whatever the size; the
 * other ways take longer with each block. SSE2's iteration is so long that the first size
 * with two of them, 513, would be a loss.
 */
#define PAYS_sse2	.instead_of_vdso = 640, .instead_of_syscall = 256
#define PAYS_avx2	.instead_of_vdso = 160, .instead_of_syscall = 128
#define PAYS_avx512vl	.instead_of_vdso = 160, .instead_of_syscall = 128
#define PAYS_avx512	.instead_of_vdso = 192, .instead_of_syscall = 128

/**
 * arch_has_feature - does the processor have what a core needs?
 * @feature: a string constant of the table of cores
 *
 * The kernel has to save and restore the registers, too.
 */
#define arch_has_feature(feature)	(__builtin_cpu_init(), __builtin_cpu_supports(feature))

/**
 * arch_slowed_by - does a core slow the processor down for whatever else runs there?
 * @core: its name
 */
static inline bool arch_slowed_by(const char *core)
{
	static const unsigned char models[] = {
#define VGETRANDOM_SLOWED_BY_ZMM(model)	model,
#include <asm/vdso/getrandom-slowed-by-zmm.h>
	};
	unsigned int eax, ebx, ecx, edx, family, model;

	if (strcmp(core, "avx512") || !__builtin_cpu_is("intel") ||
	    !__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		return false;
	family = eax >> 8 & 0xf;
	model = (eax >> 4 & 0xf) | (eax >> 12 & 0xf0);
	return family == 6 && memchr(models, (int)model, sizeof(models));
}

/**
 * arch_syscall - enter the kernel
 * @nr: the system call's number
 * @a: its arguments
 * @b: likewise
 * @c: likewise
 * @d: likewise
 * @e: likewise
 * @f: likewise
 *
 * For raw_syscall(), see raw.h.
 */
static inline long arch_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "0" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	return ret;
}

/**
 * arch_move_out - copy secret bytes
 * @dst: where they go
 * @src: where they are
 * @len: how many
 *
 * In assembly, so that it is known which register they go through: none has them then.
 */
static inline void arch_move_out(void *dst, const void *src, size_t len)
{
	size_t words = len / 8, bytes = len % 8, word;

	asm volatile("test	%[words], %[words]\n\t"
		     "jz	2f\n"
		     "1:	mov	(%[src]), %[word]\n\t"
		     "mov	%[word], (%[dst])\n\t"
		     "add	$8, %[src]\n\t"
		     "add	$8, %[dst]\n\t"
		     "dec	%[words]\n\t"
		     "jnz	1b\n"
		     "2:	test	%[bytes], %[bytes]\n\t"
		     "jz	4f\n"
		     "3:	mov	(%[src]), %b[word]\n\t"
		     "mov	%b[word], (%[dst])\n\t"
		     "inc	%[src]\n\t"
		     "inc	%[dst]\n\t"
		     "dec	%[bytes]\n\t"
		     "jnz	3b\n"
		     "4:	xor	%k[word], %k[word]"
		     : [src] "+r" (src), [dst] "+r" (dst), [words] "+r" (words),
		       [bytes] "+r" (bytes), [word] "=&r" (word)
		     : : "cc", "memory");
}

#endif /* _VGETRANDOM_ARCH_H */
