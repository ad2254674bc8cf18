// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: debuggers, pipes, disks and io_uring access its pages. Their writes
 * arrive. A page that they pin stays in place and droppable, and reclaim drops it once
 * it is released. A hardware memory error drops the page, and raises no SIGBUS.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"

#ifndef MADV_HWPOISON
#define MADV_HWPOISON		100
#endif
#define KPF_HWPOISON		KPF(19)

#define PAGES			64
#define LEN			(PAGES * page)
#define CGROUP			"droppable_access"
#define ZRAM_CONTROL		"/sys/class/zram-control/"

static __attribute__((constructor)) void pin_program(void)
{
	pin_to_cpu(0);
}

/* A tracer writes, the tracee checks. */

/* States of the pages written to: READ_ONCE maps the zero page, UNTOUCHED nothing. */
enum { PRESENT, DROPPED, READ_ONCE, UNTOUCHED, STATES };

static uint8_t *part(uint8_t *p, int state)
{
	return p + state * LEN / 4;
}

/*
 * Exit status: 2 if pages cannot be dropped before the writes. Afterwards, for the first state
 * with an error, its number plus 10 if its pages are not all present and droppable, plus 20 if
 * they do not hold what was written, or plus 30 if reclaim does not drop them.
 */
static void run_tracee(uint8_t *p)
{
	memset(part(p, DROPPED), 0x5a, LEN / 4);
	if (!pageout_until(part(p, DROPPED), LEN / 4, 0))
		_exit(2);
	memset(part(p, PRESENT), 0x5a, LEN / 4);
	count_dropped(part(p, READ_ONCE), LEN / 4);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (int i = 0; i < STATES; i++) {
		if (count_droppable(part(p, i), LEN / 4) != PAGES / 4)
			_exit(10 + i);
		if (count_dropped(part(p, i), LEN / 4))
			_exit(20 + i);
		if (*check_droppable(part(p, i), LEN / 4, PAGES / 4))
			_exit(30 + i);
	}
	_exit(0);
}

static bool by_process_vm(pid_t pid, uint8_t *to, const uint8_t *from, size_t n)
{
	struct iovec local = { (void *)from, n }, remote = { to, n };

	return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)n;
}

static bool by_poke(pid_t pid, uint8_t *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i += sizeof(long))
		if (ptrace(PTRACE_POKEDATA, pid, to + i, *(const long *)(from + i)))
			return false;
	return true;
}

static bool by_proc_mem(pid_t pid, uint8_t *to, const uint8_t *from, size_t n)
{
	char name[32];
	ssize_t done;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	done = pwrite(fd, from, n, (off_t)to);
	close(fd);
	return done == (ssize_t)n;
}

static void write_to_tracee(struct __test_metadata *_metadata,
			    bool (*write_by)(pid_t pid, uint8_t *to, const uint8_t *from,
					     size_t n))
{
	uint8_t *p = map_pages(MAP_DROPPABLE, LEN), *text = map_pages(MAP_PRIVATE, LEN / 4);
	int status;
	pid_t pid;

	fill_pages(text, LEN / 4);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		run_tracee(p);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	for (int i = 0; i < STATES; i++)
		EXPECT_TRUE(write_by(pid, part(p, i), text, LEN / 4));
	EXPECT_EQ(0, ptrace(PTRACE_DETACH, pid, 0, 0));
	/* Unmap this copy of the pattern: the kernel may swap ordinary memory. */
	munmap(text, LEN / 4);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST(process_vm_writev_writes_droppable_pages)
{
	write_to_tracee(_metadata, by_process_vm);
}

TEST(ptrace_writes_droppable_pages)
{
	write_to_tracee(_metadata, by_poke);
}

TEST(proc_mem_writes_droppable_pages)
{
	write_to_tracee(_metadata, by_proc_mem);
}

/* References to pages. */

FIXTURE(held) {
	uint8_t *p;
};

FIXTURE_SETUP(held)
{
	ASSERT_TRUE(enter_cgroup(CGROUP, "max"));
	self->p = map_pages(MAP_DROPPABLE, LEN);
	fill_pages(self->p, LEN);
}

FIXTURE_TEARDOWN(held)
{
	munmap(self->p, LEN);
	leave_cgroup(CGROUP);
}

static uint64_t sum_of_frames(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;

	for (size_t at = 0; at < n; at += page)
		sum = sum * 31 + page_frame(p + at);
	return sum;
}

/* MADV_PAGEOUT and cgroup reclaim keep the contents and the frames of pages. */
static void expect_kept(struct __test_metadata *_metadata, uint8_t *p, size_t n)
{
	uint64_t frames = sum_of_frames(p, n);

	/* The pages hold the pattern, not new zeros. */
	ASSERT_EQ(0, count_dropped(p, n));
	for (int i = 0; i < 3; i++) {
		drain_lists();
		ASSERT_EQ(0, madvise(p, n, MADV_PAGEOUT));
		reclaim_cgroup(CGROUP, 2 * n);
	}
	EXPECT_EQ(n / page, count_droppable(p, n));
	EXPECT_EQ(0, count_dropped(p, n));
	EXPECT_EQ(frames, sum_of_frames(p, n));
	EXPECT_EQ(0, found_on_swap());
}

static int io_uring_with_buffer(void *p, size_t size)
{
	struct io_uring_params params = { 0 };
	struct iovec buffer = { p, size };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	if (ring >= 0 &&
	    syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1)) {
		close(ring);
		return -1;
	}
	return ring;
}

