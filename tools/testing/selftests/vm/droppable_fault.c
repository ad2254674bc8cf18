// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE where there is no memory for a page: a program that touches it waits,
 * and nobody is killed for it. Not the process (by the OOM killer, or by SIGBUS), nor
 * another. Who waits can be killed by a signal. The kernel does not wait, which may
 * hold any lock: a system call fails.
 *
 * There is no memory for a child in a memory cgroup that may not have any, with all
 * that it needs made and locked before it gets there; and on a memory node that is
 * full of locked pages.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"

#define GROUP		"no-memory"
#define WAIT_MS		1000
#define PATIENCE_MS	60000

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif

#define KLOG_READ_ALL	3
#define KLOG_CLEAR	5

/* What parent and child tell each other by: no system call needed. */
struct shared {
	int ready, go, done;
};

FIXTURE(no_memory) {
	struct shared *shared;
	pid_t child;
	long killed;
};

static int zeros;

/* For a child, whose end the test does not expect. */
#define die(format, ...) do {						\
	printf("# child: " format "\n", __VA_ARGS__);			\
	fflush(stdout);							\
	_exit(1);							\
} while (0)

/* Without a system call, each of which may want memory. */
static void await(int *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		;
}

static void set(int *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

static bool is_set(int *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

/* Of the child that has ended. */
static int status = -1;

/* Has @pid ended, or @flag been set, within @ms? */
static bool ends_within(pid_t pid, int *flag, int ms)
{
	for (; ms > 0; ms -= 10) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return true;
		if (flag && is_set(flag))
			return true;
		usleep(10000);
	}
	return false;
}

static void end(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static bool kernel_said(const char *what)
{
	static char log[1 << 20];
	int len = klogctl(KLOG_READ_ALL, log, sizeof(log) - 1);

	log[len < 0 ? 0 : len] = 0;
	return strstr(log, what);
}

/* The OOM killer has not run since the count was @killed, and no allocation failed. */
static void expect_none_killed(struct __test_metadata *_metadata, long killed)
{
	EXPECT_EQ(killed, vm_counter("oom_kill"));
	EXPECT_FALSE(kernel_said("oom-killer"));
	EXPECT_FALSE(kernel_said("allocation failure"));
	EXPECT_FALSE(kernel_said("Unable to allocate"));
}

FIXTURE_SETUP(no_memory)
{
	self->shared = (struct shared *)map_pages(MAP_SHARED, sizeof(*self->shared));
	memset(self->shared, 0, sizeof(*self->shared));
	zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, zeros);
	if (!make_cgroup(GROUP, "0"))
		SKIP_ALL("no memory cgroup: %s", strerror(errno));
	self->killed = vm_counter("oom_kill");
	klogctl(KLOG_CLEAR, NULL, 0);
}

FIXTURE_TEARDOWN(no_memory)
{
	end(self->child);
	leave_cgroup(GROUP);
}

/* Runs @touch in a child that may not have any more memory. */
static void start(struct __test_metadata *_metadata, struct _test_data_no_memory *self,
		  void (*touch)(uint8_t *p), int type)
{
	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		uint8_t *p;

		/* All that the child has, and what its fork has left to be copied. */
		if (mlockall(MCL_CURRENT))
			die("mlockall: %s", strerror(errno));
		p = map_huge(type, 2 * HUGE_SIZE);
		set(&self->shared->ready);
		await(&self->shared->go);
		touch(p);
		set(&self->shared->done);
		for (;;)
			;
	}
	await(&self->shared->ready);
	ASSERT_TRUE(move_to_cgroup(GROUP, self->child));
	set(&self->shared->go);
}

/* The child gets to its end; and nobody has been killed. */
static void expect_goes_on(struct __test_metadata *_metadata, struct _test_data_no_memory *self)
{
	EXPECT_TRUE(ends_within(self->child, &self->shared->done, PATIENCE_MS));
	EXPECT_TRUE(is_set(&self->shared->done));
	EXPECT_EQ(0, cgroup_number(GROUP, "memory.events", "oom "));
	EXPECT_EQ(0, cgroup_number(GROUP, "memory.events", "oom_kill "));
	expect_none_killed(_metadata, self->killed);
}

/* The child waits, and goes on as soon as there is memory. */
static void expect_waits(struct __test_metadata *_metadata, struct _test_data_no_memory *self)
{
	EXPECT_FALSE(ends_within(self->child, &self->shared->done, WAIT_MS));
	ASSERT_TRUE(set_cgroup(GROUP, "memory.max", "max"));
	expect_goes_on(_metadata, self);
}

