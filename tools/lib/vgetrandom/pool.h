/* SPDX-License-Identifier: MIT */
/*
 * A pool: pieces of memory of one size, many to a page, that threads take and give back.
 *
 * Nothing here waits. Two threads, or a thread and the signal handler that interrupts it,
 * may be anywhere in here at the same time; a child of fork() may begin its life there.
 */
#ifndef _VGETRANDOM_POOL_H
#define _VGETRANDOM_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_FIRST	256	/* pieces that are mapped at the start; then twice that, ... */
#define POOL_CHUNKS	8
#define POOL_MAX	(POOL_FIRST * ((1 << POOL_CHUNKS) - 1))

/**
 * struct pool - pieces of memory of one size
 * @stride: from one piece to the next on a page; pieces begin on cache lines
 * @per_page: how many are on a page
 * @prot: mmap()'s protection
 * @flags: mmap()'s flags
 * @chunks: chunk number n has the pieces from POOL_FIRST * (2^n - 1) on
 * @capacity: pieces that are mapped
 * @fresh: the first piece that nobody has ever had
 * @returned: the pieces that were given back, a stack: in the low half the number of the
 *	      topmost, plus one; in the high half a number that changes whenever the
 *	      stack does, or a piece that goes and comes back would look as if it had
 *	      stayed there
 * @refusals: how often in a row the kernel has refused it
 * @patience: requests to turn away before the kernel is asked again; below 0: all
 * @lock: of memory that is locked: says whether it is, in this process; otherwise NULL
 * @next: for each piece of POOL_MAX: its owner, or the piece below it in @returned
 */
struct pool {
	size_t			stride;
	size_t			per_page;
	int			prot;
	int			flags;
	_Atomic(char *)		chunks[POOL_CHUNKS];
	_Atomic(uint32_t)	capacity;
	_Atomic(uint32_t)	fresh;
	_Atomic(uint64_t)	returned;
	_Atomic(uint32_t)	refusals;
	_Atomic(int32_t)	patience;
	volatile unsigned long	*lock;
	_Atomic(uint32_t)	*next;
};

/* Who has a piece. No piece has a number as large as these. */
enum pool_owner {
	POOL_THREAD	= 0x40000000,	/* a thread, whose exit gives it back */
	POOL_IN_FORK	= 0x40000001,	/* the same, but it came while a fork was under way */
	POOL_USER	= 0x40000002,	/* somebody who has asked for it by name */
};

/**
 * pool_open - map the first pieces
 * @pool: all zeros but for @next
 * @size: of a piece, in bytes; a page at most
 * @prot: for mmap()
 * @flags: for mmap(), and MAP_DROPPABLE is one of them
 * @secret: NULL, or another pool, that is opened as by pool_open_secret() in the same mapping
 *
 * If the kernel refuses, both are empty, and may grow later.
 */
void pool_open(struct pool *pool, size_t size, int prot, int flags, struct pool *secret);

/**
 * pool_open_secret - the same, in memory that is never swapped, dumped or inherited
 * @pool: all zeros but for @next
 *
 * Its pieces are each a struct vgetrandom_state. The memory is droppable; on a kernel that
 * has no such memory it is locked, and the pool never grows.
 *
 * Return: NULL; or the reason why there is no such memory.
 */
const char *pool_open_secret(struct pool *pool);

/**
 * pool_warm - have the first page there before the first piece is taken
 * @pool: the pool; no thread takes pieces yet
 */
void pool_warm(struct pool *pool);

/**
 * pool_may_hold_keys - may a piece hold a secret?
 * @pool: from pool_open_secret()
 * @piece: a piece; or memory that a program has mapped for a state itself
 *
 * A child of fork() does not inherit locks: the first call in it locks the memory again.
 * errno stays.
 *
 * Return: false if the kernel has refused that, or if the pool is locked and @piece is
 * elsewhere: a child of fork() would have a copy of it.
 */
bool pool_may_hold_keys(struct pool *pool, const void *piece);

/**
 * pool_is_refused - has pool_may_hold_keys() said no in this process?
 * @pool: the pool
 */
bool pool_is_refused(const struct pool *pool);

/**
 * pool_take - take a piece
 * @pool: the pool
 * @owner: who takes it
 *
 * Maps more if all are taken, unless the kernel has refused that lately.
 *
 * Return: the piece, all zeros; NULL if there is none to be had.
 */
void *pool_take(struct pool *pool, enum pool_owner owner);

/**
 * pool_give - erase a piece and give it back
 * @pool: the pool
 * @piece: nobody uses it any more
 * @owner: who has had it
 *
 * Return: false, and nothing has been done, if @owner does not have such a piece.
 */
bool pool_give(struct pool *pool, void *piece, enum pool_owner owner);

/**
 * pool_reset - in a child of fork(): take back what threads have that are not there
 * @pool: the pool
 * @mine: the piece that this thread has, or NULL
 *
 * All that have a POOL_THREAD, that is; other threads of the child, if there are any
 * already, are POOL_IN_FORK. What a thread was just taking or giving back is lost.
 */
void pool_reset(struct pool *pool, const void *mine);

#endif /* _VGETRANDOM_POOL_H */
