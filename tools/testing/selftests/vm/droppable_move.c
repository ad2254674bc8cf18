// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: the kernel migrates, splits and collapses pages, and KSM tries to merge
 * them. The pages stay droppable, hold what was written or zeros, are dropped by the next
 * reclaim, and are never on swap. droppable_access.c tests access by other tasks and
 * devices, droppable_device.c tests device memory.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#ifndef UFFDIO_MOVE		/* Linux 6.8 */
struct uffdio_move {
	__u64 dst, src, len, mode;
	__s64 move;
};

#define UFFDIO_MOVE		_IOWR(UFFDIO, 0x05, struct uffdio_move)
#define UFFD_FEATURE_MOVE	0x10000
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY	1
#endif

#define PAGES		64
#define CGROUP		"droppable_move"
#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define KSM		"/sys/kernel/mm/ksm/"
#define SPLIT_FILE	"/sys/kernel/debug/split_huge_pages"
#define BALANCING	"/proc/sys/kernel/numa_balancing"

static __attribute__((constructor)) void pin_program(void)
{
	pin_to_cpu(0);
}

/* Some pages may be dropped for other tasks, few on an idle machine. */
static long most_of(size_t len)
{
	return len / page * 3 / 4;
}

static bool is_huge(const uint8_t *p)
{
	return page_flags(p) & KPF_THP;
}

static uint8_t *map_filled(bool huge, size_t len)
{
	uint8_t *p = huge ? map_huge(MAP_DROPPABLE, len) : map_pages(MAP_DROPPABLE, len);

	fill_pages(p, len);
	return p;
}

/* Base pages, in a range that can be collapsed into huge pages. */
static uint8_t *map_collapsible(size_t len)
{
	uint8_t *p = map_huge(MAP_DROPPABLE, len);

	madvise(p, len, MADV_NOHUGEPAGE);
	fill_pages(p, len);
	return p;
}

/* Migration between nodes. */

static int node_of(const uint8_t *p)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1, &p, NULL, &status, 0) ? -1 : status;
}

static long count_on_node(const uint8_t *p, size_t len, int node)
{
	long found = 0;

	for (size_t at = 0; at < len; at += page)
		found += node_of(p + at) == node;
	return found;
}

static bool by_move_pages(uint8_t *p, size_t len, int node)
{
	/* One call moves a whole huge page; a second one would find it busy. */
	size_t step = is_huge(p) ? HUGE_SIZE : page;
	int status;

	for (; len; p += step, len -= step)
		if (syscall(SYS_move_pages, 0, 1, &p, &node, &status, MPOL_MF_MOVE) < 0)
			return false;
	return true;
}

static bool by_migrate_pages(uint8_t *p, size_t len, int node)
{
	unsigned long from = 1UL << !node, to = 1UL << node;

	(void)p;
	(void)len;
	return syscall(SYS_migrate_pages, 0, 8 * sizeof(to), &from, &to) >= 0;
}

static bool by_mbind(uint8_t *p, size_t len, int node)
{
	unsigned long nodes = 1UL << node;

	return !syscall(SYS_mbind, p, len, MPOL_BIND, &nodes, 8 * sizeof(nodes), MPOL_MF_MOVE);
}

static bool by_cpuset(uint8_t *p, size_t len, int node)
{
	(void)p;
	(void)len;
	return write_to_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset") &&
	       enter_cgroup(CGROUP, "max") &&
	       set_cgroup(CGROUP, "cpuset.mems", node ? "1" : "0");
}

FIXTURE(move) {
	uint8_t *p;
	size_t len;
};

FIXTURE_VARIANT(move) {
	bool huge;
};

FIXTURE_VARIANT_ADD(move, pages) { .huge = false };
FIXTURE_VARIANT_ADD(move, huge_pages) { .huge = true };

FIXTURE_SETUP(move)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "this machine has only one memory node");
	self->len = variant->huge ? HUGE_SIZE : PAGES * page;
	self->p = map_filled(variant->huge, self->len);
	ASSERT_EQ(variant->huge, is_huge(self->p));
}

FIXTURE_TEARDOWN(move)
{
	leave_cgroup(CGROUP);
	munmap(self->p, self->len);
}

static void migrate_there_and_back(struct __test_metadata *_metadata, uint8_t *p, size_t len,
				   bool (*move_to)(uint8_t *p, size_t len, int node))
{
	bool huge = is_huge(p);
	int home = node_of(p);

	ASSERT_LE(0, home);
	ASSERT_GE(1, home);
	ASSERT_TRUE(move_to(p, len, !home));
	EXPECT_LE(most_of(len), count_on_node(p, len, !home));
	EXPECT_LE(most_of(len), count_droppable(p, len));
	EXPECT_EQ(huge, is_huge(p));
	ASSERT_TRUE(move_to(p, len, home));
	EXPECT_LE(most_of(len), count_on_node(p, len, home));
	EXPECT_EQ(huge, is_huge(p));
	/* In a cgroup limited to one node, drain_lists() would migrate the pages. */
	leave_cgroup(CGROUP);
	EXPECT_STREQ("", check_droppable(p, len, most_of(len)));
}

