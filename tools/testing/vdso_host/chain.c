// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "oracle.h"

#define BLOCK	VGETRANDOM_BLOCK_SIZE
#define KEY	VGETRANDOM_KEY_SIZE

size_t layout_batch_size(const struct layout *layout)
{
	const size_t blocks = layout->refill_blocks ?: layout->iteration_blocks;

	return blocks * BLOCK - KEY;
}

bool spans_add(struct spans *spans, uint64_t id, size_t from, size_t len)
{
	if (!len)
		return true;
	for (size_t i = 0; i < spans->n; i++) {
		const struct span *s = &spans->span[i];

		if (s->id == id && from < s->to && s->from < from + len)
			return false;
	}
	/* Raise the limit for a test that gets here. */
	if (spans->n == MAX_SPANS)
		abort();
	spans->span[spans->n++] = (struct span){ id, from, from + len };
	return true;
}

bool spans_add_all(struct spans *spans, const struct spans *more)
{
	for (size_t i = 0; i < more->n; i++) {
		const struct span *s = &more->span[i];

		if (!spans_add(spans, s->id, s->from, s->to - s->from))
			return false;
	}
	return true;
}

static uint64_t id_of(const uint8_t *key)
{
	uint64_t id;

	memcpy(&id, key, sizeof(id));
	return id;
}

void chain_rekey(struct chain *c, const uint8_t *key, uint64_t generation)
{
	memset(c, 0, sizeof(*c));
	memcpy(c->key, key, KEY);
	c->generation = generation;
	c->valid = true;
}

/* This project's generator takes from the end of the batch, Linux 6.11's from the start. */
static void take_from_batch(struct chain *c, const struct layout *layout, uint8_t *out,
			    size_t len, struct spans *spans)
{
	size_t from = layout->refill_blocks ? layout_batch_size(layout) - c->left : c->left - len;

	memcpy(out, c->batch + from, len);
	memset(c->batch + from, 0, len);
	c->left -= len;
	if (spans)
		spans_add(spans, c->id, c->at + from, len);
}

void chain_take(struct chain *c, const struct layout *layout, uint8_t *out, size_t len,
		struct spans *spans)
{
	for (;;) {
		size_t part = len < c->left ? len : c->left;
		uint8_t keystream[VGETRANDOM_KEYSTREAM_SIZE];
		size_t blocks, refill;

		take_from_batch(c, layout, out, part, spans);
		out += part;
		len -= part;
		if (!len)
			return;

		blocks = len / BLOCK;
		refill = layout->refill_blocks;
		if (!refill)
			refill = layout->iteration_blocks - blocks % layout->iteration_blocks;
		oracle_stream(out, blocks * BLOCK, c->key, c->counter);
		oracle_stream(keystream, refill * BLOCK, c->key, c->counter + blocks);
		c->id = id_of(c->key);
		c->left = refill * BLOCK - KEY;
		c->at = (c->counter + blocks) * BLOCK + (layout->refill_blocks ? 0 : KEY);
		if (spans)
			spans_add(spans, c->id, c->counter * BLOCK, blocks * BLOCK);
		c->counter = 0;
		memset(c->batch, 0, sizeof(c->batch));
		memcpy(c->batch, layout->refill_blocks ? keystream : keystream + KEY, c->left);
		memcpy(c->key, layout->refill_blocks ? keystream + c->left : keystream, KEY);
		out += blocks * BLOCK;
		len -= blocks * BLOCK;
	}
}
