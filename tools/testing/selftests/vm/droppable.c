// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP_DROPPABLE: memory that may become zeros, and never goes anywhere else.
 *
 * The rules are those of Linux 6.11 and later too, and this passes there as well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define PAGES	64

static size_t len;

static void *map(int flags, int fd)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
}

/* @errno_wanted for a mapping that must be refused. */
static bool refused(int flags, int fd, int errno_wanted)
{
	void *p = map(flags, fd);

	if (p == MAP_FAILED)
		return errno == errno_wanted;
	munmap(p, len);
	return false;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

/* A line of a file in /proc that starts with @key; of smaps, @p's mapping's. */
static bool proc_line(const char *file, const char *key, const void *p, char *line, int size)
{
	unsigned long start, end;
	FILE *f = fopen(file, "re");
	bool here = !p;

	while (f && fgets(line, size, f)) {
		if (p && sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (unsigned long)p >= start && (unsigned long)p < end;
		if (here && !strncmp(line, key, strlen(key))) {
			fclose(f);
			return true;
		}
	}
	if (f)
		fclose(f);
	return false;
}

static long proc_number(const char *file, const char *key, const void *p)
{
	char line[512];

	return proc_line(file, key, p, line, sizeof(line)) ? atol(line + strlen(key)) : -1;
}

/* A two-letter flag, after VmFlags: in smaps. */
static bool has_vm_flag(const void *p, const char *flag)
{
	char line[512];

	return proc_line("/proc/self/smaps", "VmFlags:", p, line, sizeof(line)) &&
	       strstr(line + strlen("VmFlags:"), flag);
}

FIXTURE(droppable) {
	uint8_t *p;
};

FIXTURE_SETUP(droppable)
{
	len = PAGES * getpagesize();
	self->p = map(MAP_DROPPABLE | MAP_ANONYMOUS, -1);
	if (self->p == MAP_FAILED && errno != ENOMEM)
		SKIP(return, "this kernel has no MAP_DROPPABLE: %s",
		     strerror(errno));
	ASSERT_NE(MAP_FAILED, self->p);
	memset(self->p, 0x5a, len);
}

FIXTURE_TEARDOWN(droppable)
{
	munmap(self->p, len);
}

TEST_F(droppable, is_memory)
{
	uint8_t *again = map(MAP_DROPPABLE | MAP_ANONYMOUS, -1);

	ASSERT_NE(MAP_FAILED, again);
	EXPECT_TRUE(is_zero(again, len));
	for (size_t i = 0; i < len; i++)
		again[i] = i * 7;
	/* A page is what was written, or zeros. */
	for (size_t i = 0; i < len; i++)
		if (again[i] != (uint8_t)(i * 7))
			EXPECT_EQ(0, again[i]);
	EXPECT_EQ(0, munmap(again, len));
}

TEST_F(droppable, mmap_refuses_what_contradicts_it)
{
	const int base = MAP_DROPPABLE | MAP_ANONYMOUS;

	EXPECT_TRUE(refused(base | MAP_LOCKED, -1, EINVAL));
	EXPECT_TRUE(refused(base | MAP_HUGETLB, -1, EINVAL));
	EXPECT_TRUE(refused(base | MAP_GROWSDOWN, -1, EINVAL));
	EXPECT_TRUE(refused(base | MAP_PRIVATE, -1, EINVAL));
	EXPECT_TRUE(refused(base | MAP_SHARED, -1, EINVAL));
}

TEST_F(droppable, mmap_refuses_files)
{
	int fd = memfd_create("droppable", 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, len));
	EXPECT_TRUE(refused(MAP_DROPPABLE, fd, EINVAL));
	close(fd);
}

TEST_F(droppable, madvise_cannot_lift_the_rules)
{
	EXPECT_EQ(-1, madvise(self->p, len, MADV_KEEPONFORK));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, madvise(self->p, len, MADV_DODUMP));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(has_vm_flag(self->p, " wf"));
	EXPECT_TRUE(has_vm_flag(self->p, " dd"));

	EXPECT_EQ(0, madvise(self->p, len, MADV_DONTDUMP));
	EXPECT_EQ(0, madvise(self->p, len, MADV_WIPEONFORK));
	EXPECT_EQ(0, madvise(self->p, len, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(self->p, len));
}

/* Callers are libraries: a program that locks all its memory must go on working. */
TEST_F(droppable, mlock_does_not_lock)
{
	long before = proc_number("/proc/self/status", "VmLck:", NULL);

	EXPECT_EQ(0, mlock(self->p, len));
	EXPECT_EQ(0, mlock2(self->p, len, MLOCK_ONFAULT));
	EXPECT_FALSE(has_vm_flag(self->p, " lo"));
	EXPECT_EQ(0, proc_number("/proc/self/smaps", "Locked:", self->p));
	EXPECT_EQ(before, proc_number("/proc/self/status", "VmLck:", NULL));
	EXPECT_EQ(0, munlock(self->p, len));
}

TEST_F(droppable, mlockall_does_not_lock)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	uint8_t *later;

	/* The harness' own memory has to fit. */
	if (setrlimit(RLIMIT_MEMLOCK, &all))
		SKIP(return, "RLIMIT_MEMLOCK cannot be raised (needs CAP_SYS_RESOURCE): %s",
		     strerror(errno));
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	EXPECT_FALSE(has_vm_flag(self->p, " lo"));
	later = map(MAP_DROPPABLE | MAP_ANONYMOUS, -1);
	EXPECT_NE(MAP_FAILED, later);
	EXPECT_FALSE(has_vm_flag(later, " lo"));
	EXPECT_EQ(0, proc_number("/proc/self/smaps", "Locked:", later));
	EXPECT_EQ(0, munlockall());
}

