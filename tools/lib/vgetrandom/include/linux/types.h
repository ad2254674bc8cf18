/* SPDX-License-Identifier: MIT */
/*
 * For C libraries that come without the kernel's headers, as musl does: the types of
 * <vdso/getrandom.h>. Where the kernel's are, they are found first.
 */
#ifndef _VGETRANDOM_LINUX_TYPES_H
#define _VGETRANDOM_LINUX_TYPES_H

typedef unsigned char		__u8;
typedef unsigned int		__u32;
typedef unsigned long long	__u64;

#endif /* _VGETRANDOM_LINUX_TYPES_H */
