/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * x86-64 assembly for lib/vdso/getrandom.c, in the vDSO and in libvgetrandom. Each
 * function's contract is at its C version, in include/vdso/getrandom-generic.h.
 */
#ifndef __ASM_VDSO_GETRANDOM_ASM_H
#define __ASM_VDSO_GETRANDOM_ASM_H

#include <asm/asm.h>
#include <asm/vdso/getrandom-take.h>

/* __builtin_frame_address() would set up a frame pointer. */
static __always_inline unsigned long __arch_vgetrandom_token(void)
{
	unsigned long call;

	asm volatile("movq %%rsp, %[call]" : [call] "=r" (call));

	return call;
}

#define __arch_vgetrandom_token __arch_vgetrandom_token

/* Compilers do not compile READ_ONCE(*word) == value to one instruction. */
static __always_inline bool __arch_vgetrandom_holds(const void *word, u64 value)
{
	bool holds;

	asm volatile("cmpq %[value], %[word]" CC_SET(e)
		     : CC_OUT(e) (holds) : [word] "m" (*(const u64 *)word), [value] "re" (value)
		     : "memory");

	return holds;
}

#define __arch_vgetrandom_holds __arch_vgetrandom_holds

/* No LOCK prefix, because other CPUs do not matter. */
static __always_inline bool __arch_vgetrandom_replace(u64 *word, u64 from, u64 to)
{
	bool replaced;

	asm volatile("cmpxchgq %[to], %[word]" CC_SET(e)
		     : CC_OUT(e) (replaced), [word] "+m" (*word), "+a" (from)
		     : [to] "r" (to)
		     : "memory");

	return replaced;
}

#define __arch_vgetrandom_replace __arch_vgetrandom_replace

/* Four stores instead of eight. */
static __always_inline void __arch_vgetrandom_erase_64(u8 *p)
{
	asm volatile("pxor %%xmm0, %%xmm0\n\t"
		     "movdqu %%xmm0, 0x00(%[p])\n\t"
		     "movdqu %%xmm0, 0x10(%[p])\n\t"
		     "movdqu %%xmm0, 0x20(%[p])\n\t"
		     "movdqu %%xmm0, 0x30(%[p])"
		     : : [p] "r" (p) : "memory");
}

#define __arch_vgetrandom_erase_64 __arch_vgetrandom_erase_64

#endif /* __ASM_VDSO_GETRANDOM_ASM_H */
