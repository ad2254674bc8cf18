// SPDX-License-Identifier: GPL-2.0-only
/*
 * All values that calls have returned: a hash set in shared memory. It is lock-free, because
 * threads, handlers and children use it at the same time, and may end at any instruction.
 *
 * The set is as large as memory allows, but an hour makes more values. Whenever it is half
 * full, it discards half of its values: from then on it keeps only values in which one more
 * bit is 0. So each value with these bits clear at the end has been compared with all others
 * of this kind. A fault that repeats values of any kind is found after a few repetitions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "soak.h"

/* Empty if all bits are 0. set_add() is never called with such a value. */
struct slot {
	alignas(16) uint64_t low;
	uint64_t high;
};

struct set {
	uint64_t mask;			/* bits of @low that are clear in the values kept */
	uint64_t held;			/* slots in use, approximately */
	uint64_t asked, compared;
	struct slot slots[];
};

static struct set *set;
static uint64_t slots;

void set_open(size_t mib)
{
	size_t size;

	for (slots = 1 << 16; slots * 2 * sizeof(struct slot) <= mib << 20; slots *= 2)
		;
	size = sizeof(*set) + slots * sizeof(struct slot);
	set = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
		   -1, 0);
	if (set == MAP_FAILED)
		soak_die("a set of %zu MiB: %s", mib, strerror(errno));
	/* Memory pressure must hit the states, and not this set. */
	if (mlock(set, size) && strict)
		soak_die("locking the set: %s", strerror(errno));
}

static bool replace(struct slot *slot, struct slot old, struct slot new)
{
	bool done;

	asm volatile("lock cmpxchg16b %1"
		     : "=@ccz" (done), "+m" (*slot), "+a" (old.low), "+d" (old.high)
		     : "b" (new.low), "c" (new.high)
		     : "memory");
	return done;
}

/* The two loads may see halves of two values. Then replace() fails. */
static struct slot read_slot(const struct slot *slot)
{
	return (struct slot){ __atomic_load_n(&slot->low, __ATOMIC_RELAXED),
			      __atomic_load_n(&slot->high, __ATOMIC_RELAXED) };
}

static void keep_fewer(uint64_t mask)
{
	uint64_t held = __atomic_load_n(&set->held, __ATOMIC_RELAXED);

	if (held > slots / 2 &&
	    __atomic_compare_exchange_n(&set->mask, &mask, mask >> 1 | 1ULL << 63, false,
					__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		__atomic_fetch_sub(&set->held, held / 2, __ATOMIC_RELAXED);
}

bool set_add(const uint8_t bytes[VALUE])
{
	uint64_t mask = __atomic_load_n(&set->mask, __ATOMIC_RELAXED);
	struct slot value, found, free = { 0 };
	uint64_t at, free_at;

	memcpy(&value, bytes, sizeof(value));
	count(&set->asked);
	if (value.low & mask)
		return true;
	count(&set->compared);
again:
	free_at = slots;
	for (uint64_t i = 0;; i++) {
		at = (value.high + i) & (slots - 1);
		found = read_slot(&set->slots[at]);
		if (found.low == value.low && found.high == value.high)
			return false;
		/* Empty, or discarded. The value may still be in a slot after a discarded one. */
		if (free_at == slots && ((!found.low && !found.high) || found.low & mask)) {
			free_at = at;
			free = found;
		}
		if (!found.low && !found.high)
			break;
		if (i == slots)
			soak_die("the set is full");
	}
	/* All callers use the first free slot, so no other adds the same value elsewhere. */
	if (!replace(&set->slots[free_at], free, value))
		goto again;
	count(&set->held);
	keep_fewer(mask);
	return true;
}

struct set_figures set_figures(void)
{
	return (struct set_figures){
		.asked = __atomic_load_n(&set->asked, __ATOMIC_RELAXED),
		.compared = __atomic_load_n(&set->compared, __ATOMIC_RELAXED),
		.held = __atomic_load_n(&set->held, __ATOMIC_RELAXED),
		.slots = slots,
		.bits = __builtin_popcountll(__atomic_load_n(&set->mask, __ATOMIC_RELAXED)),
	};
}
