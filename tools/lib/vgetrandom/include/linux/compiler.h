/* SPDX-License-Identifier: MIT */
#ifndef _VGETRANDOM_LINUX_COMPILER_H
#define _VGETRANDOM_LINUX_COMPILER_H

#include <linux/types.h>

#undef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))
#define noinline		__attribute__((__noinline__))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define barrier()		asm volatile("" : : : "memory")
#define compiletime_assert(condition, message)	_Static_assert(condition, message)

#endif /* _VGETRANDOM_LINUX_COMPILER_H */
