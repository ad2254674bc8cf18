// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hash table with open addressing behind a bitmap. The search looks at megabytes, byte by
 * byte, and the bitmap rejects almost everything quickly.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <vdso/getrandom.h>

#include "oracle.h"
#include "secrets.h"

#define TABLE_BITS	19
#define MAX_SECRETS	(1 << (TABLE_BITS - 1))
#define MAP_BITS	20

/* Children do not inherit the set: their memory is searched. */
static struct {
	uint64_t table[1 << TABLE_BITS];	/* 0: free; see mostly_zero() */
	uint8_t map[1 << (MAP_BITS - 3)];
} *set;
static size_t count;
static bool too_many;

/* Words with more than three zero bytes are common in any memory, so they are no secrets. */
static bool mostly_zero(uint64_t word)
{
	unsigned int zeros = 0;

	for (int i = 0; i < 8; i++)
		zeros += !(word >> (8 * i) & 0xff);
	return zeros > 3;
}

static uint64_t hash(uint64_t word)
{
	/* Fibonacci hashing: 2^64 divided by the golden ratio. */
	return word * 0x9e3779b97f4a7c15;
}

static void set_bit(uint64_t h)
{
	size_t bit = h >> (64 - MAP_BITS);

	set->map[bit / 8] |= 1 << bit % 8;
}

static bool get_bit(uint64_t h)
{
	size_t bit = h >> (64 - MAP_BITS);

	return set->map[bit / 8] >> bit % 8 & 1;
}

/* The slot of @word in the table, or the free one for it. */
static uint32_t find_slot(uint64_t word)
{
	uint32_t slot = hash(word) >> (64 - TABLE_BITS);

	while (set->table[slot] && set->table[slot] != word)
		slot = (slot + 1) % (1 << TABLE_BITS);
	return slot;
}

static void add_word(uint64_t word)
{
	uint32_t slot;

	if (mostly_zero(word))
		return;
	slot = find_slot(word);
	if (set->table[slot])
		return;
	if (count == MAX_SECRETS) {
		too_many = true;
		return;
	}
	set->table[slot] = word;
	count++;
	set_bit(hash(word));
}

void secrets_clear(void)
{
	if (!set) {
		set = mmap(NULL, sizeof(*set), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (set == MAP_FAILED || madvise(set, sizeof(*set), MADV_DONTFORK)) {
			perror("secrets: cannot map memory");
			abort();
		}
	}
	too_many = false;
	memset(set, 0, sizeof(*set));
	count = 0;
}

bool secrets_complete(void)
{
	return !too_many;
}

void secrets_add(const void *bytes, size_t len)
{
	uint64_t word;

	for (size_t i = 0; i + sizeof(word) <= len; i++) {
		memcpy(&word, bytes + i, sizeof(word));
		add_word(word);
	}
}

static void add_pair(uint32_t word, uint32_t next)
{
	add_word(word | (uint64_t)next << 32);
}

/* The working state of each block after each round, by rows and by words. */
void secrets_add_rounds(const uint8_t *key, size_t first, size_t blocks)
{
	uint32_t s[SECRET_BLOCKS][ORACLE_WORDS];

	if (blocks > SECRET_BLOCKS) {
		too_many = true;
		return;
	}
	for (size_t i = 0; i < blocks; i++)
		oracle_begin(s[i], key, first + i);
	for (unsigned int round = 0; round < ORACLE_ROUNDS; round++) {
		for (size_t i = 0; i < blocks; i++)
			oracle_round(s[i], round);
		for (size_t i = 0; i < blocks; i++) {
			for (size_t w = 0; w < ORACLE_WORDS; w++) {
				if (i)
					add_pair(s[i - 1][w], s[i][w]);
				if (w % 2 == 0)
					add_pair(s[i][w], s[i][w + 1]);
			}
		}
	}
}

void secrets_add_key(const uint8_t *key)
{
	for (size_t i = 0; i < VGETRANDOM_KEY_SIZE; i += 4) {
		uint32_t word;

		memcpy(&word, key + i, sizeof(word));
		add_pair(word, word);
	}
	secrets_add(key, VGETRANDOM_KEY_SIZE);
}

void secrets_add_output(const uint8_t *key, size_t blocks)
{
	uint32_t stream[SECRET_BLOCKS][ORACLE_WORDS];

	if (blocks > SECRET_BLOCKS) {
		too_many = true;
		return;
	}
	oracle_stream((uint8_t *)stream, blocks * VGETRANDOM_BLOCK_SIZE, key, 0);
	secrets_add(stream, blocks * VGETRANDOM_BLOCK_SIZE);
	for (size_t i = 1; i < blocks; i++)
		for (size_t w = 0; w < ORACLE_WORDS; w++)
			add_pair(stream[i - 1][w], stream[i][w]);
	secrets_add_key(key);
}

void secrets_add_stream(const uint8_t *key, size_t blocks)
{
	secrets_add_output(key, blocks);
	secrets_add_rounds(key, 0, blocks);
}

bool secrets_found(const void *area, size_t len, size_t *where)
{
	uint64_t word;

	for (size_t i = 0; i + sizeof(word) <= len; i++) {
		memcpy(&word, area + i, sizeof(word));
		/* A word that begins in the first half of eight zeros is mostly zero. */
		if (!word)
			i += 4;
		else if (get_bit(hash(word)) && set->table[find_slot(word)])
			return *where = i, true;
	}
	return false;
}
