/* SPDX-License-Identifier: MIT */
#ifndef _VGETRANDOM_ASM_BARRIER_H
#define _VGETRANDOM_ASM_BARRIER_H

#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)

#endif /* _VGETRANDOM_ASM_BARRIER_H */
