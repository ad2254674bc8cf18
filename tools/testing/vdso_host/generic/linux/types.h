/* SPDX-License-Identifier: MIT */
#ifndef _HOSTED_LINUX_TYPES_H
#define _HOSTED_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include_next <linux/types.h>

typedef __u8	u8;
typedef __u32	u32;
typedef __u64	u64;
typedef __kernel_ssize_t ssize_t;

#endif /* _HOSTED_LINUX_TYPES_H */
