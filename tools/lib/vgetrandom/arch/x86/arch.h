/* SPDX-License-Identifier: MIT */
/*
 * What the library needs from an architecture; this is x86-64, and the documentation for all.
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

/* The size of a page; the smallest one if the architecture has several. */
#define ARCH_PAGE		4096UL

/* The number of bits of a user-space address. */
#define ARCH_ADDRESS_BITS	47

/* The name and version of the function in the vDSO. */
#define ARCH_VDSO_SYMBOL	"__vdso_getrandom"
#define ARCH_VDSO_VERSION	"LINUX_2.6"

/* Debian's directory for libraries, without the name of the C library at its end. */
#define ARCH_MULTIARCH		"x86_64-linux-"

/*
 * For each core, the request sizes in bytes from which expanding a key is faster than a vDSO
 * generator that makes one block at a time, and than the system call. "crossover" in bench/
 * measures them. An expansion costs a whole iteration of the core, whatever the size; the other
 * ways cost more with each block. SSE2's iteration is so slow that 513 bytes, the first size that
 * needs two of them, would be slower expanded.
 */
#define PAYS_sse2	.instead_of_vdso = 640, .instead_of_syscall = 256
#define PAYS_avx2	.instead_of_vdso = 160, .instead_of_syscall = 128
#define PAYS_avx512vl	.instead_of_vdso = 160, .instead_of_syscall = 128
#define PAYS_avx512	.instead_of_vdso = 192, .instead_of_syscall = 128

/**
 * struct arch_processor - the processor, as this process may use it
 * @signature: family and model: eax of cpuid leaf 1
 * @XMM2: whether it has this feature; FEATURE of the table of cores names these members
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
 * arch_processor - detect the processor
 *
 * In a virtual machine, each cpuid takes as long as many system calls. glibc has executed them
 * already, so its results are used. glibc leaves out features whose registers the kernel does not
 * save, and features that GLIBC_TUNABLES disables.
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
	/* A processor with OSXSAVE has leaf 0xd, and so leaf 7. */
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
 * arch_core_slows_cpu - does a core lower the clock rate, and slow down all other code?
 * @core: name of the core
 * @processor: from arch_processor()
 *
 * The vendor need not be checked: only Intel's processors of family 6 run the core.
 */
static inline bool arch_core_slows_cpu(const char *core, const struct arch_processor *processor)
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
 * arch_syscall - make a system call; for raw_syscall()
 * @nr: its number
 * @a: its first argument
 * @b: its second argument
 * @c: its third argument
 * @d: its fourth argument
 * @e: its fifth argument
 * @f: its sixth argument
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
 * arch_tell_valgrind - make a request to valgrind's tool, if the process runs under valgrind
 * @request: number of the request, from the headers of the tool
 * @tag: its argument
 *
 * valgrind recognises this sequence of instructions, which has no effect otherwise. @words is
 * written word by word: with musl, a thread that is cancelled asynchronously exits on a stack that
 * is not aligned for vector instructions.
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
 * arch_copy_secret - copy secret bytes, and leave none in a register
 * @dst: the destination
 * @src: the source
 * @len: number of bytes
 *
 * In assembly, so that the register that the bytes pass through is known, and can be cleared.
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