TEST_F(move, move_pages_keeps_them_droppable)
{
	migrate_there_and_back(_metadata, self->p, self->len, by_move_pages);
}

TEST_F(move, migrate_pages_keeps_them_droppable)
{
	migrate_there_and_back(_metadata, self->p, self->len, by_migrate_pages);
}

TEST_F(move, mbind_keeps_them_droppable)
{
	migrate_there_and_back(_metadata, self->p, self->len, by_mbind);
}

TEST_F(move, cpuset_keeps_them_droppable)
{
	migrate_there_and_back(_metadata, self->p, self->len, by_cpuset);
}

/*
 * For NUMA hinting faults. The pages must be new: a page that was migrated before is
 * dirty, and NUMA balancing does not move dirty pages that are not swap backed.
 */
static void fill_on_node(uint8_t *p, size_t len, int node)
{
	unsigned long nodes = 1UL << node;

	syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes));
	madvise(p, len, MADV_DONTNEED);
	fill_pages(p, len);
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}

TEST_F(move, numa_balancing_keeps_them_droppable)
{
	long faults = vm_counter("numa_hint_faults"), moved = vm_counter("numa_pages_migrated");
	unsigned int cpu, here;

	ASSERT_EQ(0, syscall(SYS_getcpu, &cpu, &here, NULL));
	fill_on_node(self->p, self->len, !here);
	ASSERT_LE(most_of(self->len), count_on_node(self->p, self->len, !here));

	EXPECT_TRUE(change_setting(BALANCING, 1));
	for (long end = 0; !count_on_node(self->p, self->len, here) && may_retry(&end);)
		for (int i = 0; i < 20000; i++)
			for (size_t at = 0; at < self->len; at += page)
				__atomic_load_n(self->p + at, __ATOMIC_RELAXED);
	restore_settings();

	EXPECT_LT(faults, vm_counter("numa_hint_faults"));
	EXPECT_LT(moved, vm_counter("numa_pages_migrated"));
	EXPECT_LT(0, count_on_node(self->p, self->len, here));
	EXPECT_STREQ("", check_droppable(self->p, self->len, most_of(self->len)));
}

/* Migration within a node. */

/*
 * Compaction moves pages from one end of a zone into holes at the other end. Allocate the
 * droppable pages between many others, then free those: this leaves holes, and droppable
 * pages at both ends.
 */
static void scatter_pages(uint8_t *p, size_t len)
{
	size_t chunk = file_number("/proc/meminfo", "MemFree:", NULL) * 1024 / 3 / (len / page);
	uint8_t *others;

	chunk &= ~(page - 1);
	others = map_pages(MAP_PRIVATE, chunk * (len / page));
	for (size_t at = 0; at < len; at += page) {
		fill_pages(p + at, page);
		madvise(others, chunk, MADV_POPULATE_WRITE);
		others += chunk;
	}
	munmap(others - chunk * (len / page), chunk * (len / page));
}

TEST(compaction_keeps_them_droppable)
{
	long moved = vm_counter("pgmigrate_success"), changed = 0;
	uint64_t frames[4 * PAGES];
	size_t len = 4 * PAGES * page;
	uint8_t *p = map_pages(MAP_DROPPABLE, len);

	scatter_pages(p, len);
	for (size_t at = 0; at < len; at += page)
		frames[at / page] = page_frame(p + at);

	for (long end = 0; changed <= PAGES / 4 && may_retry(&end);) {
		ASSERT_TRUE(write_to_file("/proc/sys/vm/compact_memory", "1"));
		changed = 0;
		for (size_t at = 0; at < len; at += page)
			changed += page_frame(p + at) && page_frame(p + at) != frames[at / page];
	}
	EXPECT_LT(moved, vm_counter("pgmigrate_success"));
	EXPECT_LT(PAGES / 4, changed);
	EXPECT_STREQ("", check_droppable(p, len, most_of(len)));
}

