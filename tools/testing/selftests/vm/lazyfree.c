// SPDX-License-Identifier: GPL-2.0
/*
 * MADV_FREE of ordinary memory: under pressure, the kernel frees advised pages that were not
 * written again, and they become zeros. It frees no other page, however a huge page is
 * mapped.
 *
 * Plain Linux, 6.1 and 6.12, fails the test of pages that are swapped in and advised by a child.
 * Plain 6.1 also fails those with "not_split" in their names, because it splits these huge pages
 * without need.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"

#define CGROUP		"lazyfree"
#define PAGE		4096L
#define HUGE_LEN	((long)HUGE_SIZE)
#define HUGE_PAGES	(HUGE_LEN / PAGE)
#define HALF		(HUGE_LEN / 2)

/* Neither MADV_FREE nor reclaim sees pages in per-CPU lists, so drain those. */
static int advise(void *p, size_t len)
{
	int ret;

	drain_lists();
	ret = madvise(p, len, MADV_FREE);
	drain_lists();
	return ret;
}

/*
 * Reclaim more than the cgroup has. Repeats while lazily freed pages are left: another
 * task may have held a reference to them.
 */
static void reclaim_all(void)
{
	long end = 0;

	do {
		drain_lists();
		reclaim_cgroup(CGROUP, 16 << 20);
	} while (file_number("/proc/self/smaps_rollup", "LazyFree:", NULL) > 0 &&
		 may_retry(&end));
}

/* The same; with swap, repeat it until no page of the mapping at @p is resident. */
static void push_out(const uint8_t *p)
{
	long end = 0;

	do
		reclaim_all();
	while (swap_is_on() && smaps_kb(p, "Rss:") && may_retry(&end));
}

/* MADV_FREE, then reclaim. */
static bool free_pages(uint8_t *p, long len)
{
	bool advised = !advise(p, len);

	reclaim_all();
	return advised;
}

/*
 * Charge memory to the cgroup from now on. Draining the per-CPU lists first applies, and
 * counts, what the previous test left there, before this test reads the counters.
 */
static bool start_test(void)
{
	drain_lists();
	return pin_to_cpu(0) && enter_cgroup(CGROUP, "max");
}

static long memcg_event(const char *key)
{
	return cgroup_number(CGROUP, "memory.stat", key);
}

/* Does the page hold the pattern, except @byte at offset @at? */
static bool is_page_with(const uint8_t *p, long at, uint8_t byte)
{
	const uint8_t *wanted = pattern_page();

	return p[at] == byte && !memcmp(p, wanted, at) &&
	       !memcmp(p + at + 1, wanted + at + 1, PAGE - at - 1);
}

static bool is_kept(const uint8_t *p, long len)
{
	return !count_dropped(p, len);
}

static bool is_freed(const uint8_t *p, long len)
{
	return count_dropped(p, len) == len / PAGE;
}

/* Neither in memory nor on swap, which is checked before the pages are read. */
static bool is_gone(const uint8_t *p, long len)
{
	return !smaps_kb(p, "Rss:") && !smaps_kb(p, "Swap:") && is_freed(p, len);
}

/* Reclaim frees all pages and counts them. */
static void expect_freed(struct __test_metadata *_metadata, uint8_t *p, long len)
{
	long freed = vm_counter("pglazyfreed"), memcg_freed = memcg_event("pglazyfreed ");

	ASSERT_EQ(0, advise(p, len));
	EXPECT_EQ(len / 1024, smaps_kb(p, "LazyFree:"));
	reclaim_all();
	EXPECT_EQ(len / PAGE, vm_counter("pglazyfreed") - freed);
	EXPECT_EQ(len / PAGE, memcg_event("pglazyfreed ") - memcg_freed);
	EXPECT_TRUE(is_gone(p, len));
}

struct part {
	long start, end;
};

/* A child that shares the memory: the parts that it advises, unmaps, and must keep. */
struct child {
	struct part advises, unmaps, keeps;
	pid_t pid;
	int to;
};

static bool start_child(struct child *child, uint8_t *p)
{
	const struct part *advises = &child->advises, *unmaps = &child->unmaps;
	const struct part *keeps = &child->keeps;
	int to[2], from[2];
	char byte;

	if (pipe(to) || pipe(from))
		return false;
	child->pid = fork();
	if (!child->pid) {
		close(to[1]);
		advise(p + advises->start, advises->end - advises->start);
		munmap(p + unmaps->start, unmaps->end - unmaps->start);
		if (write(from[1], "", 1) != 1 || read(to[0], &byte, 1) != 1)
			_exit(2);
		_exit(!is_kept(p + keeps->start, keeps->end - keeps->start));
	}
	child->to = to[1];
	close(to[0]);
	close(from[1]);
	return child->pid > 0 && read(from[0], &byte, 1) == 1;
}