static void write_page(uint8_t *p)
{
	__atomic_store_n(p, 1, __ATOMIC_RELAXED);
}

static void write_small_page(uint8_t *p)
{
	madvise(p, 2 * HUGE_SIZE, MADV_NOHUGEPAGE);
	write_page(p);
}

/* The zero page is nobody's; the tables to map it are not. */
static void read_page(uint8_t *p)
{
	__atomic_load_n(p, __ATOMIC_RELAXED);
}

static void read_file_into(uint8_t *p)
{
	if (read(zeros, p, 4096) != -1 || errno != EFAULT)
		die("read: %s", strerror(errno));
}

static void populate(uint8_t *p)
{
	if (!madvise(p, HUGE_SIZE, MADV_POPULATE_WRITE) || errno != ENOMEM)
		die("MADV_POPULATE_WRITE: %s", strerror(errno));
}

/* That this is what gets a process killed. */
TEST_F(no_memory, ordinary_memory_is_killed_for)
{
	start(_metadata, self, write_page, MAP_PRIVATE);
	ASSERT_TRUE(ends_within(self->child, &self->shared->done, PATIENCE_MS));
	EXPECT_FALSE(is_set(&self->shared->done));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(self->killed + 1, vm_counter("oom_kill"));
	EXPECT_TRUE(kernel_said("oom-kill"));
	self->child = 0;
}

TEST_F(no_memory, write_waits)
{
	start(_metadata, self, write_small_page, MAP_DROPPABLE);
	expect_waits(_metadata, self);
}

TEST_F(no_memory, write_of_a_huge_page_waits)
{
	start(_metadata, self, write_page, MAP_DROPPABLE);
	expect_waits(_metadata, self);
}

TEST_F(no_memory, read_waits_for_page_tables)
{
	start(_metadata, self, read_page, MAP_DROPPABLE);
	expect_waits(_metadata, self);
}

/* In a copy to user space, and where the kernel looks pages up. */
TEST_F(no_memory, system_call_that_writes_to_it_fails)
{
	start(_metadata, self, read_file_into, MAP_DROPPABLE);
	expect_goes_on(_metadata, self);
}

TEST_F(no_memory, populate_fails)
{
	start(_metadata, self, populate, MAP_DROPPABLE);
	expect_goes_on(_metadata, self);
}

TEST_F(no_memory, who_waits_can_be_killed)
{
	start(_metadata, self, write_page, MAP_DROPPABLE);
	EXPECT_FALSE(ends_within(self->child, &self->shared->done, WAIT_MS));
	kill(self->child, SIGTERM);
	ASSERT_TRUE(ends_within(self->child, NULL, PATIENCE_MS));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
	EXPECT_FALSE(is_set(&self->shared->done));
	self->child = 0;
	EXPECT_EQ(self->killed, vm_counter("oom_kill"));
	EXPECT_EQ(0, cgroup_number(GROUP, "memory.events", "oom "));
}

/* The kernel looks at it when the task ends, and no signal can reach that any more. */
static void exit_with_list_of_futexes(uint8_t *p)
{
	if (syscall(SYS_set_robust_list, p, sizeof(struct robust_list_head)))
		die("set_robust_list: %s", strerror(errno));
	_exit(0);
}

TEST_F(no_memory, who_exits_does_not_wait)
{
	start(_metadata, self, exit_with_list_of_futexes, MAP_DROPPABLE);
	EXPECT_TRUE(ends_within(self->child, NULL, 10 * WAIT_MS)) {
		/* Or nothing could end it. */
		set_cgroup(GROUP, "memory.max", "max");
		ends_within(self->child, NULL, PATIENCE_MS);
	}
	EXPECT_EQ(0, status);
	EXPECT_EQ(self->killed, vm_counter("oom_kill"));
	self->child = 0;
}

#define NODE		1
#define NODE_FILES	"/sys/devices/system/node/node1"
#define PIPES		8
#define PIPE_PAGES	256

static bool bind_to_node(int mode)
{
	unsigned long mask = 1UL << NODE;

	return !syscall(SYS_set_mempolicy, mode, &mask, 8 * sizeof(mask));
}

/*
 * Lock memory until the node has none: what the node does not give by itself is
 * moved there, which fails where a fault would have somebody killed.
 */
