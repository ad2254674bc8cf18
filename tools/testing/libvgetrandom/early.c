// SPDX-License-Identifier: MIT
/*
 * A library whose constructor makes requests before libvgetrandom's constructor has run: the
 * Makefile links both in the order that the loader of this libc needs for that.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/random.h>

#include "early.h"

struct early early;

__attribute__((constructor)) static void draw_early(void)
{
	vgetrandom_info(&early.info, sizeof(early.info));
	early.small = getrandom(early.bytes, 64, 0);
	early.large = getrandom(early.bytes + 64, sizeof(early.bytes) - 64, 0);
	early.has_run = 1;
}
