// SPDX-License-Identifier: MIT
#include <arch.h>
#include <stdbool.h>
#include <string.h>
#include <vdso/getrandom-cores.h>

#include "core.h"

static const struct core cores[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	{ #name, blocks, vgetrandom_chacha20_##name, PAYS_##name },
#include <asm/vdso/getrandom-cores.h>
	{ }
};

static bool runs_here(const struct core *core)
{
	const bool has[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
		arch_has_feature(feature),
#include <asm/vdso/getrandom-cores.h>
	};

	return has[core - cores];
}

bool core_runs_here(unsigned int number)
{
	const struct core *core = cores;

	while (core->name && number--)
		core++;
	return core->name && runs_here(core);
}

/*
 * The last of the table that runs here and slows nothing down, as in
 * arch/x86/entry/vdso/vgetrandom-core.c.
 */
const struct core *core_best(void)
{
	const struct core *best = NULL;

	for (const struct core *core = cores; core->name; core++)
		if (runs_here(core) && !arch_slowed_by(core->name))
			best = core;
	return best;
}

const struct core *core_named(const char *name)
{
	for (const struct core *core = cores; core->name; core++)
		if (!strcmp(name, core->name))
			return runs_here(core) ? core : NULL;
	return NULL;
}