TEST_F(droppable, smaps_says_dp)
{
	uint8_t *other = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	EXPECT_TRUE(has_vm_flag(self->p, " dp"));
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_FALSE(has_vm_flag(other, " dp"));
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
	uint8_t *copy = malloc(len);
	int status;
	pid_t pid;

	ASSERT_NE(NULL, copy);
	memset(self->p, 0x5a, len);
	EXPECT_TRUE(child_sees_zeros(self->p, len));

	/* And in the second generation; what the child writes stays in it. */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		memset(self->p, 0xa5, len);
		_exit(!child_sees_zeros(self->p, len) || self->p[0] == 0x5a);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	for (size_t i = 0; i < len; i++)
		if (self->p[i])
			ASSERT_EQ(0x5a, self->p[i]);
	free(copy);
}

/* Parts of the mapping, and the mapping elsewhere, are the same kind of memory. */
TEST_F(droppable, stays_what_it_is)
{
	size_t page = getpagesize();
	uint8_t *q;

	ASSERT_EQ(0, mprotect(self->p + page, page, PROT_READ));
	for (size_t i = 0; i < 3; i++)
		EXPECT_TRUE(has_vm_flag(self->p + i * page, " dp"));
	ASSERT_EQ(0, mprotect(self->p + page, page, PROT_READ | PROT_WRITE));
	q = mremap(self->p, len, 2 * len, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_TRUE(has_vm_flag(q, " dp"));
	EXPECT_TRUE(has_vm_flag(q + 2 * len - 1, " dp"));
	memset(q, 0x5a, 2 * len);
	EXPECT_TRUE(child_sees_zeros(q, 2 * len));
	self->p = q;
	munmap(q + len, len);
}

/* An ordinary neighbour does not become part of it, nor it of the neighbour. */
TEST_F(droppable, does_not_merge)
{
	size_t page = getpagesize();
	uint8_t *p = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(p + page, mmap(p + page, page, PROT_READ | PROT_WRITE,
				 MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_FALSE(has_vm_flag(p, " dp"));
	EXPECT_TRUE(has_vm_flag(p + page, " dp"));
	EXPECT_FALSE(has_vm_flag(p + 2 * page, " dp"));
	EXPECT_EQ(page / 1024, proc_number("/proc/self/smaps", "Size:", p + page));
}

TEST_F(droppable, reclaim_drops)
{
	long swapped = proc_number("/proc/vmstat", "pswpout ", NULL);
	size_t dropped = 0;

	ASSERT_EQ(0, madvise(self->p, len, MADV_PAGEOUT));
	EXPECT_EQ(0, proc_number("/proc/self/smaps", "Swap:", self->p));
	for (size_t i = 0; i < len; i += getpagesize()) {
		if (is_zero(self->p + i, getpagesize()))
			dropped++;
		else
			EXPECT_EQ(0x5a, self->p[i]);
	}
	/* One page or another may be in use for a moment, in a per-CPU list. */
	EXPECT_LE(PAGES * 3 / 4, dropped);
	/* Others may swap meanwhile, but not this much at this moment. */
	EXPECT_GT(PAGES, proc_number("/proc/vmstat", "pswpout ", NULL) - swapped);
}

/* Who handles the faults of a page would decide what is in it. */
TEST_F(droppable, userfaultfd_refuses)
{
	struct uffdio_register reg = {
		.range = { (unsigned long)self->p, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	EXPECT_EQ(-1, ioctl(fd, UFFDIO_REGISTER, &reg));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
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

/* Made here, so that the program's own text and data do not contain them. */
static void make_pattern(char *pattern, size_t n, unsigned int step)
{
	for (size_t i = 0; i < n; i++)
		pattern[i] = 'A' + (i * step + i / 7) % 50;
}

TEST_F(droppable, core_dump_leaves_it_out)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	char dir[] = "/tmp/droppable.XXXXXX", pattern[64] = "", how[256];
	uint8_t *control = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int status;
	pid_t pid;

	if (!proc_line("/proc/sys/kernel/core_pattern", "", NULL, how, sizeof(how)) ||
	    strcmp(how, "core\n"))
		SKIP(return, "core dumps do not go to a file named core, but to %s", how);
	ASSERT_NE(MAP_FAILED, control);
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
		SKIP(return, "no core was dumped");
	if (access("core", F_OK)) {
		snprintf(how, sizeof(how), "core.%d", pid);
		ASSERT_EQ(0, rename(how, "core"));
	}
	make_pattern(pattern, sizeof(pattern), 17);
	EXPECT_TRUE(file_contains("core", pattern, sizeof(pattern)));
	make_pattern(pattern, sizeof(pattern), 11);
	EXPECT_FALSE(file_contains("core", pattern, sizeof(pattern)));
	unlink("core");
	rmdir(dir);
}

TEST_HARNESS_MAIN
