// SPDX-License-Identifier: GPL-2.0-only
/*
 * All values that were handed out: a hash set in shared memory, without locks, so that
 * threads, handlers and children use it at once, and may end in the middle of it.
 *
 * It is as large as memory allows, and an hour's values are more. Whenever it is half
 * full, half of what it holds is given up, by a fixed property of the value: from then on
 * one more bit of it has to be 0. So of all values ever, each of those that have these
 * bits clear at the end has been compared with each; and any fault that repeats values
 * without a regard for what they are is seen as soon as it has repeated a few.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "soak.h"

/* Empty if all is 0, which no value is that gets here. */
struct slot {
	alignas(16) uint64_t low;
	uint64_t high;
};

struct set {
	uint64_t mask;			/* bits of @low that are clear in what is kept */
	uint64_t held;			/* slots in use, about */
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
	/* What is short of memory must not be that which looks for its effects. */
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

/* Two looks may see halves of two values. That is no value, and replace() finds out. */
static struct slot look(const struct slot *slot)
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
		found = look(&set->slots[at]);
		if (found.low == value.low && found.high == value.high)
			return false;
		/* Empty, or given up: but what is sought may still come after the latter. */
		if (free_at == slots && ((!found.low && !found.high) || found.low & mask)) {
			free_at = at;
			free = found;
		}
		if (!found.low && !found.high)
			break;
		if (i == slots)
			soak_die("the set is full");
	}
	/* All take the first one that is free: so nobody adds the same further on. */
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
