// SPDX-License-Identifier: MIT
#include <cpuid.h>
#include <stdbool.h>
#include <string.h>

#include "core.h"

#define CORE_PROTOTYPE(name)	\
	void vgetrandom_chacha20_##name(struct vgetrandom_state *state, void *dst,	\
					size_t nblocks, unsigned long call)

CORE_PROTOTYPE(sse2);
CORE_PROTOTYPE(avx2);
CORE_PROTOTYPE(avx512vl);
CORE_PROTOTYPE(avx512);

enum { SSE2, AVX2, AVX512VL, AVX512, NR_CORES };

/*
 * Where it pays: "crossover" in bench/ prints it. Expanding takes a pass, whatever the
 * size; the others a block at a time. SSE2's pass is so long that the first size with two
 * of them, 513, would be a loss.
 */
static const struct core cores[NR_CORES] = {
	[SSE2]		= { "sse2",	8,  vgetrandom_chacha20_sse2,	  640, 256 },
	[AVX2]		= { "avx2",	8,  vgetrandom_chacha20_avx2,	  160, 128 },
	[AVX512VL]	= { "avx512vl",	16, vgetrandom_chacha20_avx512vl, 160, 128 },
	[AVX512]	= { "avx512",	16, vgetrandom_chacha20_avx512,	  192, 128 },
};

static bool runs_here(size_t core)
{
	/* This looks at what the kernel saves and restores, too. */
	__builtin_cpu_init();
	switch (core) {
	case AVX2:
		return __builtin_cpu_supports("avx2");
	case AVX512VL:
	case AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
	default:
		return true;
	}
}

/* The same as in arch/x86/entry/vdso/vgetrandom-core.c, which says why. */
static bool slowed_by_zmm(void)
{
	static const unsigned char models[] = {
		0x55,			/* Skylake-X */
		0x6a, 0x6c, 0x7d, 0x7e, 0x9d,	/* Ice Lake */
		0x8c, 0x8d,		/* Tiger Lake */
	};
	unsigned int eax, ebx, ecx, edx, family, model;

	if (!__builtin_cpu_is("intel") || !__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		return false;
	family = eax >> 8 & 0xf;
	model = (eax >> 4 & 0xf) | (eax >> 12 & 0xf0);
	return family == 6 && memchr(models, (int)model, sizeof(models));
}

const struct core *core_best(void)
{
	if (!runs_here(AVX2))
		return &cores[SSE2];
	if (!runs_here(AVX512))
		return &cores[AVX2];
	return &cores[slowed_by_zmm() ? AVX512VL : AVX512];
}

const struct core *core_named(const char *name)
{
	for (size_t i = 0; i < NR_CORES; i++)
		if (!strcmp(name, cores[i].name))
			return runs_here(i) ? &cores[i] : NULL;
	return NULL;
}
