// SPDX-License-Identifier: MIT
/*
 * Memory of struct config. It has function pointers, so it is read-only once the library has
 * started.
 *
 * In the shared library, it is in the RELRO page, which the loader makes read-only: the file has no
 * other page of data, so neither the loader nor the library splits a mapping. A program that is
 * linked with the archive may have no RELRO page, or other data on the same page: there, struct
 * config has a page to itself.
 */
#include <arch.h>
#include <vdso/getrandom.h>

#include "setup.h"

#ifdef IN_RELRO
#define CONFIG_ALIGN	256

struct config config __attribute__((section(".data.rel.ro"), aligned(CONFIG_ALIGN))) = {
	.large_from = NEVER_LARGE,
};

_Static_assert(sizeof(config) <= CONFIG_ALIGN, "struct config may span two pages");
#else
static union {
	struct config	config;
	char		page[ARCH_PAGE];
} config_page __attribute__((aligned(ARCH_PAGE))) = { .config = { .large_from = NEVER_LARGE } };

extern struct config config __attribute__((alias("config_page"), visibility("hidden")));
#endif
