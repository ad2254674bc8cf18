/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Computes the bytes that a generator must return from its keys, with a ChaCha20 in portable
 * C. calls_test compares it with RFC 8439, process_residue_test with libsodium.
 */
#ifndef _ORACLE_H
#define _ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vdso/getrandom.h>

#define ORACLE_WORDS	16	/* 32-bit words of a block */
#define ORACLE_ROUNDS	20

struct oracle {
	uint8_t batch[VGETRANDOM_BATCH_SIZE];
	uint8_t key[VGETRANDOM_KEY_SIZE];
	size_t available;
};

/* From now on the generator's core makes @blocks blocks an iteration. */
void oracle_set_iteration(size_t blocks);

/* Start with the key and batch of @state. */
void oracle_load(struct oracle *o, const struct vgetrandom_state *state);

/* The kernel has returned this key to the generator. */
void oracle_rekey(struct oracle *o, const uint8_t *key);

/* Return the next @len bytes. */
void oracle_take(struct oracle *o, uint8_t *out, size_t len);

/*
 * Does @state hold the rest of the batch and the next key, and zeros in the used part of the
 * batch and in the cores' scratch space?
 */
bool oracle_agrees(const struct oracle *o, const struct vgetrandom_state *state);

/* The working state of block number @block before its first round, and one round of it. */
void oracle_begin(uint32_t *s, const uint8_t *key, uint32_t block);
void oracle_round(uint32_t *s, unsigned int round);

/* @len bytes of the keystream of @key, from block number @block on. */
void oracle_stream(uint8_t *out, size_t len, const uint8_t *key, uint32_t block);

#endif /* _ORACLE_H */
