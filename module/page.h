/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The page that the module publishes and libvgetrandom maps.
 */
#ifndef _VGETRANDOM_PAGE_H
#define _VGETRANDOM_PAGE_H

/* By its path: since 6.11 Linux has another file of this name. */
#include "../include/vdso/getrandom.h"

/* bench/ uses another page. */
#ifndef VGETRANDOM_PAGE_PATH
#define VGETRANDOM_PAGE_PATH	"/sys/kernel/vgetrandom/page"
#endif
#define VGETRANDOM_RESEEDS_PATH	"/sys/kernel/vgetrandom/reseeds"
#define VGETRANDOM_PAGE_MAGIC	0x6d6f646e61726776ULL	/* "vgrandom" in little-endian order */
#define VGETRANDOM_PAGE_VERSION	1

/* The names of the cores as text; vdso_rng_data::core is an index into this list. */
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature) #name " "
static const char vgetrandom_page_cores[] = ""
#include <asm/vdso/getrandom-cores.h>
	;

/**
 * struct vgetrandom_page - layout of the page
 * @magic: VGETRANDOM_PAGE_MAGIC
 * @version: VGETRANDOM_PAGE_VERSION; other versions have another layout
 * @rng: as on the vDSO's data page, but @rng.generation is random before the first reseed too
 * @cores: vgetrandom_page_cores of the module. A program must not use the page if its list
 *	   differs: @rng.core could name a core that the processor cannot run.
 *
 * The rest of the page is zeros. Only @rng changes while the page is mapped.
 */
struct vgetrandom_page {
	__u64			magic;
	__u32			version;
	__u8			unused[52];
	struct vdso_rng_data	rng;
	__u8			unused_too[48];
	char			cores[sizeof(vgetrandom_page_cores)];
};

#endif /* _VGETRANDOM_PAGE_H */
