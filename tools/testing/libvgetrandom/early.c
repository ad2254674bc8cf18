// SPDX-License-Identifier: MIT
/*
 * A library whose constructor asks for randomness before libvgetrandom has started. It
 * is linked after that, and so is initialized before.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/random.h>

#include "early.h"

struct early early;

__attribute__((constructor)) static void ask_early(void)
{
	vgetrandom_info(&early.info, sizeof(early.info));
	early.small = getrandom(early.bytes, 64, 0);
	early.large = getrandom(early.bytes + 64, sizeof(early.bytes) - 64, 0);
	early.asked = 1;
}
