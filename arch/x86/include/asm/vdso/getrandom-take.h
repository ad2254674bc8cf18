/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * __arch_vgetrandom_take() for x86-64: move bytes out of the batch.
 */
#ifndef __ASM_VDSO_GETRANDOM_TAKE_H
#define __ASM_VDSO_GETRANDOM_TAKE_H

#include <linux/stringify.h>
#include <asm/vdso/getrandom-take.S>
#include <vdso/getrandom.h>
#include <vdso/getrandom-cores.h>

#define FROM	VGETRANDOM_OP(, from)
#define TO	VGETRANDOM_OP(, to)
#define LEN	VGETRANDOM_OP(, n)

#define __arch_vgetrandom_take_word(load, store, wide, narrow, dst, src)	\
({										\
	unsigned long __word;							\
										\
	asm volatile(__stringify(VGETRANDOM_TAKE_WORD(load, store,		\
			VGETRANDOM_OP(wide, word), VGETRANDOM_OP(narrow, word),	\
			VGETRANDOM_OP(k, word), (FROM), (TO)))			\
		     : [word] "=&r" (__word)					\
		     : [from] "r" (src), [to] "r" (dst)				\
		     : "memory", "cc");						\
})

#define __arch_vgetrandom_take_ends(load, store, size, wide, narrow, dst, src, len) \
({										\
	unsigned long __head, __tail;						\
										\
	asm volatile(__stringify(VGETRANDOM_TAKE_ENDS(load, store, size,	\
			VGETRANDOM_OP(wide, head), VGETRANDOM_OP(narrow, head),	\
			VGETRANDOM_OP(k, head),					\
			VGETRANDOM_OP(wide, tail), VGETRANDOM_OP(narrow, tail),	\
			VGETRANDOM_OP(k, tail), FROM, TO, LEN))			\
		     : [head] "=&r" (__head), [tail] "=&r" (__tail)		\
		     : [from] "r" (src), [to] "r" (dst), [n] "r" (len)		\
		     : "memory", "cc");						\
})

static __always_inline void __arch_vgetrandom_take_16(u8 *dst, u8 *src)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_16((FROM), (TO)))
		     : : [from] "r" (src), [to] "r" (dst) : "memory");
}

static __always_inline void __arch_vgetrandom_take_32(u8 *dst, u8 *src, size_t len)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_32(FROM, TO, LEN))
		     : : [from] "r" (src), [to] "r" (dst), [n] "r" (len) : "memory");
}

static __always_inline void __arch_vgetrandom_take_64(u8 *dst, u8 *src, size_t len)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_64(FROM, TO, LEN))
		     : : [from] "r" (src), [to] "r" (dst), [n] "r" (len) : "memory");
}

static __always_inline void __arch_vgetrandom_take_long(u8 *dst, u8 *src, size_t len)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_LONG(FROM, TO, LEN))
		     : [from] "+r" (src), [to] "+r" (dst), [n] "+r" (len)
		     : : "memory", "cc");
}

static __always_inline void __arch_vgetrandom_take_avx(u8 *dst, u8 *src, size_t len)
{
	asm volatile(__stringify(VGETRANDOM_TAKE_AVX(FROM, TO, LEN))
		     : [from] "+r" (src), [to] "+r" (dst), [n] "+r" (len)
		     : : "memory", "cc");
}

/* All cores from AVX2 on need AVX. An unknown number means the first core. */
static __always_inline bool __arch_vgetrandom_has_avx(unsigned int core)
{
	return core >= VGETRANDOM_AVX2 && core < VGETRANDOM_NR_CORES;
}

/*
 * The most frequent sizes come first. Afterwards no register and no stack slot holds any
 * of the bytes.
 */
static __always_inline void __arch_vgetrandom_take(u8 *dst, u8 *src, size_t len,
						   const struct vdso_rng_data *rng)
{
	if (len == 4)
		__arch_vgetrandom_take_word(movl, movl, k, k, dst, src);
	else if (len == 8)
		__arch_vgetrandom_take_word(movq, movq, q, q, dst, src);
	else if (len == 16)
		__arch_vgetrandom_take_16(dst, src);
	else if (len > 64 && __arch_vgetrandom_has_avx(READ_ONCE(rng->core)))
		__arch_vgetrandom_take_avx(dst, src, len);
	else if (len > 64)
		__arch_vgetrandom_take_long(dst, src, len);
	else if (len > 32)
		__arch_vgetrandom_take_64(dst, src, len);
	else if (len > 16)
		__arch_vgetrandom_take_32(dst, src, len);
	else if (len > 8)
		__arch_vgetrandom_take_ends(movq, movq, 8, q, q, dst, src, len);
	else if (len > 4)
		__arch_vgetrandom_take_ends(movl, movl, 4, k, k, dst, src, len);
	else if (len > 1)
		__arch_vgetrandom_take_ends(movzwl, movw, 2, k, w, dst, src, len);
	else if (len)
		__arch_vgetrandom_take_word(movzbl, movb, k, b, dst, src);
}

#define __arch_vgetrandom_take __arch_vgetrandom_take

#undef FROM
#undef TO
#undef LEN

#endif /* __ASM_VDSO_GETRANDOM_TAKE_H */