static void fill_node(struct shared *shared)
{
	long free_kb = file_number(NODE_FILES "/meminfo", "Node 1 MemFree:", NULL);
	size_t pages = free_kb * 1024 / page + 4096;
	uint8_t *p = map_pages(MAP_PRIVATE, pages * page);
	int node = NODE, moved;

	if (!bind_to_node(MPOL_PREFERRED) || mlock(p, pages * page))
		die("filling the node: %s", strerror(errno));
	/* From the end, which the node had no room for. */
	for (size_t i = pages, failed = 0; i-- && failed < 64;) {
		void *address = p + i * page;

		if (syscall(SYS_move_pages, 0, 1UL, &address, &node, &moved, 0) || moved < 0)
			failed++;
	}
	set(&shared->ready);
	await(&shared->go);
	munmap(p, pages * page);
	for (;;)
		pause();
}

/* Touch pages of the node, each of which somebody holds then. */
static void use_node(struct shared *shared, int type)
{
	uint8_t *p = map_pages(type, PIPES * PIPE_PAGES * page);
	int pipes[PIPES][2];

	for (int i = 0; i < PIPES; i++)
		if (pipe(pipes[i]) ||
		    fcntl(pipes[i][1], F_SETPIPE_SZ, PIPE_PAGES * page) < 0)
			die("no pipes: %s", strerror(errno));
	if (mlockall(MCL_CURRENT) || !bind_to_node(MPOL_BIND) ||
	    madvise(p, PIPES * PIPE_PAGES * page, MADV_DONTNEED_LOCKED))
		die("no memory policy: %s", strerror(errno));
	set(&shared->ready);
	await(&shared->go);
	for (int i = 0; i < PIPES * PIPE_PAGES; i++) {
		struct iovec iov = { p + i * page, page };

		__atomic_store_n(p + i * page, 1, __ATOMIC_RELAXED);
		if (vmsplice(pipes[i / PIPE_PAGES][1], &iov, 1, 0) != (ssize_t)page)
			die("vmsplice: %s", strerror(errno));
	}
	set(&shared->done);
	for (;;)
		pause();
}

FIXTURE(full_node) {
	struct shared *filler, *user;
	pid_t filling, using;
	long killed;
};

FIXTURE_SETUP(full_node)
{
	if (access(NODE_FILES, F_OK))
		SKIP_ALL("this machine has one memory node");
	self->filler = (struct shared *)map_pages(MAP_SHARED, 2 * sizeof(*self->filler));
	memset(self->filler, 0, 2 * sizeof(*self->filler));
	self->user = self->filler + 1;
	self->killed = vm_counter("oom_kill");
	self->filling = fork();
	ASSERT_LE(0, self->filling);
	if (!self->filling)
		fill_node(self->filler);
}

FIXTURE_TEARDOWN(full_node)
{
	end(self->filling);
	end(self->using);
}

static void use_full_node(struct __test_metadata *_metadata, struct _test_data_full_node *self,
			  int type)
{
	self->using = fork();
	ASSERT_LE(0, self->using);
	if (!self->using)
		use_node(self->user, type);
	while (!is_set(&self->user->ready) || !is_set(&self->filler->ready))
		ASSERT_EQ(0, waitpid(-1, NULL, WNOHANG));
	/* The kernel warns once in ten seconds, and has while the node was filled. */
	sleep(11);
	klogctl(KLOG_CLEAR, NULL, 0);
	set(&self->user->go);
}

TEST_F(full_node, ordinary_memory_is_killed_for)
{
	use_full_node(_metadata, self, MAP_PRIVATE);
	for (int i = 0; i < PATIENCE_MS / 10 && vm_counter("oom_kill") == self->killed; i++)
		usleep(10000);
	EXPECT_LT(self->killed, vm_counter("oom_kill"));
	EXPECT_TRUE(kernel_said("oom-killer"));
	waitpid(-1, NULL, WNOHANG);
}

TEST_F(full_node, write_waits)
{
	use_full_node(_metadata, self, MAP_DROPPABLE);
	EXPECT_FALSE(ends_within(self->using, &self->user->done, 2 * WAIT_MS));
	set(&self->filler->go);
	EXPECT_TRUE(ends_within(self->using, &self->user->done, PATIENCE_MS));
	EXPECT_TRUE(is_set(&self->user->done));
	expect_none_killed(_metadata, self->killed);
}

TEST_HARNESS_MAIN
