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

/* What each needs of struct arch_processor. */
static const unsigned char needs[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	offsetof(struct arch_processor, FEATURE),
#include <asm/vdso/getrandom-cores.h>
};

/* Does it run in this process? That may see less of the processor than the kernel: valgrind's. */
static bool runs_here(const struct core *core, const struct arch_processor *processor)
{
	return ((const bool *)processor)[needs[core - cores]];
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
 * The last of the table that runs here and slows nothing down, as in
 * arch/x86/entry/vdso/vgetrandom-core.c.
 */
const struct core *core_best(void)
{
	const struct arch_processor processor = arch_processor();
	const struct core *best = NULL;

	for (const struct core *core = cores; core->name; core++)
		if (runs_here(core, &processor) && !arch_slowed_by(core->name, &processor))
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
