/* SPDX-License-Identifier: MIT */
/*
 * A pool of slots: pieces of memory of one size, many to a page, that threads allocate and free.
 *
 * The pool is lock-free. Several threads, and signal handlers that interrupt one of them, may be
 * in any of these functions at once, and a child of fork() may start in the middle of one.
 */
#ifndef _VGETRANDOM_POOL_H
#define _VGETRANDOM_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_FIRST	256	/* slots of the first chunk; each further chunk has twice as many */
#define POOL_CHUNKS	8
#define POOL_MAX	(POOL_FIRST * ((1 << POOL_CHUNKS) - 1))

/**
 * enum pool_owner - the owner of a slot
 * @POOL_FREE: none; or the slot is just being allocated or freed
 * @POOL_THREAD: a thread, which frees the slot when it exits
 * @POOL_IN_FORK: the same, but allocated while a fork was under way
 * @POOL_USER: the program, by vgetrandom_alloc()
 */
enum pool_owner {
	POOL_FREE,
	POOL_THREAD,
	POOL_IN_FORK,
	POOL_USER,
};

/**
 * struct pool_slot - bookkeeping of a slot, outside the slot's memory
 * @owner: enum pool_owner
 * @below: while the slot is on the free stack, the slot below it: its number plus one; 0: none
 */
struct pool_slot {
	_Atomic(uint16_t)	owner;
	_Atomic(uint16_t)	below;
};

/**
 * struct pool - slots of one size
 * @stride: distance between two slots of a page, in bytes; a multiple of a cache line
 * @per_page: slots in a page
 * @prot: protection for mmap()
 * @flags: flags for mmap()
 * @chunks: memory of the slots; chunk n begins with slot POOL_FIRST * (2^n - 1)
 * @capacity: number of slots in mapped memory
 * @fresh: the first slot that was never allocated
 * @free_top: the free stack. The low half is the number of its top slot plus one; 0: it is empty.
 *	      The high half is a tag that changes with the stack: without it, a thread could not
 *	      tell that the top slot was popped and pushed again meanwhile (ABA)
 * @refusals: how many times in a row the kernel has refused to map more
 * @backoff: number of requests that do not try to map more, before one tries again
 * @is_fixed: the pool never grows (again)
 * @lock: NULL if the memory is not locked memory; otherwise whether this process has locked it
 * @slots: POOL_MAX of them
 */
struct pool {
	size_t			stride;
	size_t			per_page;
	int			prot;
	int			flags;
	_Atomic(char *)		chunks[POOL_CHUNKS];
	_Atomic(uint32_t)	capacity;
	_Atomic(uint32_t)	fresh;
	_Atomic(uint64_t)	free_top;
	_Atomic(uint32_t)	refusals;
	_Atomic(uint32_t)	backoff;
	_Atomic(bool)		is_fixed;
	volatile unsigned long	*lock;
	struct pool_slot	*slots;
};

/**
 * pool_open - map the first slots
 * @pool: all zeros except @slots
 * @size: size of a slot in bytes; at most a page
 * @prot: protection for mmap()
 * @flags: flags for mmap(); they include MAP_DROPPABLE
 * @secret: NULL; or another pool, all zeros except @slots, to set up as pool_open_secret() does,
 *	    in the same mapping
 *
 * If the kernel refuses the mapping, both pools are empty and may grow later.
 */
void pool_open(struct pool *pool, size_t size, int prot, int flags, struct pool *secret);

/**
 * pool_open_secret - map the first slots in memory that is never swapped, dumped or inherited
 * @pool: all zeros except @slots
 *
 * Each slot holds a struct vgetrandom_state. The memory is droppable. If the kernel has no
 * droppable memory, the memory is locked instead, and the pool never grows.
 *
 * Return: NULL; or the reason why there is no such memory.
 */
const char *pool_open_secret(struct pool *pool);

/**
 * pool_prefault - take the page fault of the first page now
 * @pool: the pool; no thread allocates slots yet
 */
void pool_prefault(struct pool *pool);

/**
 * pool_may_hold_keys - check that a slot may hold a secret
 * @pool: a pool from pool_open_secret()
 * @slot: a slot; or memory that the program has mapped for a state
 *
 * A child of fork() does not inherit memory locks: the first call in a child locks the memory
 * again. errno is preserved.
 *
 * Return: false if the kernel refuses to lock the memory; or if the pool is locked and @slot is
 * outside it, where a child of fork() would get a copy of @slot. Otherwise true.
 */
bool pool_may_hold_keys(struct pool *pool, const void *slot);

/**
 * pool_is_refused - has the kernel refused to lock the pool's memory in this process?
 * @pool: the pool
 */
bool pool_is_refused(const struct pool *pool);

/**
 * pool_alloc - allocate a slot
 * @pool: the pool
 * @owner: the new owner; not POOL_FREE
 *
 * Maps more memory if no slot is free, unless the kernel has refused that recently.
 *
 * Return: the slot, all zeros; or NULL.
 */
void *pool_alloc(struct pool *pool, enum pool_owner owner);

/**
 * pool_free - erase and free a slot
 * @pool: the pool
 * @slot: the slot; not in use
 * @owner: its owner; not POOL_FREE
 *
 * Return: true; false if @slot is not a slot of @owner, and then nothing has changed.
 */
bool pool_free(struct pool *pool, void *slot, enum pool_owner owner);

/**
 * pool_reclaim - in a child of fork(), free the slots of the parent's other threads
 * @pool: the pool
 * @mine: the calling thread's slot, or NULL
 *
 * Frees every POOL_THREAD slot except @mine. The child may have other threads already: their slots
 * are POOL_IN_FORK. A slot that a thread of the parent was just allocating or freeing stays
 * unusable in the child.
 */
void pool_reclaim(struct pool *pool, const void *mine);

#endif /* _VGETRANDOM_POOL_H */
