// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE and locked memory. A page that is locked could not be dropped, so
 * droppable memory never is. But callers are libraries, whose users may have locked
 * all of their memory or be about to: each call succeeds, and droppable memory does
 * not count for it.
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
 * Lock at most @bytes from now on. Fails if the limit cannot be set or this
 * process stays above all limits.
 */
static bool limit_locked(size_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	return !setrlimit(RLIMIT_MEMLOCK, &limit) && (getuid() || !setuid(NOBODY));
}

/*
 * Linux 6.11 and later look at the limit before they look at what is to be locked,
 * and refuse: then errno is @error.
 */
static void skip_if_counted(struct __test_metadata *_metadata, bool refused, int error)
{
	if (!refused)
		return;
	EXPECT_EQ(error, errno);
	ASSERT_TRUE(kernel_since(6, 2));
	SKIP_ALL("Linux 6.11 and later count droppable memory here");
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
	/* That ordinary memory is. */
	EXPECT_EQ(0, mlock(self->ordinary, size));
	EXPECT_TRUE(smaps_flag(self->ordinary, " lo"));
	EXPECT_EQ(before + (long)size / 1024, locked_kb());
}

TEST_F(mlock, what_was_locked_is_dropped)
{
	size_t size = LIMIT / 2;
	long dropped = 0;

	EXPECT_EQ(0, mlock(self->p, size));
	/* One page or another may be in use for a moment, in a per-CPU list. */
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

	/* The program's own memory has to fit. */
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

/* The program locks all that it will map; then a library maps states. */
TEST_F(mlock, mlockall_future_does_not_count)
{
	uint8_t *later;

	ASSERT_TRUE(limit_locked(LIMIT));
	ASSERT_EQ(0, mlockall(MCL_FUTURE));
	EXPECT_ERROR(EAGAIN, mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	later = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	skip_if_counted(_metadata, later == MAP_FAILED, EAGAIN);
	EXPECT_NE(MAP_FAILED, mremap(later, SIZE, 2 * SIZE, MREMAP_MAYMOVE));
	EXPECT_EQ(0, locked_kb());
}

TEST_F(mlock, mlock_does_not_count)
{
	ASSERT_TRUE(limit_locked(LIMIT));
	EXPECT_ERROR(ENOMEM, mlock(map_pages(MAP_PRIVATE, SIZE), SIZE));
	skip_if_counted(_metadata, mlock(self->p, SIZE), ENOMEM);
	EXPECT_EQ(0, mlock2(self->p, SIZE, MLOCK_ONFAULT));
	EXPECT_EQ(0, locked_kb());
}

/* Of a range with both, the ordinary part counts. */
TEST_F(mlock, mlock_counts_the_ordinary_part)
{
	uint8_t *p = self->p, *both = p + SIZE / 2;

	ASSERT_EQ(both, mmap(both, LIMIT, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_TRUE(limit_locked(LIMIT));
	skip_if_counted(_metadata, mlock(p, SIZE), ENOMEM);
	EXPECT_EQ((long)LIMIT / 1024, locked_kb());
	EXPECT_FALSE(smaps_flag(p, " lo"));
	EXPECT_TRUE(smaps_flag(both, " lo"));
	EXPECT_FALSE(smaps_flag(both + LIMIT, " lo"));
	/* There is no room for a page more. */
	EXPECT_ERROR(ENOMEM, mlock(self->ordinary, page));
}

/* A limit that the ordinary memory fits into, but not with the droppable one. */
TEST_F(mlock, mlockall_current_does_not_count)
{
	size_t all = file_number("/proc/self/status", "VmSize:", NULL) * 1024;

	ASSERT_TRUE(limit_locked(all - SIZE / 2));
	skip_if_counted(_metadata, mlockall(MCL_CURRENT), ENOMEM);
	EXPECT_FALSE(smaps_flag(self->p, " lo"));
	EXPECT_TRUE(smaps_flag(self->ordinary, " lo"));
	EXPECT_EQ(0, munlockall());
	/* And do not fit if there is more of them. */
	map_pages(MAP_PRIVATE, SIZE);
	EXPECT_ERROR(ENOMEM, mlockall(MCL_CURRENT));
}

TEST_HARNESS_MAIN
