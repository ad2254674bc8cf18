// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "oracle.h"

static size_t iteration_blocks;

void oracle_set_iteration(size_t blocks)
{
	iteration_blocks = blocks;
}

void oracle_load(struct oracle *o, const struct vgetrandom_state *state)
{
	memcpy(o->batch, state->batch, sizeof(o->batch));
	memcpy(o->key, state->key, sizeof(o->key));
	o->available = state->available;
}

void oracle_rekey(struct oracle *o, const uint8_t *key)
{
	memset(o->batch, 0, sizeof(o->batch));
	memcpy(o->key, key, sizeof(o->key));
	o->available = 0;
}

static void take_from_batch(struct oracle *o, uint8_t *out, size_t len)
{
	o->available -= len;
	memcpy(out, o->batch + o->available, len);
	memset(o->batch + o->available, 0, len);
}

void oracle_take(struct oracle *o, uint8_t *out, size_t len)
{
	uint8_t keystream[VGETRANDOM_KEYSTREAM_SIZE];

	for (;;) {
		size_t part = len < o->available ? len : o->available;
		size_t blocks, refill;

		take_from_batch(o, out, part);
		out += part;
		len -= part;
		if (!len)
			return;

		blocks = len / VGETRANDOM_BLOCK_SIZE;
		refill = (iteration_blocks - blocks % iteration_blocks) * VGETRANDOM_BLOCK_SIZE;
		oracle_stream(out, blocks * VGETRANDOM_BLOCK_SIZE, o->key, 0);
		memset(keystream, 0, sizeof(keystream));
		oracle_stream(keystream, refill, o->key, blocks);
		memcpy(o->key, keystream, sizeof(o->key));
		memcpy(o->batch, keystream + sizeof(o->key), sizeof(o->batch));
		o->available = refill - sizeof(o->key);
		out += blocks * VGETRANDOM_BLOCK_SIZE;
		len -= blocks * VGETRANDOM_BLOCK_SIZE;
	}
}

bool oracle_agrees(const struct oracle *o, const struct vgetrandom_state *state)
{
	static const uint8_t zero[VGETRANDOM_SCRATCH_SIZE];

	return state->available == o->available &&
	       !memcmp(state->scratch, zero, sizeof(state->scratch)) &&
	       !memcmp(state->batch, o->batch, sizeof(o->batch)) &&
	       !memcmp(state->key, o->key, sizeof(o->key));
}

/* RFC 8439 section 2.3, with a nonce of zeros. */
void oracle_begin(uint32_t *s, const uint8_t *key, uint32_t block)
{
	memset(s, 0, VGETRANDOM_BLOCK_SIZE);
	memcpy(s, "expand 32-byte k", 16);
	memcpy(s + 4, key, VGETRANDOM_KEY_SIZE);
	s[12] = block;
}

static void add_multiply(uint32_t *a, const uint32_t *b, uint32_t *d, unsigned int rotation)
{
	*a += *b;
	*d ^= *a;
	*d = *d << rotation | *d >> (32 - rotation);
}

/* RFC 8439 section 2.1. */
static void quarter_round(uint32_t *s, int a, int b, int c, int d)
{
	add_multiply(&s[a], &s[b], &s[d], 16);
	add_multiply(&s[c], &s[d], &s[b], 12);
	add_multiply(&s[a], &s[b], &s[d], 8);
	add_multiply(&s[c], &s[d], &s[b], 7);
}

void oracle_round(uint32_t *s, unsigned int round)
{
	const int turn = round & 1;

	for (int i = 0; i < 4; i++)
		quarter_round(s, i, 4 + (i + turn) % 4, 8 + (i + 2 * turn) % 4,
			      12 + (i + 3 * turn) % 4);
}

void oracle_stream(uint8_t *out, size_t len, const uint8_t *key, uint32_t block)
{
	uint32_t start[ORACLE_WORDS], s[ORACLE_WORDS];

	oracle_begin(start, key, block);
	for (size_t done = 0; done < len; done += sizeof(s)) {
		memcpy(s, start, sizeof(s));
		for (unsigned int round = 0; round < ORACLE_ROUNDS; round++)
			oracle_round(s, round);
		for (size_t w = 0; w < ORACLE_WORDS; w++)
			s[w] += start[w];
		memcpy(out + done, s, len - done < sizeof(s) ? len - done : sizeof(s));
		start[12]++;
	}
}
