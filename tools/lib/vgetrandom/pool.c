// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <uapi/linux/mman.h>
#include <vdso/getrandom.h>

#include "pool.h"
#include "raw.h"

#define CACHE_LINE	64

#define FIRST_PATIENCE	256
#define MOST_REFUSALS	12	/* a million requests between attempts, then */

/* Of what the process may lock, most belongs to others. */
#define OUR_SHARE(limit)	((limit) / 8)

/*
 * What is at a locked pool's @lock. A child of fork() finds 0: the memory is zeros there,
 * and not locked.
 */
#define ASKING_HERE	1
#define LOCKED_HERE	2
#define REFUSED_HERE	3

static size_t stride_of(size_t size)
{
	return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static size_t pages_for(size_t pieces, size_t per_page)
{
	return (pieces + per_page - 1) / per_page;
}

/* Chunk @n has as many pieces as all before it, and POOL_FIRST more. */
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

/* The number of a piece; POOL_MAX if there is no such. */
static uint32_t number_of(struct pool *pool, const void *piece)
{
	uint32_t capacity = atomic_load(&pool->capacity), number;
	size_t offset;

	for (unsigned int n = 0; n < POOL_CHUNKS && chunk_start(n) < capacity; n++) {
		offset = (uintptr_t)piece - (uintptr_t)atomic_load(&pool->chunks[n]);
		if (offset / ARCH_PAGE >= pages_for(POOL_FIRST << n, pool->per_page))
			continue;
		number = chunk_start(n) + offset / ARCH_PAGE * pool->per_page +
			 offset % ARCH_PAGE / pool->stride;
		if (number < capacity && slot_at(pool, number) == piece)
			return number;
	}
	return POOL_MAX;
}

static void set_size(struct pool *pool, size_t size)
{
	pool->stride = stride_of(size);
	pool->per_page = ARCH_PAGE / pool->stride;
}

/* The kernel has refused: when is it to be asked again? */
static void back_off(struct pool *pool, int error)
{
	uint32_t refusals = atomic_load(&pool->refusals);

	/* A shortage may end. That a filter, or a kernel, does not know this will not. */
	atomic_store(&pool->patience,
		     error == ENOMEM || error == EAGAIN ? FIRST_PATIENCE << refusals : -1);
	if (refusals < MOST_REFUSALS)
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
 * Two may be here at the same time, and one may not return from the signal handler that
 * has interrupted it: so whoever finds memory that is not counted yet counts it. A request
 * has the system call to go to, and does not wait; who asks for a state itself has not, and
 * maps memory too.
 */
static bool grow(struct pool *pool, enum pool_owner owner)
{
	int32_t patience = atomic_load(&pool->patience);
	uint32_t capacity = atomic_load(&pool->capacity);
	char *nothing = NULL;
	unsigned int n;
	size_t bytes;
	long memory;

	if (atomic_load(&pool->fresh) < capacity)
		return true;
	if (patience < 0 || (patience && owner != POOL_USER)) {
		/* If another one counts down at the same time, once will do. */
		if (patience > 0)
			atomic_compare_exchange_strong(&pool->patience, &patience, patience - 1);
		return false;
	}
	if (capacity == POOL_MAX)
		return false;
	/* Others who come meanwhile are turned away; but not for ever, should this be the end. */
	if (!patience &&
	    !atomic_compare_exchange_strong(&pool->patience, &patience, FIRST_PATIENCE) &&
	    owner != POOL_USER)
		return false;
	n = chunk_of(capacity);
	if (!atomic_load(&pool->chunks[n])) {
		bytes = pages_for(POOL_FIRST << n, pool->per_page) * ARCH_PAGE;
		memory = raw_syscall(SYS_mmap, NULL, bytes, pool->prot, pool->flags, -1, 0);
		if (memory < 0) {
			back_off(pool, (int)-memory);
			return false;
		}
		if (!atomic_compare_exchange_strong(&pool->chunks[n], &nothing, (char *)memory))
			raw_syscall(SYS_munmap, memory, bytes);
	}
	atomic_compare_exchange_strong(&pool->capacity, &capacity, chunk_start(n + 1));
	atomic_store(&pool->refusals, 0);
	atomic_store(&pool->patience, 0);
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

/* A locked pool has one chunk, which may be short. */
static size_t locked_bytes(struct pool *pool)
{
	return pages_for(atomic_load(&pool->capacity), pool->per_page) * ARCH_PAGE;
}

/* On fault: a child of fork() need not get all of it at once. */
static bool lock(struct pool *pool)
{
	return !raw_syscall(SYS_mlock2, atomic_load(&pool->chunks[0]), locked_bytes(pool),
			    MLOCK_ONFAULT);
}

/*
 * Threads of a child may all be here at once, and each lock it. A signal handler may fork in
 * here: what the kernel has said then does not hold in the child, which no longer finds
 * that it has asked, and asks again. Not for the compiler to take apart: tests unwind from each
 * function of a request by its name.
 */
__attribute__((noinline))
bool pool_may_hold_keys(struct pool *pool, const void *piece)
{
	unsigned long asking, answer;

	if (!pool->lock)
		return true;
	if ((uintptr_t)piece - (uintptr_t)atomic_load(&pool->chunks[0]) >= locked_bytes(pool))
		return false;
	/*
	 * Once more, not for ever: a handler may fork each time. One look each: between two, a
	 * fork would turn "locked" into a refusal.
	 */
	for (int i = 0; i < 2; i++) {
		answer = *pool->lock;
		if (answer == REFUSED_HERE)
			return false;
		if (answer == LOCKED_HERE)
			return true;
		*pool->lock = asking = ASKING_HERE;
		answer = lock(pool) ? LOCKED_HERE : REFUSED_HERE;
		__atomic_compare_exchange_n(pool->lock, &asking, answer, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	return *pool->lock == LOCKED_HERE;
}

bool pool_is_refused(const struct pool *pool)
{
	return pool->lock && *pool->lock == REFUSED_HERE;
}

/* All else that droppable memory has, kernels before 6.11 have too, if a page at a time. */
static const char *open_locked(struct pool *pool)
{
	size_t pages = pages_for(POOL_FIRST, pool->per_page), pieces;
	struct rlimit limit;
	size_t bytes;
	long memory;

	if (raw_syscall(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, &limit))
		limit.rlim_cur = 0;
	if (OUR_SHARE(limit.rlim_cur) / ARCH_PAGE < pages)
		pages = OUR_SHARE(limit.rlim_cur) / ARCH_PAGE;
	if (!pages)
		return "keys need memory that is never swapped: the kernel has no droppable memory, and RLIMIT_MEMLOCK leaves none to lock; raise it (ulimit -l)";
	bytes = pages * ARCH_PAGE;
	memory = raw_syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory < 0)
		return "there is no memory for keys";
	pieces = pages * pool->per_page;
	/* It never grows: later a sandbox may kill a process that locks memory. */
	atomic_store(&pool->patience, -1);
	atomic_store(&pool->chunks[0], (char *)memory);
	atomic_store(&pool->capacity, pieces < POOL_FIRST ? pieces : POOL_FIRST);
	/* Behind the pieces of the first page. */
	pool->lock = (unsigned long *)(memory + ARCH_PAGE) - 1;
	if (!raw_syscall(SYS_madvise, memory, bytes, MADV_WIPEONFORK) &&
	    !raw_syscall(SYS_madvise, memory, bytes, MADV_DONTDUMP) &&
	    pool_may_hold_keys(pool, (const void *)memory))
		return NULL;
	raw_syscall(SYS_munmap, memory, bytes);
	pool->lock = NULL;
	atomic_store(&pool->capacity, 0);
	atomic_store(&pool->chunks[0], NULL);
	atomic_store(&pool->patience, 0);
	return "keys need memory that is never swapped, dumped or inherited: the kernel has no droppable memory, and refuses to lock other";
}

const char *pool_open_secret(struct pool *pool)
{
	set_secret(pool);
	grow(pool, POOL_THREAD);
	return atomic_load(&pool->capacity) ? NULL : open_locked(pool);
}

void pool_warm(struct pool *pool)
{
	volatile char *first = atomic_load(&pool->chunks[0]);

	if (first)
		*first = 0;
}

static uint64_t next_tag(uint64_t returned)
{
	return (returned & ~0xffffffffUL) + (1UL << 32);
}

/*
 * helgrind knows locks, but not that a thread which takes what another one has given back
 * comes after it. The numbers are those of <valgrind/helgrind.h>: ANNOTATE_HAPPENS_BEFORE()
 * and ANNOTATE_HAPPENS_AFTER().
 */
#define HELGRIND_BEFORE	0x48470121
#define HELGRIND_AFTER	0x48470122

/* POOL_MAX if there is none. */
static uint32_t take_returned(struct pool *pool)
{
	uint64_t top = atomic_load(&pool->returned);
	uint32_t number;

	do {
		number = (uint32_t)top - 1;
		if (!(uint32_t)top)
			return POOL_MAX;
		/*
		 * If somebody else takes it now, this reads nonsense; but then the tag
		 * is another one, and the exchange fails.
		 */
	} while (!atomic_compare_exchange_weak(&pool->returned, &top,
					       next_tag(top) | atomic_load(&pool->next[number])));
	arch_tell_valgrind(HELGRIND_AFTER, &pool->next[number]);
	return number;
}

static uint32_t take_fresh(struct pool *pool)
{
	uint32_t number = atomic_load(&pool->fresh);

	do {
		if (number >= atomic_load(&pool->capacity))
			return POOL_MAX;
	} while (!atomic_compare_exchange_weak(&pool->fresh, &number, number + 1));
	return number;
}

static void put(struct pool *pool, uint32_t number)
{
	uint64_t top = atomic_load(&pool->returned);

	arch_tell_valgrind(HELGRIND_BEFORE, &pool->next[number]);
	do {
		atomic_store(&pool->next[number], (uint32_t)top);
	} while (!atomic_compare_exchange_weak(&pool->returned, &top,
					       next_tag(top) | (number + 1)));
}

void *pool_take(struct pool *pool, enum pool_owner owner)
{
	volatile char *piece;
	uint32_t number;

	do {
		number = take_returned(pool);
		if (number == POOL_MAX)
			number = take_fresh(pool);
	} while (number == POOL_MAX && grow(pool, owner));
	if (number == POOL_MAX)
		return NULL;
	atomic_store(&pool->next[number], owner);
	piece = slot_at(pool, number);
	/* Of a page that is not there yet: to read it first would take two faults. */
	*piece = 0;
	return (void *)piece;
}

bool pool_give(struct pool *pool, void *piece, enum pool_owner owner)
{
	uint32_t number = number_of(pool, piece);
	uint32_t expected = owner;

	/* The exchange makes one of two who both give it back the one who does. */
	if (number == POOL_MAX ||
	    !atomic_compare_exchange_strong(&pool->next[number], &expected, 0))
		return false;
	explicit_bzero(piece, pool->stride);
	put(pool, number);
	return true;
}

void pool_reset(struct pool *pool, const void *mine)
{
	uint32_t fresh = atomic_load(&pool->fresh), owner;

	for (uint32_t number = 0; number < fresh; number++) {
		owner = POOL_THREAD;
		if (slot_at(pool, number) != mine &&
		    atomic_compare_exchange_strong(&pool->next[number], &owner, 0))
			put(pool, number);
	}
}
