// SPDX-License-Identifier: MIT
/*
 * Where struct effect is: read-only once all is decided, for it has pointers to functions.
 *
 * In the shared library it is on the page that the loader makes read-only: the file has no other
 * page of data, so that neither of the two parts a mapping. A program that is linked with the
 * archive may have no such page, or ordinary data on it.
 */
#include <arch.h>
#include <vdso/getrandom.h>

#include "setup.h"

#ifdef IN_RELRO
#define EFFECT_ALIGN	256

struct effect effect __attribute__((section(".data.rel.ro"), aligned(EFFECT_ALIGN))) = {
	.large_from = NEVER_LARGE,
};

_Static_assert(sizeof(effect) <= EFFECT_ALIGN, "it may lie on two pages");
#else
static union {
	struct effect	effect;
	char		page[ARCH_PAGE];
} decided __attribute__((aligned(ARCH_PAGE))) = { .effect = { .large_from = NEVER_LARGE } };

extern struct effect effect __attribute__((alias("decided"), visibility("hidden")));
#endif
