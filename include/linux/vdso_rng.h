/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between drivers/char/random.c and drivers/char/vdso_rng.c, which publishes
 * the state of the kernel's RNG to the vDSO's generators.
 */
#ifndef _LINUX_VDSO_RNG_H
#define _LINUX_VDSO_RNG_H

#include <linux/types.h>

#ifdef CONFIG_VDSO_GETRANDOM
void vdso_rng_publish(unsigned long generation);
void vdso_rng_start(void);

/* In drivers/char/random.c. */
unsigned long crng_reseed_due(void);
#else
static inline void vdso_rng_publish(unsigned long generation) { }
static inline void vdso_rng_start(void) { }
#endif

#endif /* _LINUX_VDSO_RNG_H */
