/* SPDX-License-Identifier: MIT */
#ifndef _VGETRANDOM_UAPI_LINUX_MMAN_H
#define _VGETRANDOM_UAPI_LINUX_MMAN_H

#include <sys/mman.h>

/* The C library's headers may be older than these. */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT	1
#endif

#endif /* _VGETRANDOM_UAPI_LINUX_MMAN_H */
