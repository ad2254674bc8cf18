// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on mappings, and the results that the kernel must return.
 */
#define _GNU_SOURCE
#include "../kselftest.h"
#include "droppable_model.h"
#include "droppable_util.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT		1
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT		4
#endif

#define LOCK_ATTRS	(A_LOCKED | A_ONFAULT)

static const int protections[] = {
	PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
	PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE,
};

static unsigned int prot_attrs(int prot)
{
	return (prot & PROT_READ ? A_READ : 0) | (prot & PROT_WRITE ? A_WRITE : 0);
}

/* @ret is the result of a call, @wanted 0 or the negative error that it must fail with. */
static void expect_result(const char *call, int ret, int wanted)
{
	int got = ret ? -errno : 0;

	if (got != wanted)
		fail("%s: got '%s', expected '%s'", call, strerror(-got),
		     strerror(-wanted));
}

static void unmap_model(int first, int nr)
{
	for (int i = first; i < first + nr; i++) {
		forget_contents(&pages[i]);
		pages[i].mapped = false;
		pages[i].attr = 0;
	}
}

static void map_model(struct range r, unsigned int attr)
{
	unmap_model(r.first, r.nr);
	for (int i = r.first; i < r.first + r.nr; i++) {
		pages[i].mapped = true;
		pages[i].attr = attr;
	}
}

/* Each advice, its weight, the attributes that make it fail, and its effects. */
static const struct advice {
	int advice;
	const char *name;
	unsigned int weight, refused, sets, clears;
} advices[] = {
#define ADVICE(name, ...) { MADV_##name, #name, __VA_ARGS__ }
	ADVICE(DONTNEED, 1, .refused = A_LOCKED),
	ADVICE(FREE, 3, .refused = A_LOCKED),
	ADVICE(COLD, 1, .refused = A_LOCKED),
	ADVICE(PAGEOUT, 3, .refused = A_LOCKED),
	ADVICE(HUGEPAGE, 1, .sets = A_HUGE, .clears = A_NOHUGE),
	ADVICE(NOHUGEPAGE, 1, .sets = A_NOHUGE, .clears = A_HUGE),
	ADVICE(COLLAPSE, 1),
	ADVICE(WIPEONFORK, 1, .sets = A_WIPE),
	ADVICE(KEEPONFORK, 1, .refused = A_DROPPABLE, .clears = A_WIPE),
	ADVICE(DONTDUMP, 1, .sets = A_NODUMP),
	ADVICE(DODUMP, 1, .refused = A_DROPPABLE, .clears = A_NODUMP),
	ADVICE(MERGEABLE, 1, .sets = A_MERGE),
	ADVICE(UNMERGEABLE, 1, .clears = A_MERGE),
	ADVICE(POPULATE_WRITE, 1),
	ADVICE(DONTFORK, 1, .sets = A_NOFORK),
	ADVICE(DOFORK, 1, .clears = A_NOFORK),
};

static void advise(struct range r, int advice);

void op_mmap(void)
{
	struct range r = pick_any();
	int prot = protections[rnd(6)], kind = rnd(6), flags = MAP_PRIVATE;
	unsigned int attr = prot_attrs(prot);
	bool populate = !rnd(4), huge = !rnd(4);

	if (huge)
		r = (struct range){ rnd(PAGES / HUGE_PAGES) * HUGE_PAGES, HUGE_PAGES };
	if (kind < 3) {
		flags = MAP_DROPPABLE;
		attr |= A_DROPPABLE | A_NORESERVE | A_WIPE | A_NODUMP;
	} else {
		attr |= lock_future;
		if (kind < 5) {
			flags |= MAP_NORESERVE;
			attr |= A_NORESERVE;
		}
	}
	if (populate)
		flags |= MAP_POPULATE;
	log_event("mmap %d+%d flags %#x prot %d", r.first, r.nr, flags, prot);
	if (mmap(at(r.first), (long)r.nr * PAGE, prot, flags | MAP_FIXED | MAP_ANONYMOUS, -1, 0) !=
	    at(r.first))
		fail("mmap: %s", strerror(errno));
	map_model(r, attr);
	/* Equal to a droppable mapping in all but VM_DROPPABLE: must not merge with one. */
	if (kind == 3) {
		advise(r, MADV_WIPEONFORK);
		advise(r, MADV_DONTDUMP);
	}
	if (rnd(2) || huge)
		advise(r, MADV_HUGEPAGE);
	if (huge && (attr & A_WRITE))
		for (int i = r.first; i < r.first + r.nr; i++)
			write_words(i, 0, WORDS - 1);
}

