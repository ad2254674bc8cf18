// SPDX-License-Identifier: GPL-2.0-only
#include <sodium.h>
#include <string.h>

#include "oracle.h"

static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
static size_t pass;

void oracle_set_pass(size_t blocks)
{
	pass = blocks;
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
	for (;;) {
		size_t part = len < o->available ? len : o->available;
		uint8_t run[VGETRANDOM_RUN_SIZE] = { 0 };
		size_t blocks, kept;

		take_from_batch(o, out, part);
		out += part;
		len -= part;
		if (!len)
			return;

		blocks = len / VGETRANDOM_BLOCK_SIZE;
		kept = (pass - blocks % pass) * VGETRANDOM_BLOCK_SIZE;
		oracle_stream(out, blocks * VGETRANDOM_BLOCK_SIZE, o->key);
		crypto_stream_chacha20_xor_ic(run, run, kept, nonce, blocks, o->key);
		memcpy(o->key, run, sizeof(o->key));
		memcpy(o->batch, run + sizeof(o->key), sizeof(o->batch));
		o->available = kept - sizeof(o->key);
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

void oracle_stream(uint8_t *out, size_t len, const uint8_t *key)
{
	crypto_stream_chacha20(out, len, nonce, key);
}
