// SPDX-License-Identifier: GPL-2.0
/*
 * MADV_FREE of ordinary memory: what was advised may become zeros under pressure,
 * until it is written again; and nothing else does, however a huge page is mapped.
 *
 * All of it holds on any Linux, but for the tests with "not_split" in their names:
 * those are about huge pages that Linux 6.1 splits without need.
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

/* Pages in a CPU's lists are not freed lazily, nor seen by reclaim: none there. */
static int advise(void *p, size_t len)
{
	int ret;

	drain_lists();
	ret = madvise(p, len, MADV_FREE);
	drain_lists();
	return ret;
}

/*
 * More than there is: until nothing is left that can be had. Nor of what was freed
 * lazily, which is always to be had: it may have been in somebody's hands.
 */
static void pressure(void)
{
	long end = 0;

	do {
		drain_lists();
		reclaim_cgroup(CGROUP, 16 << 20);
	} while (file_number("/proc/self/smaps_rollup", "LazyFree:", NULL) > 0 &&
		 patience(&end));
}

/* The same, until nothing of a mapping is left in memory, if there is swap. */
static void pressure_on(const uint8_t *p)
{
	long end = 0;

	do
		pressure();
	while (swap_is_on() && smaps_kb(p, "Rss:") && patience(&end));
}

/* Advice, and then pressure. */
static bool free_pages(uint8_t *p, long len)
{
	bool advised = !advise(p, len);

	pressure();
	return advised;
}

/*
 * Memory that is touched from now on counts for the cgroup. And what the test before
 * left in the lists of a CPU is marked, and counted, before this one reads the counters.
 */
static bool begin(void)
{
	drain_lists();
	return pin_to_cpu(0) && enter_cgroup(CGROUP, "max");
}

static long memcg_event(const char *key)
{
	return cgroup_number(CGROUP, "memory.stat", key);
}

/* Is the page what fill_pages() made of it, but for the byte at @at? */
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

/* Neither in memory nor on swap, which has to be asked before anybody looks. */
static bool is_gone(const uint8_t *p, long len)
{
	return !smaps_kb(p, "Rss:") && !smaps_kb(p, "Swap:") && is_freed(p, len);
}

/* All of it is freed under pressure, and counted. */
static void expect_freed(struct __test_metadata *_metadata, uint8_t *p, long len)
{
	long freed = vm_counter("pglazyfreed"), freed_here = memcg_event("pglazyfreed ");

	ASSERT_EQ(0, advise(p, len));
	EXPECT_EQ(len / 1024, smaps_kb(p, "LazyFree:"));
	pressure();
	EXPECT_EQ(len / PAGE, vm_counter("pglazyfreed") - freed);
	EXPECT_EQ(len / PAGE, memcg_event("pglazyfreed ") - freed_here);
	EXPECT_TRUE(is_gone(p, len));
}

struct part {
	long start, end;
};

/* A child that shares the memory: what it advises, unmaps, and has to keep to the end. */
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

/* Did it keep its part? */
static bool end_child(struct child *child)
{
	int status;
	bool told = write(child->to, "", 1) == 1;

	return waitpid(child->pid, &status, 0) == child->pid && told && !status;
}

