/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What lib/vdso/getrandom.c needs from x86-64 in the vDSO.
 */
#ifndef __ASM_VDSO_GETRANDOM_H
#define __ASM_VDSO_GETRANDOM_H

#include <asm/page_types.h>
#include <asm/unistd.h>
#include <asm/vdso/getrandom-asm.h>
#include <vdso/datapage.h>	/* includes <asm/vvar.h>: VVAR(), TIMENS() */

/**
 * getrandom_syscall - make the system call getrandom(2)
 * @buffer:	receives the bytes
 * @len:	number of bytes
 * @flags:	GRND_*
 *
 * Return: the result of the system call.
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
 * __arch_get_vdso_rng_data - address of the kernel's data, outside of time namespaces
 *
 * Return: the kernel's data; in a time namespace, data that is always zeros.
 */
static __always_inline const struct vdso_rng_data *__arch_get_vdso_rng_data(void)
{
	return &VVAR(_vdso_rng_data)[0];
}

/**
 * __arch_find_vdso_rng_data - address of the kernel's data
 *
 * In a time namespace, two pages have changed places: the namespace's page is mapped
 * where the kernel's page usually is, and the kernel's page at the other address. A
 * process can change namespaces between two calls, so look in each call. If a handler
 * joins a namespace in the middle of a call, the call finds zeros, and its next attempt
 * looks again. (If a handler leaves one in the middle of a call, the page is gone, as for
 * clock_gettime().)
 *
 * Return: the kernel's data, inside and outside of time namespaces.
 */
static __always_inline const struct vdso_rng_data *__arch_find_vdso_rng_data(void)
{
	if (IS_ENABLED(CONFIG_TIME_NS) &&
	    unlikely(READ_ONCE(__vdso_data->clock_mode) == VDSO_CLOCKMODE_TIMENS))
		return &TIMENS(_vdso_rng_data)[0];
	return &VVAR(_vdso_rng_data)[0];
}

/* For arch/x86/entry/vdso/vgetrandom-entry.S, which calls these functions. */
#define VGETRANDOM_LINKAGE	__visible
#define VGETRANDOM_SECTION	__section(".text.vgetrandom")

struct vgetrandom_request;
struct vgetrandom_state;

int vgetrandom_try(struct vgetrandom_request *request);
ssize_t vgetrandom_slow(void *buffer, size_t len, unsigned int flags,
			struct vgetrandom_state *state, int err);
ssize_t vgetrandom_rare(void *buffer, size_t len, unsigned int flags,
			void *opaque_state, size_t opaque_len);

int vgetrandom_guard(struct vgetrandom_request *request);
#define __arch_vgetrandom_try vgetrandom_guard

#include <vdso/getrandom-generic.h>

#endif /* __ASM_VDSO_GETRANDOM_H */
