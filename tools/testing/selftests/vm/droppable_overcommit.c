// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE reserves no memory, even with vm.overcommit_memory=2. The kernel then
 * ignores MAP_NORESERVE, and charges each private page that is or becomes writable.
 * These tests are not in droppable.c because they change a setting of the machine.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "droppable_util.h"

#define OVERCOMMIT	"/proc/sys/vm/overcommit_memory"

static void *map(int type, int prot, size_t len)
{
	return mmap(NULL, len, prot, type | MAP_ANONYMOUS, -1, 0);
}

FIXTURE(never_overcommit) {
	size_t limit;
};

FIXTURE_SETUP(never_overcommit)
{
	if (!change_setting(OVERCOMMIT, 2))
		SKIP_ALL("%s: %s", OVERCOMMIT, strerror(errno));
	self->limit = file_number("/proc/meminfo", "CommitLimit:", NULL) * 1024;
}

FIXTURE_TEARDOWN(never_overcommit)
{
	ASSERT_TRUE(restore_settings());
}

TEST_F(never_overcommit, mmap_reserves_nothing)
{
	EXPECT_ERROR(ENOMEM, map(MAP_PRIVATE | MAP_NORESERVE, PROT_READ | PROT_WRITE,
				 self->limit));
	EXPECT_NE(MAP_FAILED, map(MAP_DROPPABLE, PROT_READ | PROT_WRITE, self->limit));
}

TEST_F(never_overcommit, mprotect_reserves_nothing)
{
	void *p = map(MAP_PRIVATE, PROT_NONE, self->limit);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_ERROR(ENOMEM, mprotect(p, self->limit, PROT_READ | PROT_WRITE));
	p = map(MAP_DROPPABLE, PROT_NONE, self->limit);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, mprotect(p, self->limit, PROT_READ | PROT_WRITE));
	EXPECT_FALSE(smaps_flag(p, " ac"));
}

TEST_F(never_overcommit, mremap_reserves_nothing)
{
	EXPECT_ERROR(ENOMEM, mremap(map_pages(MAP_PRIVATE, page), page, self->limit,
				    MREMAP_MAYMOVE));
	EXPECT_NE(MAP_FAILED, mremap(map_pages(MAP_DROPPABLE, page), page, self->limit,
				     MREMAP_MAYMOVE));
}

TEST_HARNESS_MAIN
