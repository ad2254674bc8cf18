/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chain of bytes that follow from a key, as a generator must return them, computed by
 * the oracle. Each byte's origin (key and offset in its keystream) is known, so that a test
 * can find bytes that were returned twice.
 */
#ifndef _CHAIN_H
#define _CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vdso/getrandom.h>

/* How a generator divides a keystream. */
struct layout {
	size_t iteration_blocks;	/* blocks per iteration of this project's core */
	size_t refill_blocks;		/* blocks per refill of Linux 6.11; 0: this project's */
};

/* Bytes of a full batch: a refill without the next key. */
size_t layout_batch_size(const struct layout *layout);

struct chain {
	uint8_t key[VGETRANDOM_KEY_SIZE];
	uint8_t batch[VGETRANDOM_BATCH_SIZE];
	size_t left;		/* bytes in the batch */
	uint64_t id;		/* first bytes of the key that made the batch */
	size_t at;		/* where in that key's keystream the batch begins */
	uint64_t generation;	/* the kernel's, when it returned the first key */
	unsigned int counter;	/* number of the key's first block; not 0 if Linux 6.11 retries */
	bool valid;		/* there is a key */
	bool may_rekey;		/* a call fell back; it may have invalidated the state */
};

/* Bytes [from, to) of the keystream of the key that begins with id. */
struct span {
	uint64_t id;
	size_t from, to;
};

#define MAX_SPANS 128

struct spans {
	size_t n;
	struct span span[MAX_SPANS];
};

/* The kernel has returned this key. */
void chain_rekey(struct chain *c, const uint8_t *key, uint64_t generation);

/* Return the next @len bytes, and add their origin to @spans, if that is not NULL. */
void chain_take(struct chain *c, const struct layout *layout, uint8_t *out, size_t len,
		struct spans *spans);

/* Return false if some of these bytes have been added before. */
bool spans_add(struct spans *spans, uint64_t id, size_t from, size_t len);
bool spans_add_all(struct spans *spans, const struct spans *more);

#endif /* _CHAIN_H */