TEST_F(held, registered_buffers_stay_until_unregistered)
{
	int ring = io_uring_with_buffer(self->p, LEN);

	ASSERT_LE(0, ring);
	expect_kept(_metadata, self->p, LEN);
	ASSERT_EQ(0, syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

/* Registering faults the pages in, and they stay. */
TEST_F(held, buffers_registered_before_first_touch_stay)
{
	int ring;

	ASSERT_EQ(0, madvise(self->p, LEN, MADV_DONTNEED));
	ring = io_uring_with_buffer(self->p, LEN);
	ASSERT_LE(0, ring);
	EXPECT_EQ(PAGES, count_droppable(self->p, LEN));
	EXPECT_EQ(PAGES, count_dropped(self->p, LEN));
	fill_pages(self->p, LEN);
	expect_kept(_metadata, self->p, LEN);
	close(ring);
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
}

TEST_F(held, a_huge_page_with_one_page_registered_stays)
{
	uint8_t *p = map_huge(MAP_DROPPABLE, HUGE_SIZE);
	int ring;

	fill_pages(p, HUGE_SIZE);
	ASSERT_TRUE(page_flags(p) & KPF_THP);
	ASSERT_EQ(0, madvise(p, HUGE_SIZE, MADV_NOHUGEPAGE));
	ring = io_uring_with_buffer(p + 5 * page, page);
	ASSERT_LE(0, ring);
	expect_kept(_metadata, p, HUGE_SIZE);
	ASSERT_EQ(0, syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	EXPECT_STREQ("", check_droppable(p, HUGE_SIZE, HUGE_SIZE / page));
}

TEST_F(held, pages_in_a_pipe_stay_until_read)
{
	const size_t n = 8 * page;
	uint8_t *read_back = map_pages(MAP_DROPPABLE, n);
	int ends[2];

	ASSERT_TRUE(hold_pages(ends, self->p, n));
	expect_kept(_metadata, self->p, n);
	ASSERT_EQ(n, read(ends[0], read_back, n));
	EXPECT_EQ(0, count_dropped(read_back, n));
	close(ends[0]);
	close(ends[1]);
	EXPECT_STREQ("", check_droppable(self->p, n, n / page));
}

/* The pipe holds the last reference: reading returns the old contents. */
TEST_F(held, pages_given_to_a_pipe_outlive_the_mapping)
{
	const size_t n = 8 * page;
	struct iovec iov = { self->p, n };
	uint8_t *read_back = map_pages(MAP_DROPPABLE, n);
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(n, vmsplice(ends[1], &iov, 1, SPLICE_F_GIFT));
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_DONTNEED));
	drain_lists();
	reclaim_cgroup(CGROUP, 2 * LEN);
	EXPECT_EQ(0, found_on_swap());
	ASSERT_EQ(n, read(ends[0], read_back, n));
	EXPECT_EQ(0, count_dropped(read_back, n));
}

/* Disks. */

/* A new zram disk: the test writes to none of the machine's disks. */
static int open_new_disk(long *number)
{
	char name[64];

	*number = file_number(ZRAM_CONTROL "hot_add", "", NULL);
	snprintf(name, sizeof(name), "/sys/block/zram%ld/disksize", *number);
	if (*number < 0 || !write_to_file(name, "4M"))
		return -1;
	snprintf(name, sizeof(name), "/dev/zram%ld", *number);
	return open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
}

/* Like count_dropped() >= 0, but a page may be dropped while it is read. */
static bool are_patterns_then_zeros(const uint8_t *p, const uint8_t *pattern)
{
	bool dropped = false;

	for (size_t i = 0; i < LEN; i++) {
		uint8_t byte = __atomic_load_n(p + i, __ATOMIC_RELAXED);

		dropped = !byte || (dropped && i % page);
		if (byte != (dropped ? 0 : pattern[i % page]))
			return false;
	}
	return true;
}

struct reader {
	int fd;
	uint8_t *p, *pattern;
	bool failed;
};

static void *read_directly(void *arg)
{
	struct reader *r = arg;

	/* Reclaim runs on CPU 0. */
	pin_to_cpu(1);
	for (long end = now_ms() + 3000; now_ms() < end && !r->failed;)
		r->failed = pread(r->fd, r->p, LEN, 0) != (ssize_t)LEN ||
			    !are_patterns_then_zeros(r->p, r->pattern);
	return NULL;
}

TEST_F(held, direct_reads_arrive_or_pages_are_dropped)
{
	struct reader r = { .p = self->p, .pattern = map_pages(MAP_DROPPABLE, page) };
	long dropped = vm_counter("pglazyfreed");
	pthread_t thread;
	long end = 0;
	long number;

	r.fd = open_new_disk(&number);
	ASSERT_LE(0, r.fd);
	fill_pages(r.pattern, page);
	ASSERT_EQ(LEN, pwrite(r.fd, self->p, LEN, 0));
	/* Into pages that are not present. */
	ASSERT_TRUE(pageout_until(self->p, LEN, 0));
	ASSERT_EQ(LEN, pread(r.fd, self->p, LEN, 0));
	EXPECT_EQ(0, count_dropped(self->p, LEN));
	EXPECT_EQ(PAGES, count_droppable(self->p, LEN));

	/* Read during reclaim, until that has dropped more than PAGES pages. */
	do {
		ASSERT_EQ(0, pthread_create(&thread, NULL, read_directly, &r));
		while (pthread_tryjoin_np(thread, NULL))
			madvise(self->p, LEN, MADV_PAGEOUT);
	} while (!r.failed && vm_counter("pglazyfreed") <= dropped + PAGES && may_retry(&end));
	EXPECT_FALSE(r.failed);
	EXPECT_LT(dropped + PAGES, vm_counter("pglazyfreed"));

	ASSERT_EQ(LEN, pread(r.fd, self->p, LEN, 0));
	EXPECT_STREQ("", check_droppable(self->p, LEN, PAGES));
	close(r.fd);
	write_number(ZRAM_CONTROL "hot_remove", number);
}

/* Hardware memory errors. */

static sigjmp_buf after_sigbus;
static int sigbus_count;

static void on_sigbus(int sig)
{
	(void)sig;
	__atomic_fetch_add(&sigbus_count, 1, __ATOMIC_RELAXED);
	siglongjmp(after_sigbus, 1);
}

static bool reading_raises_sigbus(const uint8_t *p)
{
	sigbus_count = 0;
	if (!sigsetjmp(after_sigbus, 1))
		__atomic_load_n(p, __ATOMIC_RELAXED);
	return __atomic_load_n(&sigbus_count, __ATOMIC_RELAXED);
}

/* Does poisoning the page raise SIGBUS at once? -1: poisoning failed. */
static int poisoning_raises_sigbus(uint8_t *p)
{
	static int failed;

	drain_lists();
	failed = 0;
	sigbus_count = 0;
	if (!sigsetjmp(after_sigbus, 1))
		failed = madvise(p, page, MADV_HWPOISON);
	return failed ? -1 : __atomic_load_n(&sigbus_count, __ATOMIC_RELAXED);
}

FIXTURE(poison) {
	uint8_t *p;
	size_t len;
};

FIXTURE_VARIANT(poison) {
	bool huge, early;
};

FIXTURE_VARIANT_ADD(poison, late) { false, false };
FIXTURE_VARIANT_ADD(poison, early) { false, true };
FIXTURE_VARIANT_ADD(poison, huge) { true, false };
FIXTURE_VARIANT_ADD(poison, huge_early) { true, true };

FIXTURE_SETUP(poison)
{
	signal(SIGBUS, on_sigbus);
	ASSERT_EQ(0, prctl(PR_MCE_KILL, PR_MCE_KILL_SET,
			   variant->early ? PR_MCE_KILL_EARLY : PR_MCE_KILL_LATE, 0, 0));
	self->len = variant->huge ? HUGE_SIZE : LEN;
	self->p = (variant->huge ? map_huge : map_pages)(MAP_DROPPABLE, self->len);
	fill_pages(self->p, self->len);
	ASSERT_EQ(variant->huge, !!(page_flags(self->p) & KPF_THP));
	ASSERT_EQ(0, madvise(self->p, self->len, MADV_NOHUGEPAGE));
}

FIXTURE_TEARDOWN(poison)
{
	munmap(self->p, self->len);
}

TEST_F(poison, drops_only_that_page_without_sigbus)
{
	uint8_t *bad = self->p + 5 * page;
	uint64_t frame = page_frame(bad);

	ASSERT_NE(0, frame);
	ASSERT_EQ(0, poisoning_raises_sigbus(bad));
	EXPECT_TRUE(frame_flags(frame) & KPF_HWPOISON);
	EXPECT_EQ(0, page_frame(bad));
	EXPECT_EQ((long)(self->len / page) - 1, count_droppable(self->p, self->len));

	EXPECT_FALSE(reading_raises_sigbus(bad));
	EXPECT_EQ(1, count_dropped(bad, page));
	EXPECT_EQ(1, count_dropped(self->p, self->len));
	fill_pages(bad, page);
	EXPECT_EQ(0, count_dropped(bad, page));
	EXPECT_NE(frame, page_frame(bad));
	EXPECT_STREQ("", check_droppable(self->p, self->len, self->len / page));
}

/* Control: an ordinary page raises SIGBUS, at once (early) or on the next access (late). */
TEST(poison_of_ordinary_pages_raises_sigbus)
{
	uint8_t *p = map_pages(MAP_PRIVATE, 2 * page);

	memset(p, 0x5a, 2 * page);
	signal(SIGBUS, on_sigbus);
	ASSERT_EQ(0, prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
	/* Newer kernels raise SIGBUS at once for the caller of MADV_HWPOISON. */
	EXPECT_NE(-1, poisoning_raises_sigbus(p));
	EXPECT_TRUE(reading_raises_sigbus(p));
	ASSERT_EQ(0, prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	EXPECT_EQ(1, poisoning_raises_sigbus(p + page));
	EXPECT_TRUE(reading_raises_sigbus(p + page));
}

/* A device may rely on the contents of a pinned page, so its owner gets SIGBUS. */
TEST_F(held, poison_of_a_pinned_page_raises_sigbus)
{
	uint8_t *bad = self->p + 5 * page;
	int ring = io_uring_with_buffer(bad, page);

	ASSERT_LE(0, ring);
	signal(SIGBUS, on_sigbus);
	ASSERT_EQ(0, prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
	poisoning_raises_sigbus(bad);
	EXPECT_TRUE(reading_raises_sigbus(bad));
	EXPECT_EQ(0, count_dropped(self->p, 5 * page));
	EXPECT_EQ(0, count_dropped(bad + page, LEN - 6 * page));
}

TEST_HARNESS_MAIN
