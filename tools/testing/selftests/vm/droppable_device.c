// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: pages that a device uses exclusively, or keeps in device memory,
 * come back droppable. The device is the test device of lib/test_hmm.c.
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"
#include <lib/test_hmm_uapi.h>

#define PAGES		64
#define LEN		(PAGES * page)
#define CGROUP		"droppable_device"

FIXTURE(device) {
	int fd;
	uint8_t *p, *ordinary, *mirror;
};

FIXTURE_SETUP(device)
{
	self->fd = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		SKIP(return, "/dev/hmm_dmirror0: %s", strerror(errno));
	ASSERT_TRUE(pin_to_cpu(0));
	self->p = map_pages(MAP_DROPPABLE, LEN);
	self->ordinary = map_pages(MAP_PRIVATE, LEN);
	/* Receives copies of the device's pages, which must not be on swap either. */
	self->mirror = map_pages(MAP_DROPPABLE, LEN);
}

FIXTURE_TEARDOWN(device)
{
	close(self->fd);
}

/* Returns how many pages the device has processed, or -1. */
static long command(int device, unsigned long request, uint8_t *p, uint8_t *mirror)
{
	struct hmm_dmirror_cmd cmd = {
		.addr = (unsigned long)p,
		.ptr = (unsigned long)mirror,
		.npages = PAGES,
	};

	return ioctl(device, request, &cmd) ? -1 : (long)cmd.cpages;
}

static long to_device(int device, uint8_t *p, uint8_t *mirror)
{
	return command(device, HMM_DMIRROR_MIGRATE_TO_DEV, p, mirror);
}

/* Fill ordinary memory, but not with the pattern, which must never be on swap. */
static void fill_ordinary(uint8_t *p)
{
	for (size_t i = 0; i < LEN; i++)
		p[i] = 1 + i % 113;
}

static bool ordinary_is_intact(const uint8_t *p)
{
	for (size_t i = 0; i < LEN; i++)
		if (p[i] != 1 + i % 113)
			return false;
	return true;
}

/* For a page in device memory, /proc/self/pagemap holds the swap type and offset. */
static void device_frames(const uint8_t *p, uint64_t *frames)
{
	read_words("/proc/self/pagemap", (unsigned long)p / page, frames, PAGES);
}

/* Is the page in device memory? Then it is not present, but marked as swapped. */
static bool is_device_frame(uint64_t entry)
{
	return (entry & (3ULL << 62)) == 1ULL << 62;
}

static long count_common(const uint64_t *a, const uint64_t *b)
{
	const uint64_t number = (1ULL << 55) - 1;
	long found = 0;

	for (int i = 0; i < PAGES; i++)
		for (int j = 0; j < PAGES; j++)
			found += is_device_frame(a[i]) && is_device_frame(b[j]) &&
				 !((a[i] ^ b[j]) & number);
	return found;
}

static void fault_back(uint8_t *p)
{
	for (size_t at = 0; at < LEN; at += page)
		__atomic_load_n(p + at, __ATOMIC_RELAXED);
}

TEST_F(device, exclusive_access_holds_pages_and_leaves_them_droppable)
{
	uint64_t frame;

	ASSERT_TRUE(enter_cgroup(CGROUP, "max"));
	fill_pages(self->p, LEN);
	frame = page_frame(self->p);
	ASSERT_EQ(PAGES, command(self->fd, HMM_DMIRROR_EXCLUSIVE, self->p, self->mirror));
	EXPECT_EQ(0, page_frame(self->p));
	drain_lists();
	EXPECT_EQ(0, madvise(self->p, LEN, MADV_PAGEOUT));
	reclaim_cgroup(CGROUP, 2 * LEN);
	EXPECT_EQ(0, found_on_swap());
	leave_cgroup(CGROUP);

	EXPECT_EQ(0, count_dropped(self->p, LEN));
	EXPECT_EQ(frame, page_frame(self->p));
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

TEST_F(device, a_fault_brings_pages_back_droppable)
{
	fill_pages(self->p, LEN);
	ASSERT_EQ(PAGES, to_device(self->fd, self->p, self->mirror));
	ASSERT_EQ(0, page_frame(self->p));
	EXPECT_EQ(0, count_dropped(self->mirror, LEN));
	fault_back(self->p);
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

TEST_F(device, eviction_brings_pages_back_droppable)
{
	fill_pages(self->p, LEN);
	ASSERT_EQ(PAGES, to_device(self->fd, self->p, self->mirror));
	ASSERT_EQ(PAGES, command(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, self->p, self->mirror));
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

/* The first access to the pages happens on the device. */
TEST_F(device, pages_allocated_on_the_device_come_back_droppable)
{
	ASSERT_EQ(PAGES, to_device(self->fd, self->p, self->mirror));
	fill_pages(self->mirror, LEN);
	ASSERT_EQ(PAGES, command(self->fd, HMM_DMIRROR_WRITE, self->p, self->mirror));
	EXPECT_EQ(0, page_frame(self->p));
	munmap(self->mirror, LEN);
	fault_back(self->p);
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

/* A device page must not keep the flags of the page that used it before. */

TEST_F(device, droppable_pages_after_ordinary_ones_come_back_droppable)
{
	uint64_t before[PAGES], after[PAGES];

	fill_ordinary(self->ordinary);
	ASSERT_EQ(PAGES, to_device(self->fd, self->ordinary, self->mirror));
	device_frames(self->ordinary, before);
	fault_back(self->ordinary);
	EXPECT_TRUE(ordinary_is_intact(self->ordinary));

	fill_pages(self->p, LEN);
	ASSERT_EQ(PAGES, to_device(self->fd, self->p, self->mirror));
	device_frames(self->p, after);
	ASSERT_EQ(PAGES, count_common(before, after));
	fault_back(self->p);
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

TEST_F(device, ordinary_pages_after_droppable_ones_come_back_swappable)
{
	uint64_t before[PAGES], after[PAGES], flags;
	long end = 0;

	fill_pages(self->p, LEN);
	ASSERT_EQ(PAGES, to_device(self->fd, self->p, self->mirror));
	device_frames(self->p, before);
	fault_back(self->p);

	fill_ordinary(self->ordinary);
	ASSERT_EQ(PAGES, to_device(self->fd, self->ordinary, self->mirror));
	device_frames(self->ordinary, after);
	ASSERT_EQ(PAGES, count_common(before, after));
	fault_back(self->ordinary);
	for (size_t at = 0; at < LEN; at += page) {
		flags = page_flags(self->ordinary + at);
		EXPECT_EQ(KPF_ANON | KPF_SWAPBACKED,
			  flags & (KPF_ANON | KPF_SWAPBACKED | KPF_SWAPCACHE));
	}
	do {
		drain_lists();
		ASSERT_EQ(0, madvise(self->ordinary, LEN, MADV_PAGEOUT));
	} while (swap_is_on() && smaps_kb(self->ordinary, "Rss:") && may_retry(&end));
	EXPECT_EQ(swap_is_on() ? (long)LEN / 1024 : 0, smaps_kb(self->ordinary, "Swap:"));
	EXPECT_TRUE(ordinary_is_intact(self->ordinary));
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

TEST_HARNESS_MAIN
