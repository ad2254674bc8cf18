/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a generator has to hand out, computed from its keys with libsodium.
 */
#ifndef _ORACLE_H
#define _ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vdso/getrandom.h>

struct oracle {
	uint8_t batch[VGETRANDOM_BATCH_SIZE];
	uint8_t key[VGETRANDOM_KEY_SIZE];
	size_t available;
};

/* From now on the generators' core makes a multiple of @blocks with a key. */
void oracle_set_pass(size_t blocks);

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

/* @len bytes of the key stream of @key, from block 0 on. */
void oracle_stream(uint8_t *out, size_t len, const uint8_t *key);

#endif /* _ORACLE_H */
