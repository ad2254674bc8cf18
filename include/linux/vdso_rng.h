/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers/char/random.c tells the generators in user space, and what it is
 * asked on their behalf.
 */
#ifndef _LINUX_VDSO_RNG_H
#define _LINUX_VDSO_RNG_H

#include <linux/types.h>

#ifdef CONFIG_VDSO_GETRANDOM
void vdso_rng_publish(unsigned long generation);

/* In drivers/char/random.c. */
unsigned long crng_reseed_due(void);
#else
static inline void vdso_rng_publish(unsigned long generation) { }
#endif

#endif /* _LINUX_VDSO_RNG_H */