/* Whatever the child advises, the parent keeps all; or the parent advises, if @advised. */
static void share(struct __test_metadata *_metadata, uint8_t *p, long len, struct child *child,
		  bool advised)
{
	ASSERT_TRUE(start_child(child, p));
	ASSERT_EQ(0, advised ? advise(p, len) : 0);
	pressure();
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
	ASSERT_TRUE(begin());
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
	long marked = vm_counter("pglazyfree"), marked_here = memcg_event("pglazyfree ");

	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_EQ(LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	EXPECT_EQ(LEN / 1024, smaps_kb(self->p, "Rss:"));
	EXPECT_EQ(PAGES, vm_counter("pglazyfree") - marked);
	EXPECT_EQ(PAGES, memcg_event("pglazyfree ") - marked_here);
	self->p[0]++;
	EXPECT_EQ((LEN - PAGE) / 1024, smaps_kb(self->p, "LazyFree:"));
}

TEST_F(pages, are_kept_without_pressure)
{
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_TRUE(is_kept(self->p, LEN));
}

/* What shows that the pressure is one that swaps. */
TEST_F(pages, without_advice_are_swapped_or_stay)
{
	pressure_on(self->p);
	EXPECT_EQ(swap_is_on() ? LEN / 1024 : 0, smaps_kb(self->p, "Swap:"));
	EXPECT_LE(swap_is_on() ? PAGES : 0, count_on_swap());
	EXPECT_TRUE(is_kept(self->p, LEN));
}

TEST_F(pages, written_again_are_kept)
{
	ASSERT_EQ(0, advise(self->p, LEN));
	for (long i = 0; i < PAGES; i += 2)
		self->p[i * PAGE + i] = 1;
	pressure();
	for (long i = 0; i < PAGES; i += 2) {
		EXPECT_TRUE(is_page_with(self->p + i * PAGE, i, 1));
		EXPECT_TRUE(is_freed(self->p + (i + 1) * PAGE, PAGE));
	}
}

/* It takes reclaim a look more; the multi-gen LRU looks at some of them in a later one. */
TEST_F(pages, read_again_are_freed_all_the_same)
{
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_TRUE(is_kept(self->p, LEN));
	for (int looks = 0; looks < 8 && !is_gone(self->p, LEN); looks++)
		pressure();
	EXPECT_TRUE(is_gone(self->p, LEN));
}

TEST_F(pages, only_those_asked_for_are_freed)
{
	ASSERT_TRUE(free_pages(self->p + 3 * PAGE, 5 * PAGE));
	EXPECT_TRUE(is_kept(self->p, 3 * PAGE));
	EXPECT_TRUE(is_freed(self->p + 3 * PAGE, 5 * PAGE));
	EXPECT_TRUE(is_kept(self->p + 8 * PAGE, LEN - 8 * PAGE));
}

/* What is given back on swap stays there for a while: each CPU keeps up to 64 pages. */
#define STALE	(PAGES / 2)

TEST_F(pages, on_swap_lose_their_place_there)
{
	pressure_on(self->p);
	EXPECT_LE(swap_is_on() ? PAGES : 0, count_on_swap());
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_EQ(0, smaps_kb(self->p, "Swap:"));
	EXPECT_GT(STALE, count_on_swap());
	pressure();
	EXPECT_TRUE(is_gone(self->p, LEN));
}

/* A page that was read from swap and has its place there still. */
TEST_F(pages, back_from_swap_lose_their_place_there)
{
	pressure_on(self->p);
	EXPECT_TRUE(is_kept(self->p, LEN));
	ASSERT_EQ(0, advise(self->p, LEN));
	EXPECT_EQ(LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	EXPECT_GT(STALE, count_on_swap());
	pressure();
	EXPECT_TRUE(is_gone(self->p, LEN));
}

TEST_F(pages, advised_by_a_child_are_kept_for_the_parent)
{
	struct child child = { .advises = { 0, LEN } };

	share(_metadata, self->p, LEN, &child, false);
}

/* Clean, in no swap cache, and without a place on swap any more: the only copy. */
TEST_F(pages, back_from_swap_advised_by_a_child_are_kept_for_the_parent)
{
	struct child child = { .advises = { 0, LEN } };

	pressure_on(self->p);
	EXPECT_TRUE(is_kept(self->p, LEN));
	share(_metadata, self->p, LEN, &child, false);
}

TEST_F(pages, advised_by_the_parent_are_kept_for_a_child)
{
	struct child child = { .keeps = { 0, LEN } };

	share(_metadata, self->p, LEN, &child, true);
}

TEST_F(pages, that_cannot_be_accessed_are_freed)
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

/* By the kernel, which does not go through the process's page tables. */
static bool write_from_outside(uint8_t *p, uint8_t byte, bool by_proc)
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

TEST_F(pages, written_from_outside_are_kept)
{
	ASSERT_EQ(0, advise(self->p, LEN));
	for (long i = 0; i < PAGES; i += 2)
		ASSERT_TRUE(write_from_outside(self->p + i * PAGE + i, 1, i & 2));
	pressure();
	for (long i = 0; i < PAGES; i += 2)
		EXPECT_TRUE(is_page_with(self->p + i * PAGE, i, 1));
}

TEST_F(pages, of_files_and_locked_ones_are_refused)
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
	pressure();
	EXPECT_TRUE(is_kept(self->p, LEN));
}

/*
 * A huge page, mapped as such, or by entries for its small pages in one page
 * table or two.
 */

FIXTURE(huge) {
	uint8_t *p;
	long splits;
};

/* first: which entry of its page table is the first one's; -1: mapped as such. */
FIXTURE_VARIANT(huge) {
	long first;
};

FIXTURE_VARIANT_ADD(huge, pmd) { .first = -1 };
FIXTURE_VARIANT_ADD(huge, ptes) { .first = 0 };
FIXTURE_VARIANT_ADD(huge, all_but_one_here) { .first = 1 };
FIXTURE_VARIANT_ADD(huge, two_tables) { .first = 200 };
FIXTURE_VARIANT_ADD(huge, one_here) { .first = HUGE_PAGES - 1 };

/* Do the pages at @p lie in memory as one huge page, that has not been split? */
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

/* @len, where a huge page has its entries from number @first on. */
static uint8_t *move_to_entry(uint8_t *p, long len, long first)
{
	uint8_t *room = map_huge(MAP_PRIVATE, len + HUGE_LEN), *to = room + first * PAGE;

	munmap(room, len + HUGE_LEN);
	return mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

static uint8_t *make_huge(long len, long first)
{
	uint8_t *p = map_huge(MAP_PRIVATE, len);

	fill_pages(p, len);
	/* It has what it needs; khugepaged is to leave it as it is. */
	madvise(p, len, MADV_NOHUGEPAGE);
	if (first >= 0) {
		for (long at = 0; at < len; at += HUGE_LEN) {
			mprotect(p + at + HALF, PAGE, PROT_READ);
			mprotect(p + at + HALF, PAGE, PROT_READ | PROT_WRITE);
		}
	}
	return first > 0 ? move_to_entry(p, len, first) : p;
}

/* It replaces the one that the test may have already. */
static void make_another(struct __test_metadata *_metadata, struct _test_data_huge *self,
			 long first)
{
	if (self->p)
		munmap(self->p, HUGE_LEN);
	self->p = make_huge(HUGE_LEN, first);
	ASSERT_NE(MAP_FAILED, self->p);
}

FIXTURE_SETUP(huge)
{
	ASSERT_TRUE(begin());
	make_another(_metadata, self, variant->first);
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
	long marked = vm_counter("pglazyfree");

	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(self->splits, vm_counter("thp_split_page"));
	EXPECT_TRUE(is_huge(self->p));
	EXPECT_TRUE(is_droppable_page(self->p));
	EXPECT_EQ(HUGE_LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	EXPECT_EQ(HUGE_PAGES, vm_counter("pglazyfree") - marked);
	EXPECT_TRUE(is_kept(self->p, HUGE_LEN));
}

TEST_F(huge, whole_is_freed_under_pressure)
{
	expect_freed(_metadata, self->p, HUGE_LEN);
}

/* Of the others, each is kept or freed as a whole. */
TEST_F(huge, pages_written_again_are_kept)
{
	static const long written[] = { 1, 255, 312, 511, 0 };

	for (long n = 0; n < (long)ARRAY_SIZE(written); n++) {
		uint8_t *page = self->p + written[n] * PAGE;

		fill_pages(self->p, HUGE_LEN);
		ASSERT_EQ(0, advise(self->p, HUGE_LEN));
		page[n] = 1;
		pressure();
		EXPECT_TRUE(is_page_with(page, n, 1));
		fill_pages(page, PAGE);
		EXPECT_LE(0, count_dropped(self->p, HUGE_LEN));
	}
}

TEST_F(huge, written_from_outside_is_kept)
{
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	ASSERT_TRUE(write_from_outside(self->p + 400 * PAGE, 1, false));
	ASSERT_TRUE(write_from_outside(self->p + 77 * PAGE, 1, true));
	pressure();
	EXPECT_TRUE(is_page_with(self->p + 400 * PAGE, 0, 1));
	EXPECT_TRUE(is_page_with(self->p + 77 * PAGE, 0, 1));
}

/* As an allocator does that gives the same memory back again and again. */
TEST_F(huge, advised_again_is_not_split)
{
	static const long written[] = { 0, 5, 312, 511 };

	for (long n = 0; n < (long)ARRAY_SIZE(written); n++) {
		ASSERT_EQ(0, advise(self->p, HUGE_LEN));
		self->p[written[n] * PAGE]++;
	}
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(self->splits, vm_counter("thp_split_page"));
	EXPECT_TRUE(is_huge(self->p));
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
	pressure();
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

TEST_F(huge, advised_again_in_part_is_free_in_part)
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

/* Each end: first, second, where the page table ends or in the middle, last, none. */
TEST_F(huge, in_part_only_that_is_freed)
{
	long next_table = variant->first > 0 ? HUGE_PAGES - variant->first : 300;
	const long edges[] = { 0, 1, next_table, HUGE_PAGES - 1, HUGE_PAGES };
	long nr = (long)ARRAY_SIZE(edges);

	for (long s = 0; s < nr; s++) {
		for (long e = 0; e < nr; e++) {
			if (edges[s] >= edges[e] || (!s && e == nr - 1) ||
			    edges[e] == edges[e - 1] || (s && edges[s] == edges[s - 1]))
				continue;
			make_another(_metadata, self, variant->first);
			EXPECT_TRUE(frees_only(self->p, edges[s] * PAGE, edges[e] * PAGE)) {
				TH_LOG("pages %ld to %ld", edges[s], edges[e]);
			}
		}
	}
}

/* The rest of the huge page is what the range ends in, not what it begins with. */
TEST_F(huge, neighbours_are_told_apart)
{
	uint8_t *p = make_huge(2 * HUGE_LEN, variant->first);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(free_pages(p + HALF, HUGE_LEN));
	EXPECT_TRUE(is_kept(p, HALF));
	EXPECT_TRUE(is_freed(p + HALF, HUGE_LEN));
	EXPECT_TRUE(is_kept(p + HALF + HUGE_LEN, HALF));
}

TEST_F(huge, neighbours_are_not_split)
{
	uint8_t *p = make_huge(3 * HUGE_LEN, variant->first);

	ASSERT_NE(MAP_FAILED, p);
	/* A part of the first, which has to be split, and both others. */
	ASSERT_EQ(0, advise(p + HALF, 2 * HUGE_LEN + HALF));
	EXPECT_EQ(1, vm_counter("thp_split_page") - self->splits);
	EXPECT_TRUE(is_huge(p + HUGE_LEN));
	EXPECT_TRUE(is_huge(p + 2 * HUGE_LEN));
	EXPECT_EQ((2 * HUGE_LEN + HALF) / 1024, smaps_kb(p, "LazyFree:"));
	pressure();
	EXPECT_TRUE(is_kept(p, HALF));
	EXPECT_TRUE(is_freed(p + HALF, 2 * HUGE_LEN + HALF));
}

/* One of its pages is away, and another one in its place. */
#define STRANGER	312

TEST_F(huge, a_stranger_in_it_is_freed_by_itself)
{
	uint8_t *stranger = self->p + STRANGER * PAGE;

	ASSERT_EQ(0, madvise(stranger, PAGE, MADV_DONTNEED));
	fill_pages(stranger, PAGE);
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(HUGE_LEN / 1024, smaps_kb(self->p, "LazyFree:"));
	stranger[1] = 1;
	pressure();
	EXPECT_TRUE(is_page_with(stranger, 1, 1));
	EXPECT_TRUE(is_freed(self->p, STRANGER * PAGE));
	EXPECT_TRUE(is_freed(stranger + PAGE, HUGE_LEN - (STRANGER + 1) * PAGE));
}

TEST_F(huge, without_one_page_is_freed)
{
	ASSERT_EQ(0, madvise(self->p + STRANGER * PAGE, PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ((HUGE_LEN - PAGE) / 1024, smaps_kb(self->p, "LazyFree:"));
	pressure();
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

TEST_F(huge, with_the_zero_page_in_it_is_freed)
{
	uint8_t *hole = self->p + STRANGER * PAGE;

	ASSERT_EQ(0, madvise(hole, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_freed(hole, PAGE));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ((HUGE_LEN - PAGE) / 1024, smaps_kb(self->p, "LazyFree:"));
	pressure();
	EXPECT_TRUE(is_freed(self->p, HUGE_LEN));
}

TEST_F(huge, with_a_page_on_swap_in_it_is_freed)
{
	uint8_t *hole = self->p + STRANGER * PAGE;

	ASSERT_EQ(0, madvise(hole, PAGE, MADV_DONTNEED));
	fill_pages(hole, PAGE);
	for (long end = 0; swap_is_on() && !smaps_kb(self->p, "Swap:") && patience(&end);) {
		drain_lists();
		ASSERT_EQ(0, madvise(hole, PAGE, MADV_PAGEOUT));
	}
	EXPECT_EQ(swap_is_on() ? PAGE / 1024 : 0, smaps_kb(self->p, "Swap:"));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(0, smaps_kb(self->p, "Swap:"));
	pressure();
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

/* Each of its pages in turn: those at the ends, those where a page table ends. */
TEST_F(huge, a_page_moved_out_of_it_is_kept)
{
	long next_table = variant->first > 0 ? HUGE_PAGES - variant->first : 300;
	const long moved[] = { 0, 1, next_table - 1, next_table, HUGE_PAGES - 1 };

	for (long n = 0; n < (long)ARRAY_SIZE(moved); n++) {
		uint8_t *hole, *out = map_pages(MAP_PRIVATE, PAGE);

		make_another(_metadata, self, variant->first);
		hole = self->p + moved[n] * PAGE;
		ASSERT_EQ(out, mremap(hole, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, out));
		/* A mapping without a hole again, or the range would end there. */
		ASSERT_EQ(hole, mmap(hole, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		madvise(hole, PAGE, MADV_NOHUGEPAGE);
		/* Or with a stranger there: all of its pages are mapped, but not all here. */
		if (n % 2)
			fill_pages(hole, PAGE);
		ASSERT_TRUE(free_pages(self->p, HUGE_LEN));
		EXPECT_TRUE(is_kept(out, PAGE));
		EXPECT_TRUE(is_freed(self->p, HUGE_LEN));
		munmap(out, PAGE);
	}
}

TEST_F(huge, a_page_moved_into_it_is_freed_by_itself)
{
	uint8_t *other = make_huge(HUGE_LEN, variant->first);
	uint8_t *hole = self->p + STRANGER * PAGE, *from = other + 7 * PAGE;

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

TEST_F(huge, with_halves_of_different_rights_is_freed)
{
	ASSERT_EQ(0, mprotect(self->p + HALF, HALF, PROT_READ));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(HALF / 1024, smaps_kb(self->p, "LazyFree:"));
	EXPECT_EQ(HALF / 1024, smaps_kb(self->p + HALF, "LazyFree:"));
	pressure();
	EXPECT_EQ(0, smaps_kb(self->p + HALF, "Swap:"));
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

TEST_F(huge, half_of_other_rights_is_kept)
{
	ASSERT_EQ(0, mprotect(self->p, HALF, PROT_READ));
	ASSERT_TRUE(free_pages(self->p, HALF));
	EXPECT_TRUE(is_freed(self->p, HALF));
	EXPECT_TRUE(is_kept(self->p + HALF, HALF));
}

TEST_F(huge, that_cannot_be_accessed_is_freed)
{
	ASSERT_EQ(0, mprotect(self->p, HUGE_LEN, PROT_NONE));
	ASSERT_TRUE(free_pages(self->p, HUGE_LEN));
	ASSERT_EQ(0, mprotect(self->p, HUGE_LEN, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

TEST_F(huge, pinned_page_is_kept)
{
	uint8_t *pinned = self->p + STRANGER * PAGE;
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

	share(_metadata, self->p, HUGE_LEN, &child, false);
}

TEST_F(huge, advised_in_part_by_a_child_is_kept_for_the_parent)
{
	struct child child = { .advises = { 0, HALF }, .keeps = { HALF, HUGE_LEN } };

	share(_metadata, self->p, HUGE_LEN, &child, false);
}

TEST_F(huge, advised_by_the_parent_is_kept_for_a_child)
{
	struct child child = { .keeps = { 0, HUGE_LEN } };

	share(_metadata, self->p, HUGE_LEN, &child, true);
}

TEST_F(huge, high_half_is_kept_for_a_child)
{
	struct child child = { .unmaps = { 0, HALF }, .keeps = { HALF, HUGE_LEN } };

	share(_metadata, self->p, HUGE_LEN, &child, true);
}

TEST_F(huge, low_half_is_kept_for_a_child)
{
	struct child child = { .unmaps = { HALF, HUGE_LEN }, .keeps = { 0, HALF } };

	share(_metadata, self->p, HUGE_LEN, &child, true);
}

TEST_F(huge, after_the_child_has_gone_is_not_split)
{
	struct child child = { .keeps = { 0, HUGE_LEN } };

	ASSERT_TRUE(start_child(&child, self->p));
	/* Shared: neither freed nor split. */
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
	ASSERT_TRUE(end_child(&child));
	ASSERT_EQ(0, advise(self->p, HUGE_LEN));
	EXPECT_EQ(self->splits, vm_counter("thp_split_page"));
	EXPECT_TRUE(is_huge(self->p));
	EXPECT_EQ(HUGE_LEN / 1024, smaps_kb(self->p, "LazyFree:"));
}

TEST_F(huge, after_the_child_has_gone_is_freed)
{
	struct child child = { .keeps = { 0, HUGE_LEN } };

	ASSERT_TRUE(start_child(&child, self->p));
	ASSERT_TRUE(end_child(&child));
	ASSERT_TRUE(free_pages(self->p, HUGE_LEN));
	EXPECT_TRUE(is_gone(self->p, HUGE_LEN));
}

/*
 * One thread writes, one advises, one reclaims. What is written while no advice is
 * under way, and none comes before it is looked at again, must be there still.
 *
 * What is written during a call may be lost, and then it is not always zeros that take
 * its place: reclaim may have written the page to swap meanwhile, because of a TLB that
 * the call has not flushed yet it sees no more of a write than what was there before.
 * But never what was there before something that was written outside of all calls.
 */

#define RACE_MS		900
#define RACE_MAX_MS	60000
#define ROUND_MS	300

static struct race {
	uint8_t		*p;
	/* Of calls of madvise(). */
	atomic_ulong	begun, ended;
	atomic_bool	stop;
	/*
	 * What the writer saw: pages that no advice could have touched; lost ones; and
	 * contents that nobody wrote, or that are older than may be.
	 */
	long		safe, lost, wrong;
} race;

/* The writer has its own: see below. */
static void run_on_any_cpu(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
}

static void *advise_all_the_time(void *unused)
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

static void *reclaim_all_the_time(void *unused)
{
	run_on_any_cpu();
	while (!race.stop)
		reclaim_cgroup(CGROUP, 256 << 10);
	return unused;
}

/* Atomic, so that they stay in order with the counts of calls. */
static void write_and_look(atomic_ulong *written, unsigned long count)
{
	/* When it was written, and the last of what was written outside of all calls. */
	static unsigned long when[HUGE_PAGES], sure[HUGE_PAGES];

	for (long i = 0; i < HUGE_PAGES; i++) {
		unsigned long ended = race.ended;

		/* -1: a call is under way, and may free what is written now. */
		when[i] = race.begun == ended ? ended : -1UL;
		written[i * PAGE / sizeof(*written) + i % 512] = count + i;
		if (race.begun == when[i])
			sure[i] = count + i;
	}
	for (long i = 0; i < HUGE_PAGES; i++) {
		unsigned long value = written[i * PAGE / sizeof(*written) + i % 512];
		bool safe = race.begun == when[i];

		race.safe += safe;
		race.lost += safe && value != count + (unsigned long)i;
		race.wrong += value && (value < sure[i] || value > count + i ||
					(count + i - value) % HUGE_PAGES);
	}
}

static void write_all_the_time(unsigned int ms)
{
	static unsigned long count = 1;
	long end = now_ms() + ms;

	do {
		write_and_look((atomic_ulong *)race.p, count);
		count += HUGE_PAGES;
	} while (now_ms() < end);
}

/* Again and again with a new huge page: reclaim splits it sooner or later. */
TEST_F(huge, written_after_the_call_is_kept)
{
	long before = vm_counter("pglazyfreed"), freed = 0;

	/*
	 * The writer stays where it is all the time: reclaim flushes the TLBs of other
	 * CPUs a while after it has dropped an ordinary page, and one that moves there
	 * meanwhile may see what was in it before.
	 */
	ASSERT_TRUE(pin_to_cpu(0));
	/* It would prove nothing if the threads did not meet. */
	for (unsigned int ms = 0; ms < RACE_MAX_MS; ms += ROUND_MS) {
		pthread_t adviser, reclaimer;

		make_another(_metadata, self, variant->first);
		race.p = self->p;
		race.stop = false;
		/* All of it once, so that it is sure what is old. */
		write_all_the_time(0);
		ASSERT_EQ(0, pthread_create(&adviser, NULL, advise_all_the_time, NULL));
		ASSERT_EQ(0, pthread_create(&reclaimer, NULL, reclaim_all_the_time, NULL));
		write_all_the_time(ROUND_MS);
		race.stop = true;
		pthread_join(adviser, NULL);
		pthread_join(reclaimer, NULL);
		freed = vm_counter("pglazyfreed") - before;
		if (ms >= RACE_MS && freed && race.safe > HUGE_PAGES)
			break;
	}
	EXPECT_EQ(0, race.lost);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(HUGE_PAGES, race.safe);
	EXPECT_LT(0, freed);
}

TEST_HARNESS_MAIN