/* An mmap() that fails leaves the old mapping as it is. */
void op_refused_mmap(void)
{
	static const int bad[] = { MAP_LOCKED, MAP_HUGETLB, MAP_GROWSDOWN };
	struct range r = pick_mapped();
	int flags = MAP_DROPPABLE | bad[rnd(3)];
	void *p;

	log_event("mmap %d+%d flags %#x", r.first, r.nr, flags);
	p = mmap(at(r.first), (long)r.nr * PAGE, PROT_READ, flags | MAP_FIXED | MAP_ANONYMOUS,
		 -1, 0);
	expect_result("mmap", p == MAP_FAILED ? -1 : 0, -EINVAL);
	check_range(r);
}

void op_munmap(void)
{
	struct range r = rnd(2) ? pick_mapped() : pick_any();

	log_event("munmap %d+%d", r.first, r.nr);
	expect_result("munmap", munmap(at(r.first), (long)r.nr * PAGE), 0);
	unmap_model(r.first, r.nr);
}

void op_mprotect(void)
{
	struct range r = pick_mapped();
	int prot = protections[rnd(6)], wanted = 0;

	/* Sometimes with unmapped pages in the range. */
	if (!rnd(8))
		r = pick_any();
	for (int i = r.first; i < r.first + r.nr && !wanted; i++) {
		if (!pages[i].mapped)
			wanted = -ENOMEM;
		else
			pages[i].attr = (pages[i].attr & ~(A_READ | A_WRITE)) | prot_attrs(prot);
	}
	log_event("mprotect %d+%d %d", r.first, r.nr, prot);
	expect_result("mprotect", mprotect(at(r.first), (long)r.nr * PAGE, prot), wanted);
}

static bool is_refused(const struct page *p, const struct advice *a)
{
	return p->attr & a->refused ||
	       (a->advice == MADV_POPULATE_WRITE && !(p->attr & A_WRITE));
}

static void take_advice(struct page *p, const struct advice *a)
{
	bool droppable = p->attr & A_DROPPABLE;

	if (a->advice == MADV_DONTNEED)
		forget_contents(p);
	if (a->advice == MADV_FREE && !droppable) {
		p->freed |= 1 << p->nr;
		p->ever_freed = true;
	}
	if (a->advice != MADV_MERGEABLE || !droppable)
		p->attr = (p->attr & ~a->clears) | a->sets;
}

/* madvise() skips unmapped pages, and stops at the first mapping that refuses. */
static int advise_model(struct range r, const struct advice *a)
{
	int error = 0;

	for (int i = r.first; i < r.first + r.nr; i++) {
		if (!pages[i].mapped) {
			error = -ENOMEM;
			/* Newer kernels stop populating at the first hole. */
			if (newer_kernel && a->advice == MADV_POPULATE_WRITE)
				return error;
			continue;
		}
		if (is_refused(&pages[i], a))
			return -EINVAL;
		take_advice(&pages[i], a);
	}
	return error;
}

static void advise(struct range r, int advice)
{
	const struct advice *a = advices;
	int wanted, ret;

	while (a->advice != advice)
		a++;
	wanted = advise_model(r, a);
	log_event("madvise %d+%d %s", r.first, r.nr, a->name);
	ret = madvise(at(r.first), (long)r.nr * PAGE, advice);
	if (advice == MADV_COLLAPSE) {
		/* Fails if memory is fragmented or another task holds a page. */
		if (ret && errno != EAGAIN && errno != EBUSY && errno != ENOMEM &&
		    errno != EINVAL)
			fail("MADV_COLLAPSE: %s", strerror(errno));
		return;
	}
	expect_result(a->name, ret, wanted);
}

