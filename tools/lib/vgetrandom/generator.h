/* SPDX-License-Identifier: MIT */
/*
 * The library's generator: lib/vdso/getrandom.c, the code of this project's vDSO generator, with
 * the page of the kernel module vgetrandom in place of the vDSO's data page.
 */
#ifndef _VGETRANDOM_GENERATOR_H
#define _VGETRANDOM_GENERATOR_H

#include <arch.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uapi/linux/random.h>

struct core;

#ifdef ARCH_GENERATOR
#include "../../../module/page.h"

/*
 * The module's page is mapped over this page, so that its address is a constant, as in the vDSO.
 * Without the module it is zeros, which mean that the RNG is not ready.
 */
extern union generator_page {
	struct vgetrandom_page	page;
	char			bytes[ARCH_PAGE];
} generator_page __attribute__((aligned(ARCH_PAGE), visibility("hidden")));

/**
 * generator_open - map the module's page
 * @params: set to what states require
 * @core: set to the core that the module has chosen
 *
 * Return: NULL; or the reason why the page is not used.
 */
const char *generator_open(struct vgetrandom_opaque_params *params, const struct core **core);

/**
 * generator_close - unmap the module's page
 *
 * No thread may be using the generator.
 */
void generator_close(void);

/* Has the interface of the vDSO function. */
ssize_t generator_getrandom(void *buf, size_t len, unsigned int flags, void *state,
			    size_t state_size);
#else
static inline const char *generator_open(struct vgetrandom_opaque_params *params,
					 const struct core **core)
{
	(void)params;
	(void)core;
	return "the library has no generator for this architecture";
}

static inline void generator_close(void) { }

#define generator_getrandom	NULL
#endif

#endif /* _VGETRANDOM_GENERATOR_H */
