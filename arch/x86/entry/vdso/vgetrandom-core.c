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
