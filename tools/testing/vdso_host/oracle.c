// SPDX-License-Identifier: GPL-2.0-only
#include <sodium.h>
#include <string.h>

#include "oracle.h"

static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

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
	size_t ready = len < o->available ? len : o->available;
	uint8_t refill[VGETRANDOM_REFILL_SIZE] = { 0 };
	size_t whole;

	take_from_batch(o, out, ready);
	out += ready;
	len -= ready;
	if (!len)
		return;

	whole = len - len % VGETRANDOM_BLOCK_SIZE;
	oracle_stream(out, whole, o->key);
	crypto_stream_chacha20_xor_ic(refill, refill, sizeof(refill), nonce,
				      whole / VGETRANDOM_BLOCK_SIZE, o->key);
	memcpy(o->batch, refill, sizeof(o->batch));
	memcpy(o->key, refill + sizeof(o->batch), sizeof(o->key));
	o->available = sizeof(o->batch);
	take_from_batch(o, out + whole, len - whole);
}

bool oracle_agrees(const struct oracle *o, const struct vgetrandom_state *state)
{
	return state->available == o->available &&
	       !memcmp(state->batch, o->batch, sizeof(o->batch)) &&
	       !memcmp(state->key, o->key, sizeof(o->key));
}

void oracle_stream(uint8_t *out, size_t len, const uint8_t *key)
{
	crypto_stream_chacha20(out, len, nonce, key);
}
