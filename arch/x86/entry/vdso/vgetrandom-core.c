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
#include <asm/vdso/getrandom.h>

static const struct x86_cpu_id slowed_by_zmm[] __initconst = {
#define VGETRANDOM_SLOWED_BY_ZMM(model)	X86_MATCH_VENDOR_FAM_MODEL(INTEL, 6, model, NULL),
#include <asm/vdso/getrandom-slowed-by-zmm.h>
	{ }
};

/* What the kernel has to save and restore, by the feature that a core needs. */
#define XFEATURES_XMM2		0
#define XFEATURES_AVX2		(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM)
#define XFEATURES_AVX512VL	(XFEATURES_AVX2 | XFEATURE_MASK_AVX512)

struct core {
	const char	*log;
	u16		feature;
	u64		xfeatures;
};

static const struct core cores[] __initconst = {
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