static void soft_offline(struct __test_metadata *_metadata, bool huge)
{
	size_t len = huge ? HUGE_SIZE : PAGES * page;
	uint8_t *p = map_filled(huge, len), *one = p + 5 * page;
	uint64_t frame = page_frame(one);

	ASSERT_EQ(huge, is_huge(p));
	ASSERT_NE(0, frame);
	drain_lists();
	ASSERT_EQ(0, madvise(one, page, MADV_SOFT_OFFLINE));
	EXPECT_NE(frame, page_frame(one));
	/* The page is migrated, not dropped. */
	EXPECT_TRUE(is_droppable_page(one));
	EXPECT_EQ(0, count_dropped(one, page));
	EXPECT_STREQ("", check_droppable(p, len, most_of(len)));
	munmap(p, len);
}

TEST(soft_offline_keeps_them_droppable)
{
	soft_offline(_metadata, false);
	soft_offline(_metadata, true);
}

/* Splitting a huge page. */

FIXTURE(huge) {
	uint8_t *p;
};

FIXTURE_SETUP(huge)
{
	self->p = map_filled(true, HUGE_SIZE);
	ASSERT_TRUE(is_huge(self->p));
	ASSERT_EQ(0, madvise(self->p, HUGE_SIZE, MADV_NOHUGEPAGE));
}

FIXTURE_TEARDOWN(huge)
{
	munmap(self->p, HUGE_SIZE);
}

TEST_F(huge, reclaim_drops_it)
{
	EXPECT_STREQ("", check_droppable(self->p, HUGE_SIZE, HUGE_SIZE / page));
}

TEST_F(huge, partial_munmap_leaves_a_droppable_rest)
{
	ASSERT_EQ(0, munmap(self->p + HUGE_SIZE / 2, HUGE_SIZE / 2));
	EXPECT_STREQ("", check_droppable(self->p, HUGE_SIZE / 2, most_of(HUGE_SIZE / 2)));
}

TEST_F(huge, mprotect_of_a_part_keeps_all_droppable)
{
	ASSERT_EQ(0, mprotect(self->p + 7 * page, page, PROT_READ));
	EXPECT_STREQ("", check_droppable(self->p, HUGE_SIZE, most_of(HUGE_SIZE)));
}

TEST_F(huge, dontneed_of_a_part_leaves_a_droppable_rest)
{
	const long rest = HUGE_SIZE / page - 1;
	long found, end = 0;

	ASSERT_EQ(0, madvise(self->p + 7 * page, page, MADV_DONTNEED));
	/* The kernel soon splits the huge page. While it does, the rest is not mapped. */
	do
		found = count_droppable(self->p, HUGE_SIZE);
	while (found != rest && may_retry(&end));
	EXPECT_EQ(rest, found);
	EXPECT_EQ(1, count_dropped(self->p, HUGE_SIZE));
	EXPECT_STREQ("", check_droppable(self->p, HUGE_SIZE, most_of(HUGE_SIZE)));
}

/* Reclaim of a part has to split the page, not only its mapping. */
TEST_F(huge, reclaim_of_a_part_drops_the_part)
{
	const size_t part = HUGE_SIZE / 4;

	drain_lists();
	ASSERT_TRUE(pageout_until(self->p, part, 0));
	EXPECT_EQ((HUGE_SIZE - part) / page, count_droppable(self->p, HUGE_SIZE));
	EXPECT_FALSE(is_huge(self->p + part));
	EXPECT_EQ(part / page, count_dropped(self->p, HUGE_SIZE));
	EXPECT_STREQ("", check_droppable(self->p + part, HUGE_SIZE - part,
					 most_of(HUGE_SIZE - part)));
}

TEST_F(huge, split_pages_are_droppable)
{
	char request[128];

	snprintf(request, sizeof(request), "%d,%p,%p", getpid(), self->p, self->p + HUGE_SIZE);
	for (long end = 0; is_huge(self->p) && may_retry(&end);) {
		drain_lists();
		ASSERT_TRUE(write_to_file(SPLIT_FILE, request));
	}
	for (size_t at = 0; at < HUGE_SIZE; at += page)
		ASSERT_FALSE(is_huge(self->p + at));
	EXPECT_STREQ("", check_droppable(self->p, HUGE_SIZE, most_of(HUGE_SIZE)));
}

/* Collapsing pages into a huge page. */

/* Retries while madvise() fails with EAGAIN or EBUSY. */
static int collapse(uint8_t *p)
{
	int ret = -1;

	for (long end = 0; ret && may_retry(&end);) {
		ret = madvise(p, HUGE_SIZE, MADV_COLLAPSE);
		if (ret && errno != EAGAIN && errno != EBUSY)
			break;
	}
	return ret;
}

