// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which ChaCha20 core the vDSO's getrandom() uses on this machine.
 */
#include <linux/cpufeature.h>
#include <linux/init.h>
#include <linux/printk.h>
#include <linux/vdso_rng.h>
#include <asm/cpu_device_id.h>
#include <asm/fpu/api.h>
#include <asm/intel-family.h>
#include <asm/vdso/getrandom.h>

/*
 * Processors whose clock goes down, for all that runs on the core and for a while
 * after, when zmm registers are used. The first of them is the one for which
 * arch/x86/crypto/poly1305_glue.c avoids them too; the next generations suffer less,
 * but a program did not ask for it when it asked for four random bytes.
 */
static const struct x86_cpu_id slowed_by_zmm[] __initconst = {
	X86_MATCH_INTEL_FAM6_MODEL(SKYLAKE_X,	NULL),
	X86_MATCH_INTEL_FAM6_MODEL(ICELAKE_X,	NULL),
	X86_MATCH_INTEL_FAM6_MODEL(ICELAKE_D,	NULL),
	X86_MATCH_INTEL_FAM6_MODEL(ICELAKE,	NULL),
	X86_MATCH_INTEL_FAM6_MODEL(ICELAKE_L,	NULL),
	X86_MATCH_INTEL_FAM6_MODEL(ICELAKE_NNPI, NULL),
	X86_MATCH_INTEL_FAM6_MODEL(TIGERLAKE_L,	NULL),
	X86_MATCH_INTEL_FAM6_MODEL(TIGERLAKE,	NULL),
	{ }
};

/* What the kernel has to save and restore, by the feature that a core needs. */
#define XFEATURES_XMM2		0
#define XFEATURES_AVX2		(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM)
#define XFEATURES_AVX512VL	(XFEATURES_AVX2 | XFEATURE_MASK_AVX512)

static const struct {
	const char	*log;
	u16		feature;
	u64		xfeatures;
} cores[] __initconst = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
	{ log, X86_FEATURE_##FEATURE, XFEATURES_##FEATURE },
#include <asm/vdso/getrandom-cores.h>
};

/* The last of the table that runs here and slows nothing down. */
static unsigned int __init best_core(void)
{
	unsigned int core = ARRAY_SIZE(cores);

	while (--core > 0) {
		if (core == VGETRANDOM_AVX512 && x86_match_cpu(slowed_by_zmm))
			continue;
		if (boot_cpu_has(cores[core].feature) &&
		    cpu_has_xfeatures(cores[core].xfeatures, NULL))
			break;
	}
	return core;
}

static int __init vgetrandom_core_init(void)
{
	unsigned int core = best_core();

	vdso_rng_set_core(core);
	pr_info("vDSO: getrandom() uses %s\n", cores[core].log);
	return 0;
}
arch_initcall(vgetrandom_core_init);
