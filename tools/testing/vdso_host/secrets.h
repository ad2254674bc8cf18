/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of secrets of a call, and a search for them.
 *
 * The search finds eight consecutive bytes at any offset: of keys, of keystream, and of the
 * values in a core's registers, in the form in which a core would spill them: a word of the
 * key repeated, or the same word of consecutive blocks, at the end and after each round.
 */
#ifndef _SECRETS_H
#define _SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most blocks that a call of these tests makes with one key. */
#define SECRET_BLOCKS	128

/* Empty the set. The first call in a process allocates it. */
void secrets_clear(void);

/* Add every eight consecutive bytes of @bytes. */
void secrets_add(const void *bytes, size_t len);

/* Add a key, which may not have been used yet. */
void secrets_add_key(const uint8_t *key);

/* Add a used key and its first @blocks blocks. */
void secrets_add_output(const uint8_t *key, size_t blocks);

/* Add the intermediate values of @blocks blocks of @key, from block number @first on. */
void secrets_add_rounds(const uint8_t *key, size_t first, size_t blocks);

/* Add a key, its first @blocks blocks and their intermediate values. */
void secrets_add_stream(const uint8_t *key, size_t blocks);

/* Did the set have room for all secrets? */
bool secrets_complete(void);

/* Is a secret in @area? @where is set to the offset of the first one. */
bool secrets_found(const void *area, size_t len, size_t *where);

#endif /* _SECRETS_H */
