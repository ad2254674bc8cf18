/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What lib/vdso/getrandom.c asks of x86-64.
 */
#ifndef __ASM_VDSO_GETRANDOM_H
#define __ASM_VDSO_GETRANDOM_H

#ifndef __ASSEMBLY__

#include <asm/unistd.h>
#include <vdso/datapage.h>	/* and the two pages of it, from <asm/vvar.h> */
#include <vdso/getrandom.h>

/**
 * getrandom_syscall - getrandom(2) itself
 * @buffer:	where the bytes go
 * @len:	how many
 * @flags:	GRND_*
 *
 * Return: what the system call returns.
 */
static __always_inline ssize_t getrandom_syscall(void *buffer, size_t len, unsigned int flags)
{
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "0" (__NR_getrandom), "D" (buffer), "S" (len), "d" (flags)
		     : "rcx", "r11", "memory");

	return ret;
}

/**
 * __arch_get_vdso_rng_data - where the kernel's RNG publishes its state
 *
 * In a time namespace the page that is usually the kernel's belongs to the
 * namespace, whose RNG data is never written; the kernel's page then takes the
 * place of the namespace's. A process can change namespaces between two calls, so
 * ask in each; a handler that joins one in the middle of a call makes the data go
 * away, and the next attempt asks again. (One that leaves a namespace there takes
 * the page away, from this function as from clock_gettime().)
 *
 * Return: the kernel's own data, inside and outside of time namespaces.
 */
static __always_inline const struct vdso_rng_data *__arch_get_vdso_rng_data(void)
{
	if (IS_ENABLED(CONFIG_TIME_NS) &&
	    unlikely(READ_ONCE(__vdso_data->clock_mode) == VDSO_CLOCKMODE_TIMENS))
		return &TIMENS(_vdso_rng_data)[0];
	return &VVAR(_vdso_rng_data)[0];
}

/**
 * __arch_vgetrandom_replace - replace a word, if nobody else has
 * @word:	in a state
 * @from:	what it should hold
 * @to:		what it shall hold then
 *
 * Between reading and writing there is no place for a drop or a signal: it is one
 * instruction. Other CPUs do not matter, a state has one thread: so no LOCK.
 *
 * Return: whether @word held @from, and was replaced.
 */
static __always_inline bool __arch_vgetrandom_replace(u64 *word, u64 from, u64 to)
{
	bool replaced;

	asm volatile("cmpxchgq %[to], %[word]"
		     : "=@cce" (replaced), [word] "+m" (*word), "+a" (from)
		     : [to] "r" (to)
		     : "memory");

	return replaced;
}

/*
 * Take one word of a batch: to @dst, out of @src for good, and out of the
 * register too. In assembly because C has no way to say the last, or to keep
 * the compiler from parking the word on the stack.
 */
#define __arch_vgetrandom_take_word(suffix, modifier, dst, src)				\
({										\
	unsigned long __word;							\
										\
	asm volatile("mov" #suffix " (%[from]), %" #modifier "[word]\n\t"		\
		     "mov" #suffix " $0, (%[from])\n\t"				\
		     "mov" #suffix " %" #modifier "[word], (%[to])\n\t"		\
		     "xorl %k[word], %k[word]"					\
		     : [word] "=&r" (__word)					\
		     : [from] "r" (src), [to] "r" (dst)				\
		     : "memory", "cc");						\
})

/**
 * __arch_vgetrandom_take - move bytes out of a batch
 * @dst:	where they go; any alignment
 * @src:	where they are, and zeros will be; any alignment
 * @len:	how many
 *
 * No register and no stack slot holds any of them afterwards.
 */
static __always_inline void __arch_vgetrandom_take(u8 *dst, u8 *src, size_t len)
{
	for (; len >= 8; len -= 8, dst += 8, src += 8)
		__arch_vgetrandom_take_word(q, q, dst, src);
	if (len & 4) {
		__arch_vgetrandom_take_word(l, k, dst, src);
		dst += 4;
		src += 4;
	}
	if (len & 2) {
		__arch_vgetrandom_take_word(w, w, dst, src);
		dst += 2;
		src += 2;
	}
	if (len & 1)
		__arch_vgetrandom_take_word(b, b, dst, src);
}

/* In arch/x86/entry/vdso/: the exported function, and vgetrandom-chacha.S. */
ssize_t __vdso_getrandom(void *buffer, size_t len, unsigned int flags,
			 void *opaque_state, size_t opaque_len);
void vgetrandom_chacha20_blocks(u8 *dst, const u8 key[VGETRANDOM_KEY_SIZE],
				u64 *counter, size_t nblocks,
				unsigned long *owner, unsigned long call);

#endif /* !__ASSEMBLY__ */

#endif /* __ASM_VDSO_GETRANDOM_H */
