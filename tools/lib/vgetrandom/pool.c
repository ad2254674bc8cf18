// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <uapi/linux/mman.h>
#include <vdso/getrandom.h>

#include "pool.h"
#include "raw.h"

#define CACHE_LINE	64

/* Requests between two attempts to map more; twice as many after each refusal. */
#define FIRST_BACKOFF	256
#define MAX_REFUSALS	12	/* a million requests */

/* The share of RLIMIT_MEMLOCK that a locked pool uses: the rest is for the program. */
#define LOCKED_SHARE(limit)	((limit) / 8)

/*
 * Values of a locked pool's *@lock. It lies in the locked memory, so a child of fork(), where
 * that memory is zeros and not locked, finds 0.
 */
#define LOCK_PENDING	1
#define LOCK_DONE	2
#define LOCK_REFUSED	3

_Static_assert(POOL_MAX <= UINT16_MAX, "slot numbers do not fit into struct pool_slot");

static size_t stride_of(size_t size)
{
	return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static size_t pages_for(size_t slots, size_t per_page)
{
	return (slots + per_page - 1) / per_page;
}

/* Chunk @n has POOL_FIRST slots more than all chunks before it. */
static uint32_t chunk_start(unsigned int n)
{
	return POOL_FIRST * ((1U << n) - 1);
}

static unsigned int chunk_of(uint32_t number)
{
	return 31 - __builtin_clz(number / POOL_FIRST + 1);
}

static void *slot_at(struct pool *pool, uint32_t number)
{
	unsigned int n = chunk_of(number);
	uint32_t in_chunk = number - chunk_start(n);

	return atomic_load(&pool->chunks[n]) + in_chunk / pool->per_page * ARCH_PAGE +
	       in_chunk % pool->per_page * pool->stride;
}

/* Return: the number of a slot; POOL_MAX if @slot is not one. */
static uint32_t find_slot(struct pool *pool, const void *slot)
{
	uint32_t capacity = atomic_load(&pool->capacity), number;
	size_t offset;

	for (unsigned int n = 0; n < POOL_CHUNKS && chunk_start(n) < capacity; n++) {
		offset = (uintptr_t)slot - (uintptr_t)atomic_load(&pool->chunks[n]);
		if (offset / ARCH_PAGE >= pages_for(POOL_FIRST << n, pool->per_page))
			continue;
		number = chunk_start(n) + offset / ARCH_PAGE * pool->per_page +
			 offset % ARCH_PAGE / pool->stride;
		if (number < capacity && slot_at(pool, number) == slot)
			return number;
	}
	return POOL_MAX;
}

static void set_size(struct pool *pool, size_t size)
{
	pool->stride = stride_of(size);
	pool->per_page = ARCH_PAGE / pool->stride;
}

/* The kernel has refused to map memory. */
static void back_off(struct pool *pool, int error)
{
	uint32_t refusals = atomic_load(&pool->refusals);

	/* A shortage may end; a filter, or a kernel that lacks the flag, will refuse again. */
	if (error != ENOMEM && error != EAGAIN)
		atomic_store(&pool->is_fixed, true);
	atomic_store(&pool->backoff, FIRST_BACKOFF << refusals);
	if (refusals < MAX_REFUSALS)
		atomic_store(&pool->refusals, refusals + 1);
}

static void set_secret(struct pool *pool)
{
	_Static_assert(sizeof(struct vgetrandom_state) % CACHE_LINE == 0 &&
		       ARCH_PAGE % sizeof(struct vgetrandom_state) >= sizeof(*pool->lock),
		       "the first page has no room for the lock");
	set_size(pool, sizeof(struct vgetrandom_state));
	pool->prot = PROT_READ | PROT_WRITE;
	pool->flags = MAP_DROPPABLE | MAP_ANONYMOUS | MAP_NORESERVE;
}

static size_t first_bytes(const struct pool *pool)
{
	return pages_for(POOL_FIRST, pool->per_page) * ARCH_PAGE;
}

static void set_first(struct pool *pool, long memory)
{
	atomic_store(&pool->chunks[0], (char *)memory);
	atomic_store(&pool->capacity, POOL_FIRST);
}

/*
 * May @owner try to map more slots now?
 *
 * An attempt first sets the backoff, as if it had failed; success clears it. So concurrent
 * requests use the system call instead of mapping memory too. And an attempt that never ends,
 * because a signal handler jumps out of it, the thread exits or the process forks, does not stop
 * growth forever. vgetrandom_alloc() has no system call to fall back to, so it always tries.
 */
static bool may_grow(struct pool *pool, enum pool_owner owner)
{
	uint32_t backoff = 0;

	if (atomic_load(&pool->is_fixed))
		return false;
	if (atomic_compare_exchange_strong(&pool->backoff, &backoff, FIRST_BACKOFF) ||
	    owner == POOL_USER)
		return true;
	/* If another thread counts down at the same time, one decrement is enough. */
	atomic_compare_exchange_strong(&pool->backoff, &backoff, backoff - 1);
	return false;
}

/* Return: true if the memory of chunk @n is mapped. */
static bool map_chunk(struct pool *pool, unsigned int n)
{
	size_t bytes = pages_for(POOL_FIRST << n, pool->per_page) * ARCH_PAGE;
	char *unmapped = NULL;
	long memory;

	if (atomic_load(&pool->chunks[n]))
		return true;
	memory = raw_syscall(SYS_mmap, NULL, bytes, pool->prot, pool->flags, -1, 0);
	if (memory < 0) {
		back_off(pool, (int)-memory);
		return false;
	}
	if (!atomic_compare_exchange_strong(&pool->chunks[n], &unmapped, (char *)memory))
		raw_syscall(SYS_munmap, memory, bytes);
	return true;
}

/*
 * Lock-free: any thread that sees a chunk that is mapped but not counted in @capacity counts it.
 *
 * Return: true if there may be free slots now.
 */
static bool grow(struct pool *pool, enum pool_owner owner)
{
	uint32_t capacity = atomic_load(&pool->capacity);
	unsigned int n = chunk_of(capacity);

	if (atomic_load(&pool->fresh) < capacity)
		return true;
	if (capacity == POOL_MAX || !may_grow(pool, owner) || !map_chunk(pool, n))
		return false;
	atomic_compare_exchange_strong(&pool->capacity, &capacity, chunk_start(n + 1));
	atomic_store(&pool->refusals, 0);
	atomic_store(&pool->backoff, 0);
	return true;
}

void pool_open(struct pool *pool, size_t size, int prot, int flags, struct pool *secret)
{
	long memory;

	set_size(pool, size);
	pool->prot = prot;
	pool->flags = flags;
	if (!secret) {
		grow(pool, POOL_THREAD);
		return;
	}
	set_secret(secret);
	memory = raw_syscall(SYS_mmap, NULL, first_bytes(pool) + first_bytes(secret), prot, flags,
			     -1, 0);
	if (memory < 0) {
		back_off(pool, (int)-memory);
		return;
	}
	set_first(pool, memory);
	set_first(secret, memory + (long)first_bytes(pool));
}

/* A locked pool has one chunk, which may have fewer than POOL_FIRST slots. */
static size_t locked_bytes(struct pool *pool)
{
	return pages_for(atomic_load(&pool->capacity), pool->per_page) * ARCH_PAGE;
}

/* MLOCK_ONFAULT: a child of fork() does not fault in all pages at once. */
static bool lock_memory(struct pool *pool)
{
	return !raw_syscall(SYS_mlock2, atomic_load(&pool->chunks[0]), locked_bytes(pool),
			    MLOCK_ONFAULT);
}

/*
 * Several threads of a child may lock the memory at once. A signal handler may fork while the
 * kernel is asked: its answer does not hold in the child, which finds 0 in place of LOCK_PENDING
 * and asks again. noinline: tests unwind from each function of a request by its name.
 */
__attribute__((noinline))
bool pool_may_hold_keys(struct pool *pool, const void *slot)
{
	unsigned long pending, answer;

	if (!pool->lock)
		return true;
	if ((uintptr_t)slot - (uintptr_t)atomic_load(&pool->chunks[0]) >= locked_bytes(pool))
		return false;
	/*
	 * At most twice, because a handler may fork each time. *@lock is read once: a fork between
	 * two reads would turn LOCK_DONE into a refusal.
	 */
	for (int i = 0; i < 2; i++) {
		answer = *pool->lock;
		if (answer == LOCK_REFUSED)
			return false;
		if (answer == LOCK_DONE)
			return true;
		*pool->lock = pending = LOCK_PENDING;
		answer = lock_memory(pool) ? LOCK_DONE : LOCK_REFUSED;
		__atomic_compare_exchange_n(pool->lock, &pending, answer, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	return *pool->lock == LOCK_DONE;
}

bool pool_is_refused(const struct pool *pool)
{
	return pool->lock && *pool->lock == LOCK_REFUSED;
}

/* Before 6.11 the kernel can keep memory out of swap, dumps and children too, but not drop it. */
static const char *open_locked(struct pool *pool)
{
	size_t pages = pages_for(POOL_FIRST, pool->per_page), slots;
	struct rlimit limit;
	size_t bytes;
	long memory;

	if (raw_syscall(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, &limit))
		limit.rlim_cur = 0;
	if (LOCKED_SHARE(limit.rlim_cur) / ARCH_PAGE < pages)
		pages = LOCKED_SHARE(limit.rlim_cur) / ARCH_PAGE;
	if (!pages)
		return "no memory for keys: the kernel has no droppable memory, and RLIMIT_MEMLOCK is too low to lock memory; raise it (ulimit -l)";
	bytes = pages * ARCH_PAGE;
	memory = raw_syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory < 0)
		return "no memory for keys: mmap() fails";
	slots = pages * pool->per_page;
	/* Later, a sandbox may kill a process that locks memory. */
	atomic_store(&pool->is_fixed, true);
	atomic_store(&pool->chunks[0], (char *)memory);
	atomic_store(&pool->capacity, slots < POOL_FIRST ? slots : POOL_FIRST);
	/* Behind the slots of the first page. */
	pool->lock = (unsigned long *)(memory + ARCH_PAGE) - 1;
	if (!raw_syscall(SYS_madvise, memory, bytes, MADV_WIPEONFORK) &&
	    !raw_syscall(SYS_madvise, memory, bytes, MADV_DONTDUMP) &&
	    pool_may_hold_keys(pool, (const void *)memory))
		return NULL;
	raw_syscall(SYS_munmap, memory, bytes);
	pool->lock = NULL;
	atomic_store(&pool->capacity, 0);
	atomic_store(&pool->chunks[0], NULL);
	atomic_store(&pool->is_fixed, false);
	atomic_store(&pool->backoff, 0);
	return "no memory for keys: the kernel has no droppable memory, and refuses to lock other memory";
}

const char *pool_open_secret(struct pool *pool)
{
	set_secret(pool);
	grow(pool, POOL_THREAD);
	return atomic_load(&pool->capacity) ? NULL : open_locked(pool);
}

void pool_prefault(struct pool *pool)
{
	volatile char *first = atomic_load(&pool->chunks[0]);

	if (first)
		*first = 0;
}

static uint64_t next_tag(uint64_t top)
{
	return (top & ~0xffffffffUL) + (1UL << 32);
}

/*
 * helgrind knows locks. It does not know that a thread that pops a slot comes after the thread that
 * pushed it. The numbers are those of ANNOTATE_HAPPENS_BEFORE() and ANNOTATE_HAPPENS_AFTER() in
 * <valgrind/helgrind.h>.
 */
#define HELGRIND_BEFORE	0x48470121
#define HELGRIND_AFTER	0x48470122

/* Return: the number of a slot; POOL_MAX if the free stack is empty. */
static uint32_t pop_free(struct pool *pool)
{
	uint64_t top = atomic_load(&pool->free_top);
	uint32_t number;

	do {
		number = (uint32_t)top - 1;
		if (!(uint32_t)top)
			return POOL_MAX;
		/*
		 * If another thread pops the slot now, @below is stale; but then the tag has
		 * changed, and the exchange fails.
		 */
	} while (!atomic_compare_exchange_weak(&pool->free_top, &top,
					       next_tag(top) |
					       atomic_load(&pool->slots[number].below)));
	arch_tell_valgrind(HELGRIND_AFTER, &pool->slots[number]);
	return number;
}

/* Return: the number of a slot; POOL_MAX if every mapped slot has been allocated before. */
static uint32_t take_fresh(struct pool *pool)
{
	uint32_t number = atomic_load(&pool->fresh);

	do {
		if (number >= atomic_load(&pool->capacity))
			return POOL_MAX;
	} while (!atomic_compare_exchange_weak(&pool->fresh, &number, number + 1));
	return number;
}

static void push_free(struct pool *pool, uint32_t number)
{
	uint64_t top = atomic_load(&pool->free_top);

	arch_tell_valgrind(HELGRIND_BEFORE, &pool->slots[number]);
	do {
		atomic_store(&pool->slots[number].below, (uint16_t)top);
	} while (!atomic_compare_exchange_weak(&pool->free_top, &top,
					       next_tag(top) | (number + 1)));
}

/*
 * Return: true if @owner had the slot. If two threads free it at once, the exchange lets one of
 * them succeed.
 */
static bool disown(struct pool *pool, uint32_t number, enum pool_owner owner)
{
	uint16_t expected = owner;

	return atomic_compare_exchange_strong(&pool->slots[number].owner, &expected, POOL_FREE);
}

void *pool_alloc(struct pool *pool, enum pool_owner owner)
{
	volatile char *slot;
	uint32_t number;

	do {
		number = pop_free(pool);
		if (number == POOL_MAX)
			number = take_fresh(pool);
	} while (number == POOL_MAX && grow(pool, owner));
	if (number == POOL_MAX)
		return NULL;
	atomic_store(&pool->slots[number].owner, owner);
	slot = slot_at(pool, number);
	/* If the page is not there yet, a write takes one fault; a read first would take two. */
	*slot = 0;
	return (void *)slot;
}

bool pool_free(struct pool *pool, void *slot, enum pool_owner owner)
{
	uint32_t number = find_slot(pool, slot);

	if (number == POOL_MAX || !disown(pool, number, owner))
		return false;
	explicit_bzero(slot, pool->stride);
	push_free(pool, number);
	return true;
}

void pool_reclaim(struct pool *pool, const void *mine)
{
	uint32_t fresh = atomic_load(&pool->fresh);

	for (uint32_t number = 0; number < fresh; number++)
		if (slot_at(pool, number) != mine && disown(pool, number, POOL_THREAD))
			push_free(pool, number);
}
