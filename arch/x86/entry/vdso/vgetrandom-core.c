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

#define YMM_STATE	(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM)

static enum vgetrandom_core __init best_core(void)
{
	if (!boot_cpu_has(X86_FEATURE_AVX) || !boot_cpu_has(X86_FEATURE_AVX2) ||
	    !cpu_has_xfeatures(YMM_STATE, NULL))
		return VGETRANDOM_SSE2;
	/* Assemblers from before 2014 have made none for it. */
	if (!IS_ENABLED(CONFIG_AS_AVX512))
		return VGETRANDOM_AVX2;
	if (!boot_cpu_has(X86_FEATURE_AVX512F) || !boot_cpu_has(X86_FEATURE_AVX512VL) ||
	    !cpu_has_xfeatures(YMM_STATE | XFEATURE_MASK_AVX512, NULL))
		return VGETRANDOM_AVX2;
	if (x86_match_cpu(slowed_by_zmm))
		return VGETRANDOM_AVX512VL;
	return VGETRANDOM_AVX512;
}

static int __init vgetrandom_core_init(void)
{
	static const char * const names[] __initconst = {
		[VGETRANDOM_SSE2]	= "SSE2",
		[VGETRANDOM_AVX2]	= "AVX2",
		[VGETRANDOM_AVX512VL]	= "AVX-512 (ymm)",
		[VGETRANDOM_AVX512]	= "AVX-512 (zmm)",
	};
	enum vgetrandom_core core = best_core();

	vdso_rng_set_core(core);
	pr_info("vDSO: getrandom() uses %s\n", names[core]);
	return 0;
}
arch_initcall(vgetrandom_core_init);
