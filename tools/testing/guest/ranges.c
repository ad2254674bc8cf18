// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "guest.h"
#include "ranges.h"

#define VDSO_SIZE	(4 * 4096UL)	/* more than it has */
#define VECTORS		0xe6		/* xmm, ymm, k, zmm, zmm16-31: bits of XCR0 */
#define FIRST_OFFSET	(FP_IN_USE + 64)

const struct vgetrandom_range *ranges;
static uintptr_t vdso;
static bool has_xsave;

void ranges_open(void)
{
	const char *offset = getenv("RANGES");
	unsigned int a, b, c, d;

	check(offset && *offset, "RANGES: not set; run scripts/tests/aborts");
	vdso = getauxval(AT_SYSINFO_EHDR);
	ranges = (const void *)(vdso + strtoul(offset, NULL, 16));
	for (int i = 0; i < VGETRANDOM_NR_RANGES; i++)
		check(ranges[i].start < ranges[i].end &&
		      is_in_vdso((uintptr_t)ranges + ranges[i].start) &&
		      is_in_vdso((uintptr_t)ranges + ranges[i].end) &&
		      is_in_vdso((uintptr_t)ranges + ranges[i].landing),
		      "RANGES: no table at %s; give the kernel that was built with this", offset);
	__cpuid(1, a, b, c, d);
	has_xsave = c & bit_OSXSAVE;
}

bool is_in_vdso(uintptr_t ip)
{
	return ip - vdso < VDSO_SIZE;
}

bool is_landing(uintptr_t ip)
{
	for (int i = 0; i < VGETRANDOM_NR_RANGES; i++)
		if (ip == (uintptr_t)ranges + ranges[i].landing)
			return true;
	return false;
}

void clear_vectors(void)
{
	/* An area in which no component is in use. */
	static uint8_t none[FIRST_OFFSET] __attribute__((aligned(64)));

	if (has_xsave)
		asm volatile("stmxcsr %0\n\t"
			     "xrstor64 %1"
			     : "+m" (none[FP_MXCSR]) : "m" (none), "a" (VECTORS), "d" (0)
			     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	else
		asm volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\t"
			     "pxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t"
			     "pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
			     "pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\t"
			     "pxor %%xmm8, %%xmm8\n\tpxor %%xmm9, %%xmm9\n\t"
			     "pxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
			     "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\t"
			     "pxor %%xmm14, %%xmm14\n\tpxor %%xmm15, %%xmm15" : :
			     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

bool are_vectors_zero(const uint8_t *area, size_t size)
{
	static const unsigned int components[] = { 2, 5, 6, 7 };

	if (!is_zero(area + FP_XMM, FP_XMM_SIZE))
		return false;
	if (size <= FP_FXSAVE_SIZE)
		return true;
	for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
		unsigned int len, offset, c, d;

		__cpuid_count(0xd, components[i], len, offset, c, d);
		if (len && offset + len <= size && !is_zero(area + offset, len))
			return false;
	}
	return true;
}

size_t frame_area_size(const uint8_t *area)
{
	struct _fpx_sw_bytes sw;

	memcpy(&sw, area + FP_SW_BYTES, sizeof(sw));
	return sw.magic1 == FP_XSTATE_MAGIC1 ? sw.xstate_size : FP_FXSAVE_SIZE;
}
