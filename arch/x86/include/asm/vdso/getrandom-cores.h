/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The ChaCha20 cores of x86-64, a line each. The kernel, the library, tests, benchmarks
 * and scripts take all that they say of a core from here: each defines VGETRANDOM_CORE()
 * and includes this, as often as it needs.
 *
 *	NAME		VGETRANDOM_NAME is its number in struct vdso_rng_data
 *	name		the function is vgetrandom_chacha20_name(); and what tools call it
 *	log		what the kernel's log calls it
 *	blocks		how many it makes an iteration; a power of 2
 *	FEATURE		the processor needs X86_FEATURE_FEATURE, which implies all others
 *	feature		the same in /proc/cpuinfo and for __builtin_cpu_supports()
 *
 * They are numbered from 0 on. Each is faster than those before it, where it does not slow
 * the processor down; the first runs everywhere. One that does not need AVX goes before
 * AVX2. A number may change from one kernel to the next: no program sees it.
 */

VGETRANDOM_CORE(SSE2,	  sse2,	    "SSE2",	      8, XMM2,	   "sse2")
VGETRANDOM_CORE(AVX2,	  avx2,	    "AVX2",	      8, AVX2,	   "avx2")
VGETRANDOM_CORE(AVX512VL, avx512vl, "AVX-512 (ymm)", 16, AVX512VL, "avx512vl")
VGETRANDOM_CORE(AVX512,	  avx512,   "AVX-512 (zmm)", 16, AVX512VL, "avx512vl")

#undef VGETRANDOM_CORE