TEST(madv_collapse_makes_a_droppable_page)
{
	uint8_t *p = map_collapsible(HUGE_SIZE);

	ASSERT_FALSE(is_huge(p));
	ASSERT_EQ(0, madvise(p, HUGE_SIZE, MADV_HUGEPAGE));
	ASSERT_EQ(0, collapse(p));
	EXPECT_TRUE(is_huge(p));
	EXPECT_STREQ("", check_droppable(p, HUGE_SIZE, HUGE_SIZE / page));
}

/* Holes become zeros in the huge page. */
TEST(collapse_of_a_half_makes_a_droppable_page)
{
	uint8_t *p = map_collapsible(HUGE_SIZE);

	ASSERT_EQ(0, madvise(p, HUGE_SIZE / 2, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(p, HUGE_SIZE, MADV_HUGEPAGE));
	ASSERT_EQ(0, collapse(p));
	EXPECT_TRUE(is_huge(p));
	EXPECT_EQ(HUGE_SIZE / 2 / page, count_dropped(p, HUGE_SIZE));
	EXPECT_STREQ("", check_droppable(p, HUGE_SIZE, HUGE_SIZE / 2 / page));
}

TEST(khugepaged_makes_a_droppable_page)
{
	uint8_t *p = map_collapsible(HUGE_SIZE);

	drain_lists();
	ASSERT_FALSE(is_huge(p));
	EXPECT_TRUE(change_setting(KHUGEPAGED "scan_sleep_millisecs", 10));
	EXPECT_EQ(0, madvise(p, HUGE_SIZE, MADV_HUGEPAGE));
	for (long end = 0; !is_huge(p) && may_retry(&end);)
		;
	restore_settings();

	EXPECT_TRUE(is_huge(p));
	EXPECT_STREQ("", check_droppable(p, HUGE_SIZE, HUGE_SIZE / page));
}

/* Merging. */

/* ksmd merges a page whose contents do not change between two scans. */
static bool wait_for_ksmd(void)
{
	long scans = file_number(KSM "full_scans", "", NULL);

	for (long end = 0; may_retry(&end);)
		if (file_number(KSM "full_scans", "", NULL) >= scans + 4)
			return true;
	return false;
}

TEST(ksm_leaves_droppable_pages_alone)
{
	size_t len = PAGES * page;
	uint8_t *p = map_filled(false, len), *control = map_pages(MAP_PRIVATE, len);
	long merged = 0;

	fill_pages(control, len);
	EXPECT_EQ(0, madvise(p, len, MADV_MERGEABLE));
	EXPECT_EQ(0, madvise(control, len, MADV_MERGEABLE));
	EXPECT_FALSE(smaps_flag(p, " mg"));
	EXPECT_TRUE(smaps_flag(control, " mg"));
	EXPECT_TRUE(change_setting(KSM "pages_to_scan", 10000));
	EXPECT_TRUE(change_setting(KSM "sleep_millisecs", 10));
	EXPECT_TRUE(change_setting(KSM "run", 1));
	EXPECT_TRUE(wait_for_ksmd());
	restore_settings();

	for (size_t at = 0; at < len; at += page)
		merged += !!(page_flags(control + at) & KPF_KSM);
	EXPECT_EQ(PAGES, merged);
	EXPECT_EQ(0, count_dropped(p, len));
	EXPECT_EQ(PAGES, count_droppable(p, len));
	/* Unmap these copies of the pattern: the kernel may swap ordinary memory. */
	munmap(control, len);
	EXPECT_STREQ("", check_droppable(p, len, PAGES));
}

/* UFFDIO_MOVE (Linux 6.8) to ordinary memory at @to, which this registers. */
static int uffd_move(int fd, void *to, void *from, size_t len)
{
	struct uffdio_register reg = {
		.range = { (unsigned long)to, len }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_move move = {
		.dst = (unsigned long)to, .src = (unsigned long)from, .len = len,
	};

	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		return -1;
	return ioctl(fd, UFFDIO_MOVE, &move) ? errno : 0;
}

/*
 * The source range needs no registration. In ordinary memory, the pages could be swapped.
 * Unpatched Linux up to 6.18 allows the move.
 */
TEST(userfaultfd_cannot_move_pages_to_ordinary_memory)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	size_t len = PAGES * page;
	uint8_t *p, *control = map_pages(MAP_PRIVATE, len), *to = map_pages(MAP_PRIVATE, 2 * len);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	fill_pages(control, len);
	EXPECT_EQ(api.features & UFFD_FEATURE_MOVE ? 0 : EINVAL, uffd_move(fd, to, control, len));
	p = map_filled(false, len);
	EXPECT_EQ(EINVAL, uffd_move(fd, to + len, p, len));
	close(fd);
	EXPECT_EQ(0, to[len]);
	EXPECT_STREQ("", check_droppable(p, len, most_of(len)));
}

TEST_HARNESS_MAIN
