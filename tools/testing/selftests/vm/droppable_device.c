// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: pages that a device uses exclusively come back droppable, and no page moves to
 * the memory of a device. The device is the test device of lib/test_hmm.c.
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

/*
 * Ordinary memory goes to the device; droppable memory stays, touched or not. Then the device
 * finds no page to read.
 */
TEST_F(device, device_memory_is_not_used)
{
	memset(self->ordinary, 1, LEN);
	ASSERT_EQ(PAGES, to_device(self->fd, self->ordinary, self->mirror));
	ASSERT_EQ(0, page_frame(self->ordinary));

	EXPECT_ERROR(ENOENT, to_device(self->fd, self->p, self->mirror));
	EXPECT_TRUE(is_zero(self->p, LEN));
	fill_pages(self->p, LEN);
	EXPECT_ERROR(ENOENT, to_device(self->fd, self->p, self->mirror));
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

TEST_HARNESS_MAIN
