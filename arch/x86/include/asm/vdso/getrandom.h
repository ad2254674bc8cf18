/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What lib/vdso/getrandom.c asks of x86-64 in the vDSO.
 */
#ifndef __ASM_VDSO_GETRANDOM_H
#define __ASM_VDSO_GETRANDOM_H

#include <asm/page_types.h>
#include <asm/unistd.h>
#include <asm/vdso/getrandom-asm.h>
#include <vdso/datapage.h>	/* and the two pages of it, from <asm/vvar.h> */

/**
 * getrandom_syscall - getrandom(2) itself
 * @buffer:	where the bytes go
 * @len:	how many
 * @flags:	GRND_*
 *
 * Return: what the system call returns.
 */
static __always_inline ssize_t getrandom_syscall(void *buffer, size_t len, unsigned int flags)
{
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "0" (__NR_getrandom), "D" (buffer), "S" (len), "d" (flags)
		     : "rcx", "r11", "memory");

	return ret;
}

/**
 * __arch_get_vdso_rng_data - where the kernel's RNG publishes its state, mostly
 *
 * Return: the kernel's own data; in a time namespace, data that nobody ever writes.
 */
static __always_inline const struct vdso_rng_data *__arch_get_vdso_rng_data(void)
{
	return &VVAR(_vdso_rng_data)[0];
}

/**
 * __arch_find_vdso_rng_data - where the kernel's RNG publishes its state
 *
 * In a time namespace the page that is usually the kernel's belongs to the
 * namespace, and the kernel's page takes the place of the namespace's. A process can
 * change namespaces between two calls, so ask in each; a handler that joins one in
 * the middle of a call makes the data go away, and the next attempt asks again. (One
 * that leaves a namespace there takes the page away, from this function as from
 * clock_gettime().)
 *
 * Return: the kernel's own data, inside and outside of time namespaces.
 */
static __always_inline const struct vdso_rng_data *__arch_find_vdso_rng_data(void)
{
	if (IS_ENABLED(CONFIG_TIME_NS) &&
	    unlikely(READ_ONCE(__vdso_data->clock_mode) == VDSO_CLOCKMODE_TIMENS))
		return &TIMENS(_vdso_rng_data)[0];
	return &VVAR(_vdso_rng_data)[0];
}

#include <vdso/getrandom-generic.h>

/* In arch/x86/entry/vdso/vgetrandom.c: the exported function. */
ssize_t __vdso_getrandom(void *buffer, size_t len, unsigned int flags,
			 void *opaque_state, size_t opaque_len);

#endif /* __ASM_VDSO_GETRANDOM_H */
