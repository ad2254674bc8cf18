/* SPDX-License-Identifier: MIT */
/*
 * As in Linux 6.11. The C library's headers may be older, and lack <sys/random.h>.
 */
#ifndef _VGETRANDOM_UAPI_LINUX_RANDOM_H
#define _VGETRANDOM_UAPI_LINUX_RANDOM_H

#include <linux/types.h>

#define GRND_NONBLOCK	0x0001
#define GRND_RANDOM	0x0002
#define GRND_INSECURE	0x0004

/* The answer of a vDSO to the query. */
struct vgetrandom_opaque_params {
	__u32	size_of_opaque_state;
	__u32	mmap_prot;
	__u32	mmap_flags;
	__u32	reserved[13];
};

#endif /* _VGETRANDOM_UAPI_LINUX_RANDOM_H */
