/* SPDX-License-Identifier: MIT */
/*
 * What the library asks of an architecture; this is x86-64.
 */
#ifndef _VGETRANDOM_ARCH_H
#define _VGETRANDOM_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 33)
#include <sys/platform/x86.h>
#endif
#endif
#ifndef CPU_FEATURE_ACTIVE
#include <cpuid.h>
#endif

/* The size of a page; where the kernel has a choice, the smallest. */
#define ARCH_PAGE		4096UL

/* An address of a process has no more bits. */
#define ARCH_ADDRESS_BITS	47

/* The function in the vDSO. */
#define ARCH_VDSO_SYMBOL	"__vdso_getrandom"
#define ARCH_VDSO_VERSION	"LINUX_2.6"

/* Debian's directory for libraries, up to the name of the C library. */
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
 * struct arch_processor - what cores ask of the processor, and of this process
 * @signature: its family and model, eax of leaf 1 of cpuid
 * @XMM2: has it what FEATURE of the table of cores says?
 * @AVX2: likewise
 * @AVX512VL: likewise
 */
struct arch_processor {
	unsigned int	signature;
	bool		XMM2;
	bool		AVX2;
	bool		AVX512VL;
};

/**
 * arch_processor - look at the processor
 *
 * In a virtual machine each cpuid takes as long as many system calls, and glibc has made them
 * already. It leaves out what the kernel does not save, and what GLIBC_TUNABLES takes away.
 */
static inline struct arch_processor arch_processor(void)
{
	struct arch_processor processor = { .XMM2 = true };
#ifdef CPU_FEATURE_ACTIVE
	processor.signature = __x86_get_cpuid_feature_leaf(CPUID_INDEX_1)->cpuid_array[0];
	processor.AVX2 = CPU_FEATURE_ACTIVE(AVX2);
	processor.AVX512VL = CPU_FEATURE_ACTIVE(AVX512VL);
#else
	const unsigned int ymm = 0x06, zmm = 0xe6;	/* in XCR0 */
	unsigned int ebx, ecx, edx, leaf, saved;

	__cpuid(1, processor.signature, ebx, ecx, edx);
	/* Who has this has leaf 0xd, and so leaf 7. */
	if (!(ecx & bit_OSXSAVE))
		return processor;
	asm volatile("xgetbv" : "=a" (saved), "=d" (edx) : "c" (0));
	if ((saved & ymm) != ymm)
		return processor;
	__cpuid_count(7, 0, leaf, ebx, ecx, edx);
	processor.AVX2 = ebx & bit_AVX2;
	processor.AVX512VL = (saved & zmm) == zmm && ebx & bit_AVX512VL;
#endif
	return processor;
}

/**
 * arch_slowed_by - does a core slow the processor down for whatever else runs there?
 * @core: its name
 * @processor: from arch_processor()
 *
 * That it is Intel's need not be asked: no other of family 6 runs the core.
 */
static inline bool arch_slowed_by(const char *core, const struct arch_processor *processor)
{
	static const unsigned char models[] = {
#define VGETRANDOM_SLOWED_BY_ZMM(model)	model,
#include <asm/vdso/getrandom-slowed-by-zmm.h>
	};
	const unsigned int family = processor->signature >> 8 & 0xf;
	const unsigned int model = (processor->signature >> 4 & 0xf) |
				   (processor->signature >> 12 & 0xf0);

	if (family != 6 || strcmp(core, "avx512"))
		return false;
	for (size_t i = 0; i < sizeof(models); i++)
		if (models[i] == model)
			return true;
	return false;
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
 * arch_tell_valgrind - a request to the tool of valgrind that the process runs in
 * @request: its number, as in the headers of that tool
 * @tag: its argument
 *
 * By an order of instructions that valgrind knows, and that does nothing elsewhere. Word by word:
 * a thread of musl that is cancelled asynchronously exits on a stack that is not aligned for a
 * vector.
 */
static inline void arch_tell_valgrind(unsigned long request, const volatile void *tag)
{
	volatile unsigned long words[6];
	unsigned long answer = 0;

	words[0] = request;
	words[1] = (unsigned long)tag;
	asm volatile("rol	$3, %%rdi\n\t"
		     "rol	$13, %%rdi\n\t"
		     "rol	$61, %%rdi\n\t"
		     "rol	$51, %%rdi\n\t"
		     "xchg	%%rbx, %%rbx"
		     : "+d" (answer) : "a" (words) : "cc", "memory");
}

/**
 * arch_copy_secret - copy secret bytes
 * @dst: where they go
 * @src: where they are
 * @len: how many
 *
 * In assembly, so that it is known which register they go through: none has them then.
 */
static inline void arch_copy_secret(void *dst, const void *src, size_t len)
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