void op_madvise(void)
{
	struct range r = rnd(8) ? pick_mapped() : pick_any();
	const struct advice *a = advices;
	unsigned int pick, total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(advices); i++)
		total += advices[i].weight;
	pick = rnd(total);
	while (pick >= a->weight)
		pick -= a++->weight;
	advise(r, a->advice);
}

static int lock_model(struct range r, unsigned int attr)
{
	for (int i = r.first; i < r.first + r.nr; i++) {
		if (!pages[i].mapped)
			return -ENOMEM;
		if (!(pages[i].attr & A_DROPPABLE))
			pages[i].attr = (pages[i].attr & ~LOCK_ATTRS) | attr;
	}
	return 0;
}

/* mlock() locks all mappings first, then faults the pages in, and fails if it cannot. */
static int populate_model(struct range r)
{
	for (int i = r.first; i < r.first + r.nr; i++)
		if (!(pages[i].attr & (A_READ | A_ONFAULT)))
			return -ENOMEM;
	return 0;
}

void op_mlock(void)
{
	struct range r = rnd(8) ? pick_mapped() : pick_any();
	size_t len = (long)r.nr * PAGE;
	int kind = rnd(4), wanted;

	if (kind >= 2) {
		wanted = lock_model(r, 0);
		log_event("munlock %d+%d", r.first, r.nr);
		expect_result("munlock", munlock(at(r.first), len), wanted);
		return;
	}
	wanted = lock_model(r, kind ? A_LOCKED : LOCK_ATTRS);
	if (!wanted)
		wanted = populate_model(r);
	log_event("mlock%s %d+%d", kind ? "" : "2 on fault", r.first, r.nr);
	expect_result("mlock", kind ? mlock(at(r.first), len) :
	       mlock2(at(r.first), len, MLOCK_ONFAULT), wanted);
}

static void lock_all_model(unsigned int attr)
{
	for (int i = 0; i < PAGES; i++)
		if (pages[i].mapped)
			lock_model((struct range){ i, 1 }, attr);
}

void op_mlockall(void)
{
	int kind = rnd(8), onfault = rnd(2) ? MCL_ONFAULT : 0;
	unsigned int attr = onfault ? LOCK_ATTRS : A_LOCKED;
	int flags = kind == 0 ? MCL_CURRENT : kind == 1 ? MCL_FUTURE : MCL_CURRENT | MCL_FUTURE;

	if (kind >= 3) {
		log_event("munlockall");
		expect_result("munlockall", munlockall(), 0);
		lock_all_model(0);
		lock_future = 0;
		return;
	}
	log_event("mlockall %#x", flags | onfault);
	expect_result("mlockall", mlockall(flags | onfault), 0);
	lock_future = flags & MCL_FUTURE ? attr : 0;
	if (flags & MCL_CURRENT)
		lock_all_model(attr);
}

/* Is the range a single mapping in the kernel? All pages of a mapping must be alike. */
static bool one_mapping(struct range r, int *first, int *end)
{
	if (!mapping_of(r.first, first, end))
		return false;
	for (int i = r.first; i < *end && i < PAGES; i++)
		if (pages[i].attr != pages[r.first].attr || !pages[i].mapped)
			fail("pages %d and %d are in one mapping, but differ", i, r.first);
	return *end >= r.first + r.nr;
}

static void move_model(struct range old, int to, int nr, bool keep)
{
	static struct page moved[PAGES];
	unsigned int attr = pages[old.first].attr;
	int n = old.nr < nr ? old.nr : nr;

	memcpy(moved, &pages[old.first], n * sizeof(moved[0]));
	unmap_model(old.first, old.nr);
	if (keep)
		map_model(old, attr & ~LOCK_ATTRS);
	map_model((struct range){ to, nr }, attr);
	memcpy(&pages[to], moved, n * sizeof(moved[0]));
}

