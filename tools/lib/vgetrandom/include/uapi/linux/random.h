/* SPDX-License-Identifier: MIT */
/*
 * Linux 6.11's. C libraries may be older than these, and than <sys/random.h>.
 */
#ifndef _VGETRANDOM_UAPI_LINUX_RANDOM_H
#define _VGETRANDOM_UAPI_LINUX_RANDOM_H

#include <linux/types.h>

#define GRND_NONBLOCK	0x0001
#define GRND_RANDOM	0x0002
#define GRND_INSECURE	0x0004

/* What a vDSO answers when it is asked what its states need. */
struct vgetrandom_opaque_params {
	__u32	size_of_opaque_state;
	__u32	mmap_prot;
	__u32	mmap_flags;
	__u32	reserved[13];
};

#endif /* _VGETRANDOM_UAPI_LINUX_RANDOM_H */
