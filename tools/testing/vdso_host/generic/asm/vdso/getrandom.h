/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * A minimal architecture for lib/vdso/getrandom.c: it defines only what every architecture
 * must, and uses the generic forms of the rest. vdso_host.c maps its image like the kernel's.
 */
#ifndef _ASM_VDSO_GETRANDOM_H
#define _ASM_VDSO_GETRANDOM_H

#include <asm/rwonce.h>
#include <asm/unistd.h>
#include <linux/compiler.h>
#include <vdso/getrandom.h>
#include <vdso/limits.h>

#define PAGE_SIZE	4096UL

/* On the data pages below the image: see image.lds. A time namespace swaps the pages. */
struct clock_data {
	u32	seq;
	int	clock_mode;
};

#define CLOCKMODE_TIMENS	INT_MAX
#define hidden			__attribute__((visibility("hidden")))

extern const struct clock_data vvar__vdso_data hidden;
extern const struct vdso_rng_data vvar__vdso_rng_data hidden, timens__vdso_rng_data hidden;

static __always_inline ssize_t getrandom_syscall(void *buffer, size_t len, unsigned int flags)
{
#ifdef __x86_64__
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "0" (__NR_getrandom), "D" (buffer), "S" (len), "d" (flags)
		     : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long number asm("x8") = __NR_getrandom;
	register long ret asm("x0") = (long)buffer;
	register size_t length asm("x1") = len;
	register unsigned long how asm("x2") = flags;

	asm volatile("svc #0" : "+r" (ret) : "r" (number), "r" (length), "r" (how) : "memory");
	return ret;
#else
#error "no system call for this machine"
#endif
}

static __always_inline const struct vdso_rng_data *__arch_get_vdso_rng_data(void)
{
	return &vvar__vdso_rng_data;
}

static __always_inline const struct vdso_rng_data *__arch_find_vdso_rng_data(void)
{
	if (unlikely(READ_ONCE(vvar__vdso_data.clock_mode) == CLOCKMODE_TIMENS))
		return &timens__vdso_rng_data;
	return &vvar__vdso_rng_data;
}

#include <vdso/getrandom-generic.h>

#endif /* _ASM_VDSO_GETRANDOM_H */
