// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: memory that the kernel may zero, but never swaps, dumps or copies to
 * a child. This file tests the mapping: creating it, the flags and advice that it
 * refuses, and that it stays droppable. droppable_mlock.c tests locking,
 * droppable_reclaim.c and droppable_move.c test the pages.
 *
 * Linux 6.11 and later have the same rules, so these tests pass there too.
 */
#define _GNU_SOURCE
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67
#endif

#define PAGES		64
/* More than the machine's memory: mmap() fails unless it reserves nothing. */
#define TOO_LARGE	(16UL << 40)

#define LEN		(PAGES * page)

static void *try_map(int flags, int fd)
{
	return mmap(NULL, LEN, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static bool mmap_fails_with(int expected_errno, int flags, int fd)
{
	void *p = try_map(flags, fd);

	if (p == MAP_FAILED)
		return errno == expected_errno;
	munmap(p, LEN);
	return false;
}

FIXTURE(droppable) {
	uint8_t *p;
};

FIXTURE_SETUP(droppable)
{
	self->p = try_map(MAP_DROPPABLE | MAP_ANONYMOUS, -1);
	if (self->p == MAP_FAILED && errno != ENOMEM)
		SKIP_ALL("this kernel has no MAP_DROPPABLE: %s", strerror(errno));
	ASSERT_NE(MAP_FAILED, self->p);
	memset(self->p, 0x5a, LEN);
}

FIXTURE_TEARDOWN(droppable)
{
	munmap(self->p, LEN);
}

TEST_F(droppable, holds_what_was_written_or_zeros)
{
	uint8_t *again = map_pages(MAP_DROPPABLE, LEN);

	EXPECT_TRUE(is_zero(again, LEN));
	for (size_t i = 0; i < LEN; i++)
		again[i] = i * 7;
	/* A page holds what was written, or zeros. */
	for (size_t i = 0; i < LEN; i++)
		if (again[i] != (uint8_t)(i * 7))
			EXPECT_EQ(0, again[i]);
}

TEST_F(droppable, mmap_refuses_conflicting_flags)
{
	const int base = MAP_DROPPABLE | MAP_ANONYMOUS;

	EXPECT_TRUE(mmap_fails_with(EINVAL, base | MAP_LOCKED, -1));
	EXPECT_TRUE(mmap_fails_with(EINVAL, base | MAP_HUGETLB, -1));
	EXPECT_TRUE(mmap_fails_with(EINVAL, base | MAP_GROWSDOWN, -1));
	EXPECT_TRUE(mmap_fails_with(EINVAL, base | MAP_PRIVATE, -1));
	EXPECT_TRUE(mmap_fails_with(EINVAL, base | MAP_SHARED, -1));
}

TEST_F(droppable, mmap_refuses_files)
{
	int fd = memfd_create("droppable", 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, LEN));
	EXPECT_TRUE(mmap_fails_with(EINVAL, MAP_DROPPABLE, fd));
}

TEST_F(droppable, mmap_accepts_compatible_flags)
{
	const int base = MAP_DROPPABLE | MAP_ANONYMOUS;
	uint8_t *p = try_map(base | MAP_POPULATE | MAP_NORESERVE | MAP_STACK, -1);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(smaps_flag(p, " dp"));
	EXPECT_EQ(p, mmap(p, LEN, PROT_READ, base | MAP_FIXED, -1, 0));
	EXPECT_ERROR(EEXIST, mmap(p, LEN, PROT_READ, base | MAP_FIXED_NOREPLACE, -1, 0));
}

TEST_F(droppable, reserves_no_memory)
{
	uint8_t *p;

	/* If vm.overcommit_memory is 1, any size succeeds. */
	if (file_number("/proc/sys/vm/overcommit_memory", "", NULL) == 0)
		EXPECT_EQ(MAP_FAILED, mmap(NULL, TOO_LARGE, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	p = mmap(NULL, TOO_LARGE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(smaps_flag(p, " nr"));
	/* Nor does mprotect() to writable, or growing, reserve memory. */
	EXPECT_EQ(0, mprotect(p, TOO_LARGE, PROT_NONE));
	EXPECT_EQ(0, mprotect(p, TOO_LARGE, PROT_READ | PROT_WRITE));
	EXPECT_FALSE(smaps_flag(p, " ac"));
	munmap(p, TOO_LARGE);
	p = mremap(self->p, LEN, TOO_LARGE, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, p);
	self->p = p;
	munmap(p + LEN, TOO_LARGE - LEN);
}

TEST_F(droppable, madvise_cannot_undo_wipeonfork_or_dontdump)
{
	EXPECT_ERROR(EINVAL, madvise(self->p, LEN, MADV_KEEPONFORK));
	EXPECT_ERROR(EINVAL, madvise(self->p, LEN, MADV_DODUMP));
	EXPECT_TRUE(smaps_flag(self->p, " wf"));
	EXPECT_TRUE(smaps_flag(self->p, " dd"));

	EXPECT_EQ(0, madvise(self->p, LEN, MADV_DONTDUMP));
	EXPECT_EQ(0, madvise(self->p, LEN, MADV_WIPEONFORK));
	EXPECT_EQ(0, madvise(self->p, LEN, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(self->p, LEN));
}

TEST_F(droppable, smaps_shows_dp)
{
	uint8_t *other = map_pages(MAP_PRIVATE, LEN);

	EXPECT_TRUE(smaps_flag(self->p, " dp"));
	EXPECT_FALSE(smaps_flag(other, " dp"));
}

static bool child_sees_zeros(const uint8_t *p, size_t n)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(!is_zero(p, n));
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

TEST_F(droppable, fork_wipes)
{
	int status;
	pid_t pid;

	memset(self->p, 0x5a, LEN);
	EXPECT_TRUE(child_sees_zeros(self->p, LEN));

	/* A grandchild gets zeros too, and the child's writes do not reach the parent. */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		memset(self->p, 0xa5, LEN);
		_exit(!child_sees_zeros(self->p, LEN) || self->p[0] == 0x5a);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	for (size_t i = 0; i < LEN; i++)
		if (self->p[i])
			ASSERT_EQ(0x5a, self->p[i]);
}

TEST_F(droppable, split_mapping_stays_droppable)
{
	ASSERT_EQ(0, mprotect(self->p + page, page, PROT_READ));
	for (size_t i = 0; i < 3; i++)
		EXPECT_TRUE(smaps_flag(self->p + i * page, " dp"));
	EXPECT_EQ(page / 1024, smaps_kb(self->p + page, "Size:"));
	ASSERT_EQ(0, munmap(self->p + 2 * page, page));
	EXPECT_TRUE(smaps_flag(self->p, " dp"));
	EXPECT_TRUE(smaps_flag(self->p + 3 * page, " dp"));
	/* With equal protection again, the two parts merge. */
	ASSERT_EQ(0, mprotect(self->p + page, page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(2 * page / 1024, smaps_kb(self->p, "Size:"));
	EXPECT_TRUE(child_sees_zeros(self->p, 2 * page));
}

TEST_F(droppable, grown_mapping_is_droppable)
{
	uint8_t *q = mremap(self->p, LEN, 2 * LEN, MREMAP_MAYMOVE);

	ASSERT_NE(MAP_FAILED, q);
	self->p = q;
	EXPECT_TRUE(smaps_flag(q, " dp"));
	EXPECT_TRUE(smaps_flag(q + 2 * LEN - 1, " dp"));
	memset(q, 0x5a, 2 * LEN);
	EXPECT_TRUE(child_sees_zeros(q, 2 * LEN));
}

TEST_F(droppable, moved_mapping_is_droppable)
{
	uint8_t *to = map_pages(MAP_PRIVATE, LEN), *old;

	/* It replaces an ordinary mapping, and stays droppable. */
	ASSERT_EQ(to, mremap(self->p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(smaps_flag(to, " dp"));
	EXPECT_TRUE(child_sees_zeros(to, LEN));

	/* With MREMAP_DONTUNMAP, the old range stays droppable too. */
	old = to;
	to = mremap(old, LEN, LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	ASSERT_NE(MAP_FAILED, to);
	self->p = to;
	EXPECT_TRUE(smaps_flag(to, " dp"));
	EXPECT_TRUE(smaps_flag(old, " dp"));
	EXPECT_TRUE(is_zero(old, LEN));
	memset(old, 0x5a, LEN);
	EXPECT_TRUE(child_sees_zeros(old, LEN));
}

/* Droppable and ordinary neighbours stay separate mappings. */
TEST_F(droppable, does_not_merge_with_ordinary_mapping)
{
	uint8_t *p = map_pages(MAP_PRIVATE, 5 * page);

	for (size_t at = page; at < 5 * page; at += 2 * page)
		ASSERT_EQ(p + at, mmap(p + at, page, PROT_READ | PROT_WRITE,
				       MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	/* Map the ordinary page in the middle after its neighbours. */
	ASSERT_EQ(p + 2 * page, mmap(p + 2 * page, page, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	/* Make all flags equal but VM_DROPPABLE. */
	EXPECT_EQ(0, madvise(p, 5 * page, MADV_WIPEONFORK));
	EXPECT_EQ(0, madvise(p, 5 * page, MADV_DONTDUMP));
	for (size_t i = 0; i < 5; i++) {
		EXPECT_EQ(i % 2, smaps_flag(p + i * page, " dp"));
		EXPECT_EQ(page / 1024, smaps_kb(p + i * page, "Size:"));
	}
}

TEST_F(droppable, reclaim_drops)
{
	long swapped = vm_counter("pswpout");
	size_t dropped = 0;

	ASSERT_EQ(0, madvise(self->p, LEN, MADV_PAGEOUT));
	EXPECT_EQ(0, smaps_kb(self->p, "Swap:"));
	for (size_t i = 0; i < LEN; i += page) {
		if (is_zero(self->p + i, page))
			dropped++;
		else
			EXPECT_EQ(0x5a, self->p[i]);
	}
	/* A few pages may be in a per-CPU list, where reclaim does not see them. */
	EXPECT_LE(PAGES * 3 / 4, dropped);
	/* Other processes may swap meanwhile, but hardly this much. */
	EXPECT_GT(PAGES, vm_counter("pswpout") - swapped);
}

static int register_range(int fd, void *p, uint64_t mode)
{
	struct uffdio_register reg = { .range = { (unsigned long)p, LEN }, .mode = mode };

	return ioctl(fd, UFFDIO_REGISTER, &reg) ? errno : 0;
}

/* A userfaultfd handler would choose the contents of a dropped page. */
TEST_F(droppable, userfaultfd_refuses_to_register_it)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	uint8_t *control = map_pages(MAP_PRIVATE, LEN);

	if (fd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	EXPECT_EQ(0, register_range(fd, control, UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_EQ(EINVAL, register_range(fd, self->p, UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_EQ(EINVAL, register_range(fd, self->p, UFFDIO_REGISTER_MODE_WP));
	EXPECT_EQ(EINVAL, register_range(fd, self->p, UFFDIO_REGISTER_MODE_MISSING |
					 UFFDIO_REGISTER_MODE_WP));
}

/* KSM would make its pages shared and swap backed. */
TEST_F(droppable, ksm_does_not_mark_it_mergeable)
{
	uint8_t *control = map_pages(MAP_PRIVATE, LEN);

	if (madvise(control, LEN, MADV_MERGEABLE))
		SKIP(return, "this kernel has no KSM: %s", strerror(errno));
	EXPECT_TRUE(smaps_flag(control, " mg"));
	EXPECT_EQ(0, madvise(self->p, LEN, MADV_MERGEABLE));
	EXPECT_FALSE(smaps_flag(self->p, " mg"));

	/* Linux 6.4 and later can make all memory of a process mergeable, now and later. */
	if (prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0)) {
		EXPECT_TRUE(errno == EINVAL || errno == EPERM);
		return;
	}
	EXPECT_FALSE(smaps_flag(self->p, " mg"));
	EXPECT_FALSE(smaps_flag(map_pages(MAP_DROPPABLE, LEN), " mg"));
	prctl(PR_SET_MEMORY_MERGE, 0, 0, 0, 0);
}

static bool file_contains(const char *name, const char *pattern, size_t n)
{
	struct stat st;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	void *text, *found;

	if (fd < 0 || fstat(fd, &st))
		return false;
	text = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (text == MAP_FAILED)
		return false;
	found = memmem(text, st.st_size, pattern, n);
	munmap(text, st.st_size);
	return found;
}

/* Computed, so that the program's text and data do not contain the patterns. */
static void make_pattern(char *pattern, size_t n, unsigned int step)
{
	for (size_t i = 0; i < n; i++)
		pattern[i] = 'A' + (i * step + i / 7) % 50;
}

TEST_F(droppable, core_dump_omits_it)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	char dir[] = "/tmp/droppable.XXXXXX", pattern[64] = "", name[256];
	uint8_t *control = map_pages(MAP_PRIVATE, LEN);
	int status;
	pid_t pid;

	if (!file_line("/proc/sys/kernel/core_pattern", "", NULL, name, sizeof(name)) ||
	    strcmp(name, "core\n"))
		SKIP(return, "kernel.core_pattern must be 'core', but is %s", name);
	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, chdir(dir));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &all);
		make_pattern((char *)self->p, sizeof(pattern), 11);
		make_pattern((char *)control, sizeof(pattern), 17);
		signal(SIGQUIT, SIG_DFL);
		raise(SIGQUIT);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	if (!WCOREDUMP(status))
		SKIP(return, "the kernel wrote no core dump");
	if (access("core", F_OK)) {
		snprintf(name, sizeof(name), "core.%d", pid);
		ASSERT_EQ(0, rename(name, "core"));
	}
	make_pattern(pattern, sizeof(pattern), 17);
	EXPECT_TRUE(file_contains("core", pattern, sizeof(pattern)));
	make_pattern(pattern, sizeof(pattern), 11);
	EXPECT_FALSE(file_contains("core", pattern, sizeof(pattern)));
	unlink("core");
	rmdir(dir);
}

TEST_HARNESS_MAIN
