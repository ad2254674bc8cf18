/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The ChaCha20 cores of x86-64, one per line. The kernel, the library, tests, benchmarks
 * and scripts define VGETRANDOM_CORE() and include this file, as often as they need; it is
 * the only list of cores.
 *
 *	NAME		VGETRANDOM_NAME is the core's number in struct vdso_rng_data
 *	name		the function is vgetrandom_chacha20_name(); tools show this name
 *	log		the core's name in the kernel's log
 *	blocks		number of blocks in one iteration; a power of 2
 *	FEATURE		the core needs X86_FEATURE_FEATURE, which implies all other features
 *	feature		the same feature in /proc/cpuinfo and for __builtin_cpu_supports()
 *
 * The numbers start at 0. Each core is faster than those before it, unless it lowers the
 * processor's clock; every processor runs the first. Cores that do not need AVX come before
 * AVX2. A core's number may change from one kernel to the next: no program sees it.
 */

VGETRANDOM_CORE(SSE2,	  sse2,	    "SSE2",	      8, XMM2,	   "sse2")
VGETRANDOM_CORE(AVX2,	  avx2,	    "AVX2",	      8, AVX2,	   "avx2")
VGETRANDOM_CORE(AVX512VL, avx512vl, "AVX-512 (ymm)", 16, AVX512VL, "avx512vl")
VGETRANDOM_CORE(AVX512,	  avx512,   "AVX-512 (zmm)", 16, AVX512VL, "avx512vl")

#undef VGETRANDOM_CORE
