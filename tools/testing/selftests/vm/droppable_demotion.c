// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: where reclaim demotes ordinary pages to slower memory, it drops droppable ones.
 *
 * Needs root, and a node of slower memory, node 1.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"

#define CGROUP		"droppable_demotion"
#define DEMOTION	"/sys/kernel/mm/numa/demotion_enabled"
#define LEN		(4UL << 20)
#define PAGES		((long)(LEN / page))

static long count_on_slow_node(const uint8_t *p, size_t len)
{
	long found = 0;
	int node;

	for (size_t at = 0; at < len; at += page) {
		const uint8_t *one = p + at;

		node = -1;
		syscall(SYS_move_pages, 0, 1, &one, NULL, &node, 0);
		found += node == 1;
	}
	return found;
}

static void demote(struct __test_metadata *_metadata, uint8_t *(*map)(int, size_t))
{
	uint8_t *p, *ordinary;
	long demoted;

	pin_to_cpu(0);
	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "this machine has only one memory node");
	if (!write_to_file(DEMOTION, "1"))
		SKIP(return, DEMOTION ": %s", strerror(errno));
	ASSERT_TRUE(enter_cgroup(CGROUP, "max"));
	p = map(MAP_DROPPABLE, LEN);
	ordinary = map(MAP_PRIVATE, LEN);
	fill_pages(p, LEN);
	memset(ordinary, 1, LEN);
	for (size_t at = 0; at < LEN; at += HUGE_SIZE) {
		ASSERT_EQ(map == map_huge, !!(page_flags(p + at) & KPF_THP));
		ASSERT_EQ(map == map_huge, !!(page_flags(ordinary + at) & KPF_THP));
	}
	ASSERT_EQ(0, count_on_slow_node(p, LEN) + count_on_slow_node(ordinary, LEN));

	demoted = vm_counter("pgdemote_direct");
	for (long end = 0; (resident(p) > PAGES / 32 ||
			    count_on_slow_node(ordinary, LEN) < PAGES / 2) && may_retry(&end);) {
		EXPECT_EQ(0, count_on_slow_node(p, LEN));
		drain_lists();
		reclaim_cgroup(CGROUP, LEN);
	}
	demoted = vm_counter("pgdemote_direct") - demoted;
	EXPECT_LT(PAGES / 4, demoted);
	/* A page that is demoted may be dropped from the slow node at once. */
	EXPECT_GT(PAGES * 5 / 4, demoted);
	EXPECT_LE(PAGES / 2, count_on_slow_node(ordinary, LEN));
	EXPECT_EQ(0, count_on_slow_node(p, LEN));
	EXPECT_GE(PAGES / 32, resident(p));
	EXPECT_LE(PAGES * 15 / 16, count_dropped(p, LEN));
	munmap(p, LEN);
	munmap(ordinary, LEN);
	leave_cgroup(CGROUP);
	write_to_file(DEMOTION, "0");
}

TEST(pages_are_dropped_not_demoted)
{
	demote(_metadata, map_pages);
}

TEST(huge_pages_are_dropped_not_demoted)
{
	demote(_metadata, map_huge);
}

TEST_HARNESS_MAIN
