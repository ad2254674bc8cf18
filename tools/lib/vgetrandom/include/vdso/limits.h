/* SPDX-License-Identifier: MIT */
#ifndef _VGETRANDOM_VDSO_LIMITS_H
#define _VGETRANDOM_VDSO_LIMITS_H

/* Not <limits.h>: that of a C library may also define PAGE_SIZE. */
#undef INT_MAX
#define INT_MAX	__INT_MAX__

#endif /* _VGETRANDOM_VDSO_LIMITS_H */
