// SPDX-License-Identifier: MIT
#include <arch.h>
#include <stdbool.h>
#include <string.h>

#include "core.h"

#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	void vgetrandom_chacha20_##name(struct vgetrandom_state *state, void *dst,	\
					size_t nblocks, unsigned long call);
#include <asm/vdso/getrandom-cores.h>

static const struct core cores[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	{ #name, blocks, vgetrandom_chacha20_##name, PAYS_##name },
#include <asm/vdso/getrandom-cores.h>
};

#define NR_CORES	(sizeof(cores) / sizeof(*cores))

static bool runs_here(size_t core)
{
	const bool has[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
		arch_has_feature(feature),
#include <asm/vdso/getrandom-cores.h>
	};

	return has[core];
}

/*
 * The last of the table that runs here and slows nothing down, as in
 * arch/x86/entry/vdso/vgetrandom-core.c.
 */
const struct core *core_best(void)
{
	size_t core = NR_CORES;

	while (--core > 0)
		if (runs_here(core) && !arch_slowed_by(cores[core].name))
			break;
	return &cores[core];
}

const struct core *core_named(const char *name)
{
	for (size_t i = 0; i < NR_CORES; i++)
		if (!strcmp(name, cores[i].name))
			return runs_here(i) ? &cores[i] : NULL;
	return NULL;
}
