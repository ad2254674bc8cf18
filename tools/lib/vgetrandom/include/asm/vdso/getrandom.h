/* SPDX-License-Identifier: MIT */
/*
 * What lib/vdso/getrandom.c needs from an architecture, in the library.
 */
#ifndef _VGETRANDOM_ASM_VDSO_GETRANDOM_H
#define _VGETRANDOM_ASM_VDSO_GETRANDOM_H

#include <asm/rwonce.h>
#include <linux/compiler.h>
#include <asm/vdso/getrandom-asm.h>

#include "generator.h"
#include "raw.h"
#include "thread.h"

#define PAGE_SIZE	ARCH_PAGE

/* Count only system calls that serve a request: their buffer is a void *, that of a key is not. */
#define getrandom_syscall(buffer, len, flags)						\
	(_Generic((buffer), void *: (void)thread.syscalls++, default: (void)0),		\
	 raw_syscall(SYS_getrandom, buffer, len, flags))

static __always_inline const struct vdso_rng_data *__arch_get_vdso_rng_data(void)
{
	return &generator_page.page.rng;
}

/* The module's page is the same in all time namespaces. */
static __always_inline const struct vdso_rng_data *__arch_find_vdso_rng_data(void)
{
	return __arch_get_vdso_rng_data();
}

static __always_inline bool __arch_vgetrandom_may_hold_keys(const struct vgetrandom_state *state)
{
	return pool_may_hold_keys(&thread_states, state);
}

#define __arch_vgetrandom_may_hold_keys __arch_vgetrandom_may_hold_keys

#include <vdso/getrandom-generic.h>

#endif /* _VGETRANDOM_ASM_VDSO_GETRANDOM_H */