/* Did the child keep its part? */
static bool end_child(struct child *child)
{
	int status;
	bool released = write(child->to, "", 1) == 1;

	return waitpid(child->pid, &status, 0) == child->pid && released && !status;
}

/* The parent keeps all that the child advises. With @advised, the parent advises instead. */
static void check_shared(struct __test_metadata *_metadata, uint8_t *p, long len,
			 struct child *child, bool advised)
{
	ASSERT_TRUE(start_child(child, p));
	ASSERT_EQ(0, advised ? advise(p, len) : 0);
	reclaim_all();
	EXPECT_TRUE(advised || is_kept(p, len));
	EXPECT_TRUE(end_child(child));
	EXPECT_TRUE(advised ? count_dropped(p, len) >= 0 : is_kept(p, len));
}

/*
 * Base pages.
 */

#define PAGES	512
#define LEN	(PAGES * PAGE)

FIXTURE(pages) {
	uint8_t *p;
};

FIXTURE_SETUP(pages)
{
	ASSERT_TRUE(start_test());
	self->p = map_pages(MAP_PRIVATE, LEN);
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_NOHUGEPAGE));
	fill_pages(self->p, LEN);
}

FIXTURE_TEARDOWN(pages)
{
	munmap(self->p, LEN);
	leave_cgroup(CGROUP);
}

TEST_F(pages, are_freed_under_pressure)
{
	expect_freed(_metadata, self->p, LEN);
}

