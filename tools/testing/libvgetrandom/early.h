/* SPDX-License-Identifier: MIT */
#ifndef _EARLY_H
#define _EARLY_H

#include <stdint.h>
#include <sys/types.h>
#include <vgetrandom.h>

/* The results of a constructor that ran before the library's. */
struct early {
	int			has_run;
	struct vgetrandom_info	info;
	ssize_t			small, large;
	uint8_t			bytes[4096];
};

extern struct early early;

#endif /* _EARLY_H */
