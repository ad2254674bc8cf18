/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers/char/random.c tells the generators in user space, and what it is
 * asked on their behalf.
 */
#ifndef _LINUX_VDSO_RNG_H
#define _LINUX_VDSO_RNG_H

/* In drivers/char/random.c, for vdso_rng.c. */
unsigned int crng_reseed_if_due(void);

#ifdef CONFIG_VDSO_GETRANDOM
void vdso_rng_publish(unsigned long generation);
#else
static inline void vdso_rng_publish(unsigned long generation) { }
#endif

#endif /* _LINUX_VDSO_RNG_H */
