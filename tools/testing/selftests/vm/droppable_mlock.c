// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE and locked memory. The kernel cannot drop a locked page, so it never
 * locks droppable memory. But droppable memory belongs to libraries, in programs that
 * may lock all of their memory. So mlock() and mlockall() succeed, skip droppable
 * memory, and do not charge it to RLIMIT_MEMLOCK.
 */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"

#define SIZE		(8UL << 20)
#define LIMIT		(64UL << 10)
#define NOBODY		65534

static long locked_kb(void)
{
	return file_number("/proc/self/status", "VmLck:", NULL);
}

/*
 * Limit locked memory to @bytes. Drops root, which ignores the limit; fails if it
 * cannot set the limit or drop root.
 */
static bool limit_locked(size_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	return !setrlimit(RLIMIT_MEMLOCK, &limit) && (getuid() || !setuid(NOBODY));
}

/*
 * Linux 6.11 and later check the limit before they exclude droppable memory, and fail
 * with @error: then skip the test.
 */
static void skip_if_charged(struct __test_metadata *_metadata, bool refused, int error)
{
	if (!refused)
		return;
	EXPECT_EQ(error, errno);
	ASSERT_TRUE(kernel_is_at_least(6, 2));
	SKIP_ALL("Linux 6.11 and later charge droppable memory here");
}

FIXTURE(mlock) {
	uint8_t *p, *ordinary;
};

FIXTURE_SETUP(mlock)
{
	self->p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	if (self->p == MAP_FAILED)
		SKIP_ALL("this kernel has no MAP_DROPPABLE: %s", strerror(errno));
	fill_pages(self->p, SIZE);
	self->ordinary = map_pages(MAP_PRIVATE, LIMIT / 2);
}

FIXTURE_TEARDOWN(mlock)
{
	munmap(self->p, SIZE);
}

TEST_F(mlock, mlock_does_not_lock)
{
	size_t size = LIMIT / 2;
	long before = locked_kb();

	EXPECT_EQ(0, mlock(self->p, size));
	EXPECT_EQ(0, mlock2(self->p, size, MLOCK_ONFAULT));
	EXPECT_FALSE(smaps_flag(self->p, " lo"));
	EXPECT_FALSE(smaps_flag(self->p, " lf"));
	EXPECT_EQ(0, smaps_kb(self->p, "Locked:"));
	EXPECT_EQ(before, locked_kb());
	EXPECT_EQ(0, munlock(self->p, size));
	/* Ordinary memory is locked. */
	EXPECT_EQ(0, mlock(self->ordinary, size));
	EXPECT_TRUE(smaps_flag(self->ordinary, " lo"));
	EXPECT_EQ(before + (long)size / 1024, locked_kb());
}

TEST_F(mlock, mlocked_range_is_dropped)
{
	size_t size = LIMIT / 2;
	long dropped = 0;

	EXPECT_EQ(0, mlock(self->p, size));
	/* A few pages may be in a per-CPU list, where reclaim does not see them. */
	for (int i = 0; i < 10 && dropped < (long)(size / page / 2); i++) {
		EXPECT_EQ(0, madvise(self->p, size, MADV_PAGEOUT));
		dropped = count_dropped(self->p, size);
	}
	EXPECT_LE((long)(size / page / 2), dropped);
}

TEST_F(mlock, mlockall_does_not_lock)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	uint8_t *later;

	/* The limit must have room for all memory of the program. */
	if (setrlimit(RLIMIT_MEMLOCK, &all))
		SKIP(return, "RLIMIT_MEMLOCK cannot be raised (needs CAP_SYS_RESOURCE): %s",
		     strerror(errno));
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	EXPECT_FALSE(smaps_flag(self->p, " lo"));
	EXPECT_TRUE(smaps_flag(self->ordinary, " lo"));
	later = map_pages(MAP_DROPPABLE, SIZE);
	EXPECT_FALSE(smaps_flag(later, " lo"));
	EXPECT_EQ(0, smaps_kb(later, "Locked:"));
	EXPECT_TRUE(smaps_flag(map_pages(MAP_PRIVATE, SIZE), " lo"));
	EXPECT_EQ(0, munlockall());
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	EXPECT_FALSE(smaps_flag(self->p, " lf"));
	EXPECT_FALSE(smaps_flag(map_pages(MAP_DROPPABLE, SIZE), " lf"));
	EXPECT_EQ(0, munlockall());
}

/* The program locks all future mappings; then a library maps droppable memory. */
TEST_F(mlock, mlockall_future_does_not_charge_the_limit)
{
	uint8_t *later;

	ASSERT_TRUE(limit_locked(LIMIT));
	ASSERT_EQ(0, mlockall(MCL_FUTURE));
	EXPECT_ERROR(EAGAIN, mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	later = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	skip_if_charged(_metadata, later == MAP_FAILED, EAGAIN);
	EXPECT_NE(MAP_FAILED, mremap(later, SIZE, 2 * SIZE, MREMAP_MAYMOVE));
	EXPECT_EQ(0, locked_kb());
}

TEST_F(mlock, mlock_does_not_charge_the_limit)
{
	ASSERT_TRUE(limit_locked(LIMIT));
	EXPECT_ERROR(ENOMEM, mlock(map_pages(MAP_PRIVATE, SIZE), SIZE));
	skip_if_charged(_metadata, mlock(self->p, SIZE), ENOMEM);
	EXPECT_EQ(0, mlock2(self->p, SIZE, MLOCK_ONFAULT));
	EXPECT_EQ(0, locked_kb());
}

/* The range holds droppable and ordinary memory. */
TEST_F(mlock, mlock_charges_only_the_ordinary_part)
{
	uint8_t *p = self->p, *both = p + SIZE / 2;

	ASSERT_EQ(both, mmap(both, LIMIT, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_TRUE(limit_locked(LIMIT));
	skip_if_charged(_metadata, mlock(p, SIZE), ENOMEM);
	EXPECT_EQ((long)LIMIT / 1024, locked_kb());
	EXPECT_FALSE(smaps_flag(p, " lo"));
	EXPECT_TRUE(smaps_flag(both, " lo"));
	EXPECT_FALSE(smaps_flag(both + LIMIT, " lo"));
	/* The limit is reached: not one more page can be locked. */
	EXPECT_ERROR(ENOMEM, mlock(self->ordinary, page));
}

/* The limit has room for all ordinary memory, but not for the droppable as well. */
TEST_F(mlock, mlockall_current_does_not_charge_the_limit)
{
	size_t all = file_number("/proc/self/status", "VmSize:", NULL) * 1024;

	ASSERT_TRUE(limit_locked(all - SIZE / 2));
	skip_if_charged(_metadata, mlockall(MCL_CURRENT), ENOMEM);
	EXPECT_FALSE(smaps_flag(self->p, " lo"));
	EXPECT_TRUE(smaps_flag(self->ordinary, " lo"));
	EXPECT_EQ(0, munlockall());
	/* With more ordinary memory, the limit is too low. */
	map_pages(MAP_PRIVATE, SIZE);
	EXPECT_ERROR(ENOMEM, mlockall(MCL_CURRENT));
}

TEST_HARNESS_MAIN
