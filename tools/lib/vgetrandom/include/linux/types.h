/* SPDX-License-Identifier: MIT */
/*
 * The kernel's types, for kernel sources that are built for user space: the library's
 * generator and cores. A C library, such as musl, may come without the kernel's headers.
 */
#ifndef _VGETRANDOM_LINUX_TYPES_H
#define _VGETRANDOM_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#if __has_include_next(<linux/types.h>)
#include_next <linux/types.h>
#else
typedef unsigned char		__u8;
typedef unsigned int		__u32;
typedef unsigned long long	__u64;
#endif

typedef __u8	u8;
typedef __u32	u32;
typedef __u64	u64;

#endif /* _VGETRANDOM_LINUX_TYPES_H */
