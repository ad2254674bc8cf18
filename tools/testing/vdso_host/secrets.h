/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nobody but a state and its caller may know of a call, and a search for it.
 *
 * Searched for are eight bytes in a row, at any offset: of keys, of key stream, and of
 * what a core has in its registers on the way there, as it would write it if it ran out
 * of them: a word of the key many times, or the same word of consecutive blocks, at the
 * end and after each round.
 */
#ifndef _SECRETS_H
#define _SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most blocks that a call here makes of one key. */
#define SECRET_BLOCKS	128

/* None are known from here on. First of all in a process. */
void secrets_clear(void);

/* Every eight bytes in a row of these. */
void secrets_add(const void *bytes, size_t len);

/* A key, that may not have been used yet. */
void secrets_add_key(const uint8_t *key);

/* A key that has been used, and its first @blocks blocks. */
void secrets_add_output(const uint8_t *key, size_t blocks);

/* What a core computes on the way to @blocks blocks of it, from number @first on. */
void secrets_add_rounds(const uint8_t *key, size_t first, size_t blocks);

/* A key, and all that a core computes on the way to its first @blocks blocks. */
void secrets_add_stream(const uint8_t *key, size_t blocks);

/* Did all of them find room? */
bool secrets_complete(void);

/* Is any of them in @area? Then @where is how far from its start the first one is. */
bool secrets_found(const void *area, size_t len, size_t *where);

#endif /* _SECRETS_H */
