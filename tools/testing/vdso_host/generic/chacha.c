// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * A ChaCha20 core in plain C that makes one block in an iteration. See the top of
 * arch/x86/entry/vdso/vgetrandom-asm.S for the contract of a core, and the top of
 * include/vdso/getrandom-generic.h for the parts of it that C cannot guarantee.
 */
#include <linux/compiler.h>
#include <asm/rwonce.h>
#include <vdso/getrandom.h>
#include <vdso/getrandom-cores.h>

#define KEY_WORDS	(VGETRANDOM_KEY_SIZE / 4)
#define BLOCK_WORDS	(VGETRANDOM_BLOCK_SIZE / 4)

static __always_inline u32 rotate_left(u32 word, int bits)
{
	return word << bits | word >> (32 - bits);
}

/* RFC 8439 section 2.1. */
static __always_inline void quarter_round(u32 *a, u32 *b, u32 *c, u32 *d)
{
	*a += *b;
	*d = rotate_left(*d ^ *a, 16);
	*c += *d;
	*b = rotate_left(*b ^ *c, 12);
	*a += *b;
	*d = rotate_left(*d ^ *a, 8);
	*c += *d;
	*b = rotate_left(*b ^ *c, 7);
}

static __always_inline void double_round(u32 *x)
{
	int i;

	for (i = 0; i < 4; i++)
		quarter_round(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
	for (i = 0; i < 4; i++)
		quarter_round(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4],
			      &x[12 + (i + 3) % 4]);
}

/* Erase secrets on the stack, as far as C can. */
static __always_inline void erase(u32 *words, int n)
{
	int i;

	for (i = 0; i < n; i++)
		WRITE_ONCE(words[i], 0);
}

void vgetrandom_chacha20_plain(struct vgetrandom_state *state, u8 *dst, size_t nblocks,
			       unsigned long call)
{
	u32 start[BLOCK_WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	u32 x[BLOCK_WORDS];
	bool is_last;
	int i;

	__builtin_memcpy(start + 4, state->key, VGETRANDOM_KEY_SIZE);
	do {
		__builtin_memcpy(x, start, sizeof(x));
		for (i = 0; i < 10; i++)
			double_round(x);
		is_last = start[12] == nblocks;
		/* Lock the state, as vgetrandom_relock() does. */
		WRITE_ONCE(state->owner, call);
		barrier();
		if (is_last)
			dst = state->key;
		for (i = 0; i < BLOCK_WORDS; i++, dst += sizeof(u32)) {
			x[i] += start[i];
			__builtin_memcpy(dst, &x[i], sizeof(u32));
		}
		start[12]++;
	} while (!is_last);
	erase(start, BLOCK_WORDS);
	erase(x, BLOCK_WORDS);
}
