// SPDX-License-Identifier: MIT
#include <arch.h>
#include <stdbool.h>
#include <vdso/getrandom-cores.h>

#include "core.h"
#include "raw.h"

static const struct core cores[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	{ #name, blocks, vgetrandom_chacha20_##name, PAYS_##name },
#include <asm/vdso/getrandom-cores.h>
	{ }
};

/* For each core, the offset in struct arch_processor of the feature that it needs. */
static const unsigned char feature_offsets[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	offsetof(struct arch_processor, FEATURE),
#include <asm/vdso/getrandom-cores.h>
};

/*
 * Does the core run in this process? The process may have fewer processor features than the kernel
 * sees, under valgrind for example.
 */
static bool runs_here(const struct core *core, const struct arch_processor *processor)
{
	return ((const bool *)processor)[feature_offsets[core - cores]];
}

const struct core *core_numbered(unsigned int number)
{
	const struct arch_processor processor = arch_processor();
	const struct core *core = cores;

	while (core->name && number--)
		core++;
	return core->name && runs_here(core, &processor) ? core : NULL;
}

/*
 * The last core of the table that runs here and does not slow down other code: the rule of
 * arch/x86/entry/vdso/vgetrandom-core.c.
 */
const struct core *core_best(void)
{
	const struct arch_processor processor = arch_processor();
	const struct core *best = NULL;

	for (const struct core *core = cores; core->name; core++)
		if (runs_here(core, &processor) && !arch_core_slows_cpu(core->name, &processor))
			best = core;
	return best;
}

const struct core *core_named(const char *name)
{
	for (unsigned int number = 0; cores[number].name; number++)
		if (raw_streq(name, cores[number].name))
			return core_numbered(number);
	return NULL;
}
