/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a generator has to return, computed from its keys. The ChaCha20 here is in plain C,
 * for any machine; calls_test compares it with RFC 8439, process_residue_test with libsodium.
 */
#ifndef _ORACLE_H
#define _ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vdso/getrandom.h>

#define ORACLE_WORDS	16	/* of a block */
#define ORACLE_ROUNDS	20

struct oracle {
	uint8_t batch[VGETRANDOM_BATCH_SIZE];
	uint8_t key[VGETRANDOM_KEY_SIZE];
	size_t available;
};

/* From now on the generators' core makes a multiple of @blocks with a key. */
void oracle_set_iteration(size_t blocks);

/* Go on from where @state is. */
void oracle_load(struct oracle *o, const struct vgetrandom_state *state);

/* The generator has asked the kernel for a key, and got this one. */
void oracle_rekey(struct oracle *o, const uint8_t *key);

/* The next @len bytes. */
void oracle_take(struct oracle *o, uint8_t *out, size_t len);

/*
 * Is @state what it has to be now: the rest of the batch, the next key, and zeros in
 * the remainder of the batch and in what a core has scribbled on?
 */
bool oracle_agrees(const struct oracle *o, const struct vgetrandom_state *state);

/* The working state of block number @block, before its first round; and one round. */
void oracle_begin(uint32_t *s, const uint8_t *key, uint32_t block);
void oracle_round(uint32_t *s, unsigned int round);

/* @len bytes of the key stream of @key, from block number @block on. */
void oracle_stream(uint8_t *out, size_t len, const uint8_t *key, uint32_t block);

#endif /* _ORACLE_H */