TEST_F(pages, are_counted_as_lazily_free)
{
	long advised = vm_counter("pglazyfree"), memcg_advised = memcg_event("pglazyfree ");

	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_EQ(LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	EXPECT_EQ(LEN / 1024, smaps_kb(self->p, "Rss:"));
	EXPECT_EQ(PAGES, vm_counter("pglazyfree") - advised);
	EXPECT_EQ(PAGES, memcg_event("pglazyfree ") - memcg_advised);
	self->p[0]++;
	EXPECT_EQ((LEN - PAGE) / 1024, smaps_kb(self->p, "LazyFree:"));
}

TEST_F(pages, are_kept_without_pressure)
{
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_TRUE(is_kept(self->p, LEN));
}

/* Control: reclaim_all() swaps pages that are not advised. */
TEST_F(pages, without_advice_are_swapped_or_stay)
{
	push_out(self->p);
	EXPECT_EQ(swap_is_on() ? LEN / 1024 : 0, smaps_kb(self->p, "Swap:"));
	EXPECT_LE(swap_is_on() ? PAGES : 0, count_on_swap());
	EXPECT_TRUE(is_kept(self->p, LEN));
}

TEST_F(pages, written_again_are_kept)
{
	ASSERT_EQ(0, advise(self->p, LEN));
	for (long i = 0; i < PAGES; i += 2)
		self->p[i * PAGE + i] = 1;
	reclaim_all();
	for (long i = 0; i < PAGES; i += 2) {
		EXPECT_TRUE(is_page_with(self->p + i * PAGE, i, 1));
		EXPECT_TRUE(is_freed(self->p + (i + 1) * PAGE, PAGE));
	}
}

/* Reclaim needs a second scan; the multi-gen LRU reaches some of the pages even later. */
TEST_F(pages, read_again_are_still_freed)
{
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_TRUE(is_kept(self->p, LEN));
	for (int scans = 0; scans < 8 && !is_gone(self->p, LEN); scans++)
		reclaim_all();
	EXPECT_TRUE(is_gone(self->p, LEN));
}

TEST_F(pages, outside_the_advised_range_are_kept)
{
	ASSERT_TRUE(free_pages(self->p + 3 * PAGE, 5 * PAGE));
	EXPECT_TRUE(is_kept(self->p, 3 * PAGE));
	EXPECT_TRUE(is_freed(self->p + 3 * PAGE, 5 * PAGE));
	EXPECT_TRUE(is_kept(self->p + 8 * PAGE, LEN - 8 * PAGE));
}

/* Each CPU caches up to 64 freed swap slots, which keep their contents. */
#define CACHED_SLOTS	(PAGES / 2)

TEST_F(pages, swapped_out_free_their_swap_slots)
{
	push_out(self->p);
	EXPECT_LE(swap_is_on() ? PAGES : 0, count_on_swap());
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_EQ(0, smaps_kb(self->p, "Swap:"));
	EXPECT_GT(CACHED_SLOTS, count_on_swap());
	reclaim_all();
	EXPECT_TRUE(is_gone(self->p, LEN));
}

/* Pages that were read from swap and still have their swap slots. */
TEST_F(pages, swapped_in_free_their_swap_slots)
{
	push_out(self->p);
	EXPECT_TRUE(is_kept(self->p, LEN));
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_EQ(LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	EXPECT_GT(CACHED_SLOTS, count_on_swap());
	reclaim_all();
	EXPECT_TRUE(is_gone(self->p, LEN));
}

TEST_F(pages, advised_by_a_child_are_kept_for_the_parent)
{
	struct child child = { .advises = { 0, LEN } };

	check_shared(_metadata, self->p, LEN, &child, false);
}

/* The pages are clean, not in the swap cache, and have no swap slot: the only copy. */
TEST_F(pages, swapped_in_and_advised_by_a_child_are_kept_for_the_parent)
{
	struct child child = { .advises = { 0, LEN } };

	push_out(self->p);
	EXPECT_TRUE(is_kept(self->p, LEN));
	check_shared(_metadata, self->p, LEN, &child, false);
}

TEST_F(pages, advised_by_the_parent_are_kept_for_a_child)
{
	struct child child = { .keeps = { 0, LEN } };

	check_shared(_metadata, self->p, LEN, &child, true);
}

TEST_F(pages, without_access_rights_are_freed)
{
	ASSERT_EQ(0, mprotect(self->p, LEN / 2, PROT_READ));
	ASSERT_EQ(0, mprotect(self->p + LEN / 2, LEN / 2, PROT_NONE));
	ASSERT_TRUE(free_pages(self->p, LEN));
	ASSERT_EQ(0, mprotect(self->p, LEN, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(is_gone(self->p, LEN));
}

TEST_F(pages, pinned_are_kept_until_released)
{
	static uint8_t read_back[PAGE];
	int ends[2];

	ASSERT_TRUE(hold_pages(ends, self->p, PAGE));
	ASSERT_TRUE(free_pages(self->p, LEN));
	EXPECT_TRUE(is_kept(self->p, PAGE));
	EXPECT_TRUE(is_freed(self->p + PAGE, LEN - PAGE));
	ASSERT_EQ(PAGE, read(ends[0], read_back, PAGE));
	EXPECT_TRUE(is_kept(read_back, PAGE));

	close(ends[0]);
	close(ends[1]);
	fill_pages(self->p, LEN);
	ASSERT_TRUE(free_pages(self->p, LEN));
	EXPECT_TRUE(is_freed(self->p, LEN));
}

/* The kernel writes through a mapping of its own, not through the process's page tables. */
static bool write_by_kernel(uint8_t *p, uint8_t byte, bool by_proc)
{
	struct iovec from = { &byte, 1 }, to = { p, 1 };
	bool written;
	int fd;

	if (!by_proc)
		return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1;
	fd = open("/proc/self/mem", O_WRONLY | O_CLOEXEC);
	written = fd >= 0 && pwrite(fd, &byte, 1, (unsigned long)p) == 1;
	close(fd);
	return written;
}

TEST_F(pages, written_by_the_kernel_are_kept)
{
	ASSERT_EQ(0, advise(self->p, LEN));
	for (long i = 0; i < PAGES; i += 2)
		ASSERT_TRUE(write_by_kernel(self->p + i * PAGE + i, 1, i & 2));
	reclaim_all();
	for (long i = 0; i < PAGES; i += 2)
		EXPECT_TRUE(is_page_with(self->p + i * PAGE, i, 1));
}

TEST_F(pages, file_backed_or_locked_are_refused)
{
	int fd = memfd_create("lazyfree", MFD_CLOEXEC);
	void *file;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, LEN));
	file = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, file);
	EXPECT_ERROR(EINVAL, madvise(file, LEN, MADV_FREE));

	ASSERT_EQ(0, mlock(self->p, LEN));
	EXPECT_ERROR(EINVAL, madvise(self->p, LEN, MADV_FREE));
	reclaim_all();
	EXPECT_TRUE(is_kept(self->p, LEN));
}

/*
 * A huge page, mapped by a PMD, or by PTEs in one page table or two.
 */

FIXTURE(huge) {
	uint8_t *p;
	long splits;
};

/* first: index of the first page's PTE in its page table; -1: mapped by a PMD. */
FIXTURE_VARIANT(huge) {
	long first;
};

FIXTURE_VARIANT_ADD(huge, pmd) { .first = -1 };
FIXTURE_VARIANT_ADD(huge, ptes) { .first = 0 };
FIXTURE_VARIANT_ADD(huge, ptes_from_1) { .first = 1 };
FIXTURE_VARIANT_ADD(huge, ptes_from_200) { .first = 200 };
FIXTURE_VARIANT_ADD(huge, ptes_from_511) { .first = HUGE_PAGES - 1 };

/* Are the pages at @p one huge page that is not split? */
static bool is_huge(const uint8_t *p)
{
	static uint64_t frames[HUGE_PAGES], flags[HUGE_PAGES];
	uint64_t first = page_frame(p);

	if (!first || first % HUGE_PAGES)
		return false;
	read_words("/proc/self/pagemap", (unsigned long)p / PAGE, frames, HUGE_PAGES);
	read_words("/proc/kpageflags", first, flags, HUGE_PAGES);
	for (long i = 0; i < HUGE_PAGES; i++)
		if ((frames[i] & ((1ULL << 55) - 1)) != first + i || !(flags[i] & KPF_THP) ||
		    !(flags[i] & (i ? KPF_COMPOUND_TAIL : KPF_COMPOUND_HEAD)))
			return false;
	return true;
}

/* Move @len bytes to where the first page has PTE number @first of its page table. */
static uint8_t *move_to_entry(uint8_t *p, long len, long first)
{
	uint8_t *area = map_huge(MAP_PRIVATE, len + HUGE_LEN), *to = area + first * PAGE;

	munmap(area, len + HUGE_LEN);
	return mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

static uint8_t *make_huge(long len, long first)
{
	uint8_t *p = map_huge(MAP_PRIVATE, len);

	fill_pages(p, len);
	/* From here on, khugepaged must not collapse pages. */
	madvise(p, len, MADV_NOHUGEPAGE);
	if (first >= 0) {
		for (long at = 0; at < len; at += HUGE_LEN) {
			mprotect(p + at + HALF, PAGE, PROT_READ);
			mprotect(p + at + HALF, PAGE, PROT_READ | PROT_WRITE);
		}
	}
	return first > 0 ? move_to_entry(p, len, first) : p;
}

/* Replaces the huge page that the test may already have. */
static void replace_huge_page(struct __test_metadata *_metadata,
			      struct _test_data_huge *self, long first)
{
	if (self->p)
		munmap(self->p, HUGE_LEN);
	self->p = make_huge(HUGE_LEN, first);
	ASSERT_NE(MAP_FAILED, self->p);
}

/* Does MADV_FREE keep the huge page whole? Linux 6.12 splits it if it is in two page tables. */
static bool stays_whole(long first)
{
	return first <= 0 || !kernel_is_at_least(6, 12);
}

FIXTURE_SETUP(huge)
{
	ASSERT_TRUE(start_test());
	replace_huge_page(_metadata, self, variant->first);
	ASSERT_TRUE(is_huge(self->p));
	ASSERT_EQ(variant->first < 0 ? HUGE_LEN / 1024 : 0,
		  smaps_kb(self->p, "AnonHugePages:"));
	self->splits = vm_counter("thp_split_page");
}

FIXTURE_TEARDOWN(huge)
{
	munmap(self->p, HUGE_LEN);
	leave_cgroup(CGROUP);
}

TEST_F(huge, whole_is_not_split)
{
	long advised = vm_counter("pglazyfree");

	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(stays_whole(variant->first), self->splits == vm_counter("thp_split_page"));
	EXPECT_EQ(stays_whole(variant->first), is_huge(self->p));
	EXPECT_TRUE(is_droppable_page(self->p));
	EXPECT_EQ(HUGE_LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	EXPECT_EQ(HUGE_PAGES, vm_counter("pglazyfree") - advised);
	EXPECT_TRUE(is_kept(self->p, HUGE_LEN));
}

TEST_F(huge, whole_is_freed_under_pressure)
{
	expect_freed(_metadata, self->p, HUGE_LEN);
}

/* All pages but the one written again are kept or freed whole. */
TEST_F(huge, pages_written_again_are_kept)
{
	static const long written[] = { 1, 255, 312, 511, 0 };

	for (long n = 0; n < (long)ARRAY_SIZE(written); n++) {
		uint8_t *page = self->p + written[n] * PAGE;

		fill_pages(self->p, HUGE_LEN);
		ASSERT_EQ(0, advise(self->p, HUGE_LEN));
		page[n] = 1;
		reclaim_all();
		EXPECT_TRUE(is_page_with(page, n, 1));
		fill_pages(page, PAGE);
		EXPECT_LE(0, count_dropped(self->p, HUGE_LEN));
	}
}

TEST_F(huge, written_by_the_kernel_is_kept)
{
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	ASSERT_TRUE(write_by_kernel(self->p + 400 * PAGE, 1, false));
	ASSERT_TRUE(write_by_kernel(self->p + 77 * PAGE, 1, true));
	reclaim_all();
	EXPECT_TRUE(is_page_with(self->p + 400 * PAGE, 0, 1));
	EXPECT_TRUE(is_page_with(self->p + 77 * PAGE, 0, 1));
}

/* An allocator may free the same memory again and again. */
TEST_F(huge, advised_again_is_not_split)
{
	static const long written[] = { 0, 5, 312, 511 };

	for (long n = 0; n < (long)ARRAY_SIZE(written); n++) {
		ASSERT_EQ(0, advise(self->p, HUGE_LEN));
		self->p[written[n] * PAGE]++;
	}
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(stays_whole(variant->first), self->splits == vm_counter("thp_split_page"));
	EXPECT_EQ(stays_whole(variant->first), is_huge(self->p));
	EXPECT_EQ(HUGE_LEN / 1024, smaps_kb(self->p, "LazyFree:"));
}

TEST_F(huge, advised_again_is_freed)
{
	for (long i = 5; i < HUGE_PAGES; i += 100) {
		ASSERT_EQ(0, advise(self->p, HUGE_LEN));
		self->p[i * PAGE]++;
	}
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(HUGE_LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	reclaim_all();
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

TEST_F(huge, partly_advised_again_is_partly_lazyfree)
{
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	for (long i = 0; i < HUGE_PAGES; i++)
		self->p[i * PAGE]++;
	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
	ASSERT_EQ(0, advise(self->p + HALF, HUGE_LEN - HALF));
	EXPECT_EQ((HUGE_LEN - HALF) / 1024, smaps_kb(self->p, "LazyFree:"));
}

static bool frees_only(uint8_t *p, long start, long end)
{
	return free_pages(p + start, end - start) && is_kept(p, start) &&
	       is_freed(p + start, end - start) && is_kept(p + end, HUGE_LEN - end);
}

/*
 * All parts that start and end at one of: the first page, the second, a page table boundary
 * (or page 300), the last page, the end.
 */
TEST_F(huge, partial_advice_frees_only_that_part)
{
	long next_table = variant->first > 0 ? HUGE_PAGES - variant->first : 300;
	const long edges[] = { 0, 1, next_table, HUGE_PAGES - 1, HUGE_PAGES };
	long nr = (long)ARRAY_SIZE(edges);

	for (long s = 0; s < nr; s++) {
		for (long e = 0; e < nr; e++) {
			if (edges[s] >= edges[e] || (!s && e == nr - 1) ||
			    edges[e] == edges[e - 1] || (s && edges[s] == edges[s - 1]))
				continue;
			replace_huge_page(_metadata, self, variant->first);
			EXPECT_TRUE(frees_only(self->p, edges[s] * PAGE, edges[e] * PAGE)) {
				TH_LOG("pages %ld to %ld", edges[s], edges[e]);
			}
		}
	}
}

/* The range starts in one huge page and ends in the next. */
TEST_F(huge, adjacent_huge_pages_free_only_the_range)
{
	uint8_t *p = make_huge(2 * HUGE_LEN, variant->first);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(free_pages(p + HALF, HUGE_LEN));
	EXPECT_TRUE(is_kept(p, HALF));
	EXPECT_TRUE(is_freed(p + HALF, HUGE_LEN));
	EXPECT_TRUE(is_kept(p + HALF + HUGE_LEN, HALF));
}

TEST_F(huge, adjacent_huge_pages_are_not_split)
{
	uint8_t *p = make_huge(3 * HUGE_LEN, variant->first);

	ASSERT_NE(MAP_FAILED, p);
	/* A part of the first huge page, which must be split, and all of the other two. */
	ASSERT_EQ(0, advise(p + HALF, 2 * HUGE_LEN + HALF));
	EXPECT_EQ(stays_whole(variant->first) ? 1 : 3,
		  vm_counter("thp_split_page") - self->splits);
	EXPECT_EQ(stays_whole(variant->first), is_huge(p + HUGE_LEN));
	EXPECT_EQ(stays_whole(variant->first), is_huge(p + 2 * HUGE_LEN));
	EXPECT_EQ((2 * HUGE_LEN + HALF) / 1024, smaps_kb(p, "LazyFree:"));
	reclaim_all();
	EXPECT_TRUE(is_kept(p, HALF));
	EXPECT_TRUE(is_freed(p + HALF, 2 * HUGE_LEN + HALF));
}

/* Another page replaces one of its pages. */
#define FOREIGN	312

TEST_F(huge, a_foreign_page_in_it_is_freed_separately)
{
	uint8_t *foreign = self->p + FOREIGN * PAGE;

	ASSERT_EQ(0, madvise(foreign, PAGE, MADV_DONTNEED));
	fill_pages(foreign, PAGE);
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(HUGE_LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	foreign[1] = 1;
	reclaim_all();
	EXPECT_TRUE(is_page_with(foreign, 1, 1));
	EXPECT_TRUE(is_freed(self->p, FOREIGN * PAGE));
	EXPECT_TRUE(is_freed(foreign + PAGE, HUGE_LEN - (FOREIGN + 1) * PAGE));
}

TEST_F(huge, without_one_page_is_freed)
{
	ASSERT_EQ(0, madvise(self->p + FOREIGN * PAGE, PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ((HUGE_LEN - PAGE) / 1024, smaps_kb(self->p, "LazyFree:"));
	reclaim_all();
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

TEST_F(huge, with_the_zero_page_in_it_is_freed)
{
	uint8_t *hole = self->p + FOREIGN * PAGE;

	ASSERT_EQ(0, madvise(hole, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_freed(hole, PAGE));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ((HUGE_LEN - PAGE) / 1024, smaps_kb(self->p, "LazyFree:"));
	reclaim_all();
	EXPECT_TRUE(is_freed(self->p, HUGE_LEN));
}

TEST_F(huge, with_a_page_on_swap_in_it_is_freed)
{
	uint8_t *hole = self->p + FOREIGN * PAGE;

	ASSERT_EQ(0, madvise(hole, PAGE, MADV_DONTNEED));
	fill_pages(hole, PAGE);
	for (long end = 0; swap_is_on() && !smaps_kb(self->p, "Swap:") && may_retry(&end);) {
		drain_lists();
		ASSERT_EQ(0, madvise(hole, PAGE, MADV_PAGEOUT));
	}
	EXPECT_EQ(swap_is_on() ? PAGE / 1024 : 0, smaps_kb(self->p, "Swap:"));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(0, smaps_kb(self->p, "Swap:"));
	reclaim_all();
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

/* Move out one page: near either end of the huge page, or beside a page table boundary. */
TEST_F(huge, a_page_moved_out_of_it_is_kept)
{
	long next_table = variant->first > 0 ? HUGE_PAGES - variant->first : 300;
	const long moved[] = { 0, 1, next_table - 1, next_table, HUGE_PAGES - 1 };

	for (long n = 0; n < (long)ARRAY_SIZE(moved); n++) {
		uint8_t *hole, *out = map_pages(MAP_PRIVATE, PAGE);

		replace_huge_page(_metadata, self, variant->first);
		hole = self->p + moved[n] * PAGE;
		ASSERT_EQ(out, mremap(hole, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, out));
		/* Map the hole, or the range would end there. */
		ASSERT_EQ(hole, mmap(hole, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		madvise(hole, PAGE, MADV_NOHUGEPAGE);
		/* Every other time with a foreign page there: then no PTE is empty. */
		if (n % 2)
			fill_pages(hole, PAGE);
		ASSERT_TRUE(free_pages(self->p, HUGE_LEN));
		EXPECT_TRUE(is_kept(out, PAGE));
		EXPECT_TRUE(is_freed(self->p, HUGE_LEN));
		munmap(out, PAGE);
	}
}

TEST_F(huge, a_page_moved_into_it_is_freed_separately)
{
	uint8_t *other = make_huge(HUGE_LEN, variant->first);
	uint8_t *hole = self->p + FOREIGN * PAGE, *from = other + 7 * PAGE;

	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(hole, mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole));
	ASSERT_TRUE(free_pages(self->p, HUGE_LEN));
	EXPECT_TRUE(is_freed(self->p, HUGE_LEN));
	EXPECT_TRUE(is_kept(other, 7 * PAGE));
	EXPECT_TRUE(is_kept(from + PAGE, HUGE_LEN - 8 * PAGE));
}

TEST_F(huge, half_of_it_moved_away_is_kept)
{
	uint8_t *away = map_pages(MAP_PRIVATE, HALF);

	ASSERT_EQ(away, mremap(self->p + HALF, HALF, HALF,
			       MREMAP_MAYMOVE | MREMAP_FIXED, away));
	ASSERT_TRUE(free_pages(self->p, HALF));
	EXPECT_TRUE(is_freed(self->p, HALF));
	EXPECT_TRUE(is_kept(away, HALF));
	ASSERT_TRUE(free_pages(away, HALF));
	EXPECT_TRUE(is_freed(away, HALF));
}

TEST_F(huge, with_halves_of_different_protection_is_freed)
{
	ASSERT_EQ(0, mprotect(self->p + HALF, HALF, PROT_READ));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(HALF / 1024, smaps_kb(self->p, "LazyFree:"));
	EXPECT_EQ(HALF / 1024, smaps_kb(self->p + HALF, "LazyFree:"));
	reclaim_all();
	EXPECT_EQ(0, smaps_kb(self->p + HALF, "Swap:"));
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

TEST_F(huge, half_of_other_protection_is_kept)
{
	ASSERT_EQ(0, mprotect(self->p, HALF, PROT_READ));
	ASSERT_TRUE(free_pages(self->p, HALF));
	EXPECT_TRUE(is_freed(self->p, HALF));
	EXPECT_TRUE(is_kept(self->p + HALF, HALF));
}

TEST_F(huge, without_access_rights_is_freed)
{
	ASSERT_EQ(0, mprotect(self->p, HUGE_LEN, PROT_NONE));
	ASSERT_TRUE(free_pages(self->p, HUGE_LEN));
	ASSERT_EQ(0, mprotect(self->p, HUGE_LEN, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

TEST_F(huge, pinned_page_is_kept)
{
	uint8_t *pinned = self->p + FOREIGN * PAGE;
	static uint8_t read_back[PAGE];
	int ends[2];

	ASSERT_TRUE(hold_pages(ends, pinned, PAGE));
	ASSERT_TRUE(free_pages(self->p, HUGE_LEN));
	EXPECT_TRUE(is_kept(pinned, PAGE));
	ASSERT_EQ(PAGE, read(ends[0], read_back, PAGE));
	EXPECT_TRUE(is_kept(read_back, PAGE));
	EXPECT_LE(0, count_dropped(self->p, HUGE_LEN));
}

TEST_F(huge, advised_by_a_child_is_kept_for_the_parent)
{
	struct child child = { .advises = { 0, HUGE_LEN } };

	check_shared(_metadata, self->p, HUGE_LEN, &child, false);
}

TEST_F(huge, advised_in_part_by_a_child_is_kept_for_the_parent)
{
	struct child child = { .advises = { 0, HALF }, .keeps = { HALF, HUGE_LEN } };

	check_shared(_metadata, self->p, HUGE_LEN, &child, false);
}

TEST_F(huge, advised_by_the_parent_is_kept_for_a_child)
{
	struct child child = { .keeps = { 0, HUGE_LEN } };

	check_shared(_metadata, self->p, HUGE_LEN, &child, true);
}

TEST_F(huge, high_half_is_kept_for_a_child)
{
	struct child child = { .unmaps = { 0, HALF }, .keeps = { HALF, HUGE_LEN } };

	check_shared(_metadata, self->p, HUGE_LEN, &child, true);
}

TEST_F(huge, low_half_is_kept_for_a_child)
{
	struct child child = { .unmaps = { HALF, HUGE_LEN }, .keeps = { 0, HALF } };

	check_shared(_metadata, self->p, HUGE_LEN, &child, true);
}

TEST_F(huge, after_child_exit_is_not_split)
{
	struct child child = { .keeps = { 0, HUGE_LEN } };

	ASSERT_TRUE(start_child(&child, self->p));
	/* Shared: neither freed nor split. */
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
	ASSERT_TRUE(end_child(&child));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(stays_whole(variant->first), self->splits == vm_counter("thp_split_page"));
	EXPECT_EQ(stays_whole(variant->first), is_huge(self->p));
	EXPECT_EQ(HUGE_LEN / 1024, smaps_kb(self->p, "LazyFree:"));
}

TEST_F(huge, after_child_exit_is_freed)
{
	struct child child = { .keeps = { 0, HUGE_LEN } };

	ASSERT_TRUE(start_child(&child, self->p));
	ASSERT_TRUE(end_child(&child));
	ASSERT_TRUE(free_pages(self->p, HUGE_LEN));
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

/*
 * One thread writes, one advises, one reclaims. A write must be kept if no advice runs
 * during the write or before the next read.
 *
 * A write during the advice may be dropped, and the page does not always become zeros:
 * the advice may not have flushed a TLB yet, so reclaim misses the write and swaps the
 * page with older contents. But the contents are never older than a write outside of all
 * calls.
 */

#define RACE_MS		900
#define RACE_MAX_MS	60000
#define ROUND_MS	300

static struct race {
	uint8_t		*p;
	/* Numbers of madvise() calls. */
	atomic_ulong	begun, ended;
	atomic_bool	stop;
	/*
	 * Found by the writer: writes outside of all calls; those of them that were
	 * dropped; and pages with contents that were never written or are too old.
	 */
	long		safe, dropped, wrong;
} race;

/* The other threads inherit the writer's CPU, but only the writer must stay there. */
static void run_on_any_cpu(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
}

static void *race_adviser(void *unused)
{
	run_on_any_cpu();
	while (!race.stop) {
		race.begun++;
		madvise(race.p, HUGE_LEN, MADV_FREE);
		race.ended++;
		usleep(3000);
	}
	return unused;
}

static void *race_reclaimer(void *unused)
{
	run_on_any_cpu();
	while (!race.stop)
		reclaim_cgroup(CGROUP, 256 << 10);
	return unused;
}

/* Atomic, so that the writes are ordered with the call counters. */
static void write_and_check(atomic_ulong *written, unsigned long count)
{
	/* The call count at the write; and the last value written outside of all calls. */
	static unsigned long calls[HUGE_PAGES], safe_value[HUGE_PAGES];

	for (long i = 0; i < HUGE_PAGES; i++) {
		unsigned long ended = race.ended;

		/* -1: a call is running, and may free what is written now. */
		calls[i] = race.begun == ended ? ended : -1UL;
		written[i * PAGE / sizeof(*written) + i % 512] = count + i;
		if (race.begun == calls[i])
			safe_value[i] = count + i;
	}
	for (long i = 0; i < HUGE_PAGES; i++) {
		unsigned long value = written[i * PAGE / sizeof(*written) + i % 512];
		bool safe = race.begun == calls[i];

		race.safe += safe;
		race.dropped += safe && value != count + (unsigned long)i;
		race.wrong += value && (value < safe_value[i] || value > count + i ||
					(count + i - value) % HUGE_PAGES);
	}
}

static void race_writer(unsigned int ms)
{
	static unsigned long count = 1;
	long end = now_ms() + ms;

	do {
		write_and_check((atomic_ulong *)race.p, count);
		count += HUGE_PAGES;
	} while (now_ms() < end);
}

/* Each round uses a new huge page, because reclaim splits it sooner or later. */
TEST_F(huge, written_after_the_advice_is_kept)
{
	long before = vm_counter("pglazyfreed"), freed = 0;

	/*
	 * The writer must not change CPUs: reclaim flushes the TLBs of other CPUs a while
	 * after it has dropped an ordinary page, so on another CPU the writer may still
	 * see the old contents.
	 */
	ASSERT_TRUE(pin_to_cpu(0));
	/* Go on until the threads have raced, or the test would prove nothing. */
	for (unsigned int ms = 0; ms < RACE_MAX_MS; ms += ROUND_MS) {
		pthread_t adviser, reclaimer;

		replace_huge_page(_metadata, self, variant->first);
		race.p = self->p;
		race.stop = false;
		/* Write every page once outside of all calls. */
		race_writer(0);
		ASSERT_EQ(0, pthread_create(&adviser, NULL, race_adviser, NULL));
		ASSERT_EQ(0, pthread_create(&reclaimer, NULL, race_reclaimer, NULL));
		race_writer(ROUND_MS);
		race.stop = true;
		pthread_join(adviser, NULL);
		pthread_join(reclaimer, NULL);
		freed = vm_counter("pglazyfreed") - before;
		if (ms >= RACE_MS && freed && race.safe > HUGE_PAGES)
			break;
	}
	EXPECT_EQ(0, race.dropped);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(HUGE_PAGES, race.safe);
	EXPECT_LT(0, freed);
}

TEST_HARNESS_MAIN
