/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a key makes: the bytes that a generator has to hand out one after the other,
 * computed by the oracle, and for each of them where it comes from.
 */
#ifndef _CHAIN_H
#define _CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vdso/getrandom.h>

/* How a generator cuts up a key's stream. */
struct layout {
	size_t iteration_blocks;		/* ours: the core makes a multiple of that many blocks */
	size_t refill_blocks;		/* Linux 6.11's: so many blocks are kept; 0: it is ours */
};

/* The batch of a generator that keeps @kept blocks ends with the next key. */
size_t layout_batch_size(const struct layout *layout);

struct chain {
	uint8_t key[VGETRANDOM_KEY_SIZE];
	uint8_t batch[VGETRANDOM_BATCH_SIZE];
	size_t left;		/* of the batch */
	uint64_t id;		/* of the key that has made the batch */
	size_t at;		/* where in that key's stream it begins */
	uint64_t generation;	/* of the kernel, when it gave the first key */
	unsigned int counter;	/* of the key's first block: not 0 in a second attempt of theirs */
	bool valid;		/* there is a key at all */
	bool may_rekey;		/* a call has given it up; perhaps before it was touched */
};

/* Bytes [from, to) of what the key makes that begins with id. */
struct span {
	uint64_t id;
	size_t from, to;
};

#define MAX_SPANS 128

struct spans {
	size_t n;
	struct span span[MAX_SPANS];
};

/* The kernel has given this key. */
void chain_rekey(struct chain *c, const uint8_t *key, uint64_t generation);

/* The next @len bytes, and where they are from, if @spans is not NULL. */
void chain_take(struct chain *c, const struct layout *layout, uint8_t *out, size_t len,
		struct spans *spans);

/* False if some of it has been added before. */
bool spans_add(struct spans *spans, uint64_t id, size_t from, size_t len);
bool spans_add_all(struct spans *spans, const struct spans *more);

#endif /* _CHAIN_H */
