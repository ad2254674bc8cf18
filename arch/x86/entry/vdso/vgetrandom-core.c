// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chooses the ChaCha20 core of the vDSO's getrandom(). The module vgetrandom.ko includes
 * this file too, and is compiled for other versions of Linux.
 */
#include <linux/cpufeature.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/processor.h>
#include <linux/string.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <vdso/getrandom-cores.h>

/* The register state that the kernel must save and restore for each feature. */
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

static const u8 models_slowed_by_zmm[] __initconst = {
#define VGETRANDOM_SLOWED_BY_ZMM(model)	model,
#include <asm/vdso/getrandom-slowed-by-zmm.h>
};

static bool __init slowed_by_zmm(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL && boot_cpu_data.x86 == 6 &&
	       memchr(models_slowed_by_zmm, boot_cpu_data.x86_model,
		      sizeof(models_slowed_by_zmm));
}

u8 __init vgetrandom_best_core(const char **log)
{
	unsigned int core = ARRAY_SIZE(cores);

	while (--core > 0) {
		if (core == VGETRANDOM_AVX512 && slowed_by_zmm())
			continue;
		if (boot_cpu_has(cores[core].feature) &&
		    cpu_has_xfeatures(cores[core].xfeatures, NULL))
			break;
	}
	*log = cores[core].log;
	return core;
}
