// SPDX-License-Identifier: MIT
/*
 * Where struct config is: read-only once all is decided, for it has pointers to functions.
 *
 * In the shared library it is on the page that the loader makes read-only: the file has no other
 * page of data, so that neither of the two parts a mapping. A program that is linked with the
 * archive may have no such page, or ordinary data on it.
 */
#include <arch.h>
#include <vdso/getrandom.h>

#include "setup.h"

#ifdef IN_RELRO
#define CONFIG_ALIGN	256

struct config config __attribute__((section(".data.rel.ro"), aligned(CONFIG_ALIGN))) = {
	.large_from = NEVER_LARGE,
};

_Static_assert(sizeof(config) <= CONFIG_ALIGN, "it may lie on two pages");
#else
static union {
	struct config	config;
	char		page[ARCH_PAGE];
} decided __attribute__((aligned(ARCH_PAGE))) = { .config = { .large_from = NEVER_LARGE } };

extern struct config config __attribute__((alias("decided"), visibility("hidden")));
#endif