static void *remap(struct range old, int nr, int flags, void *to)
{
	return mremap(at(old.first), (long)old.nr * PAGE, (long)nr * PAGE, flags, to);
}

/* Resize in place, or move to an address that the kernel chooses and back into the arena. */
void op_mremap_resize(void)
{
	struct range old = pick_mapped();
	int change = 1 + rnd(rnd(4) ? 16 : 512), to = rnd(PAGES), flags = rnd(2) * MREMAP_MAYMOVE;
	bool grow = rnd(2), one, in_place;
	int first, end = 0, nr = grow ? old.nr + change : old.nr - change;
	void *p;

	if (!pages[old.first].mapped || nr < 1 || old.first + nr > PAGES || to + nr > PAGES)
		return;
	one = one_mapping(old, &first, &end);
	if (!one && newer_kernel)
		return;
	log_event("mremap %d+%d to %d pages flags %d, then to %d", old.first, old.nr, nr, flags,
		  to);
	in_place = end == old.first + old.nr;
	for (int i = old.first + old.nr; i < old.first + nr; i++)
		in_place &= !pages[i].mapped;
	p = remap(old, nr, flags, NULL);
	if (!grow) {
		expect_result("mremap", p == at(old.first) ? 0 : -1, 0);
		unmap_model(old.first + nr, old.nr - nr);
		return;
	}
	if (!one || (!in_place && !flags)) {
		expect_result("mremap", p == MAP_FAILED ? -1 : 0, one ? -ENOMEM : -EFAULT);
		return;
	}
	if (in_place ? p != at(old.first) : p == at(old.first))
		fail("mremap from %p returned %p: %s", at(old.first), p, strerror(errno));
	if (in_place) {
		map_model((struct range){ old.first + old.nr, change }, pages[old.first].attr);
		return;
	}
	if (mremap(p, (long)nr * PAGE, (long)nr * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, at(to)) !=
	    at(to))
		fail("mremap back into the arena: %s", strerror(errno));
	move_model(old, to, nr, false);
}

void op_mremap_move(void)
{
	struct range old = pick_mapped();
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED, to = rnd(PAGES), nr = old.nr;
	int first, end;
	bool one;
	void *p;

	if (!rnd(3))
		flags |= MREMAP_DONTUNMAP;
	else if (!rnd(3))
		nr = 1 + rnd(2 * old.nr);
	/* With this alignment the kernel can move huge pages whole. */
	if (rnd(2))
		to = (to & ~(HUGE_PAGES - 1)) | (old.first & (HUGE_PAGES - 1));
	if (!pages[old.first].mapped || to + nr > PAGES)
		return;
	one = one_mapping((struct range){ old.first, nr < old.nr ? nr : old.nr }, &first, &end);
	/* If MREMAP_DONTUNMAP moves a part of a mapping, some newer kernels unlock all of it. */
	if (newer_kernel && (!one || ((flags & MREMAP_DONTUNMAP) &&
				      (pages[old.first].attr & A_LOCKED) &&
				      (first != old.first || end != old.first + old.nr))))
		return;
	log_event("mremap %d+%d to %d+%d flags %d", old.first, old.nr, to, nr, flags);
	p = remap(old, nr, flags, at(to));
	if (old.first + old.nr > to && to + nr > old.first) {
		expect_result("mremap", p == MAP_FAILED ? -1 : 0, -EINVAL);
		return;
	}
	if (!one) {
		expect_result("mremap", p == MAP_FAILED ? -1 : 0, -EFAULT);
		/* The target range and the cut-off end are unmapped already. */
		unmap_model(to, nr);
		if (nr < old.nr)
			unmap_model(old.first + nr, old.nr - nr);
		return;
	}
	if (p != at(to))
		fail("mremap to %p returned %p: %s", at(to), p, strerror(errno));
	move_model(old, to, nr, flags & MREMAP_DONTUNMAP);
}
