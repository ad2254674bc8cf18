// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE when no memory is free. A task that touches a page waits; the OOM killer
 * kills no process for it, and no SIGBUS is raised. A fatal signal ends the wait. Faults
 * in the kernel, which may hold any lock, do not wait: the system call fails.
 *
 * The tests use up memory in two ways: a child that has locked all that it needs enters a
 * memory cgroup whose limit is 0; and locked pages fill a memory node.
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

#define CGROUP		"no-memory"
#define WAIT_MS		1000
#define TIMEOUT_MS	60000

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif

#define KLOG_READ_ALL	3
#define KLOG_CLEAR	5

/* Parent and child synchronize by shared memory, without system calls. */
struct shared {
	int ready, go, done;
};

FIXTURE(no_memory) {
	struct shared *shared;
	pid_t child;
	long killed;
};

static int zero_fd;	/* /dev/zero */

/* Ends a child that the test expects to go on. */
#define die(format, ...) do {						\
	printf("# child: " format "\n", __VA_ARGS__);			\
	fflush(stdout);							\
	_exit(1);							\
} while (0)

/* Spins: a system call may allocate memory. */
static void wait_for(int *flag)
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

/* Exit status of the last child that ended. */
static int status = -1;

/* Has @pid exited, or @flag been set, within @ms? */
static bool done_within(pid_t pid, int *flag, int ms)
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

static void kill_child(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static bool kernel_logged(const char *text)
{
	static char log[1 << 20];
	int len = klogctl(KLOG_READ_ALL, log, sizeof(log) - 1);

	log[len < 0 ? 0 : len] = 0;
	return strstr(log, text);
}

/* No OOM kill since the counter was @killed. */
static void expect_no_oom_kill(struct __test_metadata *_metadata, long killed)
{
	EXPECT_EQ(killed, vm_counter("oom_kill"));
	EXPECT_FALSE(kernel_logged("oom-killer"));
}

FIXTURE_SETUP(no_memory)
{
	self->shared = (struct shared *)map_pages(MAP_SHARED, sizeof(*self->shared));
	memset(self->shared, 0, sizeof(*self->shared));
	zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, zero_fd);
	if (!make_cgroup(CGROUP, "0"))
		SKIP_ALL("cannot create a memory cgroup: %s", strerror(errno));
	self->killed = vm_counter("oom_kill");
	klogctl(KLOG_CLEAR, NULL, 0);
}

FIXTURE_TEARDOWN(no_memory)
{
	kill_child(self->child);
	leave_cgroup(CGROUP);
}

/* Runs @touch in a child that cannot allocate memory. */
static void start_child(struct __test_metadata *_metadata, struct _test_data_no_memory *self,
			void (*touch)(uint8_t *p), int type)
{
	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		uint8_t *p;

		/* Locks all memory of the child, and copies pages still shared after fork. */
		if (mlockall(MCL_CURRENT))
			die("mlockall: %s", strerror(errno));
		p = map_huge(type, 2 * HUGE_SIZE);
		set(&self->shared->ready);
		wait_for(&self->shared->go);
		touch(p);
		set(&self->shared->done);
		for (;;)
			;
	}
	wait_for(&self->shared->ready);
	ASSERT_TRUE(move_to_cgroup(CGROUP, self->child));
	set(&self->shared->go);
}

/* The child gets to its end, and no process is killed. */
static void expect_completes(struct __test_metadata *_metadata, struct _test_data_no_memory *self)
{
	EXPECT_TRUE(done_within(self->child, &self->shared->done, TIMEOUT_MS));
	EXPECT_TRUE(is_set(&self->shared->done));
	EXPECT_EQ(0, cgroup_number(CGROUP, "memory.events", "oom "));
	EXPECT_EQ(0, cgroup_number(CGROUP, "memory.events", "oom_kill "));
	expect_no_oom_kill(_metadata, self->killed);
}

/* The child waits, and goes on when memory becomes available. */
static void expect_waits(struct __test_metadata *_metadata, struct _test_data_no_memory *self)
{
	EXPECT_FALSE(done_within(self->child, &self->shared->done, WAIT_MS));
	ASSERT_TRUE(set_cgroup(CGROUP, "memory.max", "max"));
	expect_completes(_metadata, self);
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

/* The zero page needs no memory, but the page tables that map it do. */
static void read_page(uint8_t *p)
{
	__atomic_load_n(p, __ATOMIC_RELAXED);
}

static void read_file_into(uint8_t *p)
{
	if (read(zero_fd, p, 4096) != -1 || errno != EFAULT)
		die("read: %s", strerror(errno));
}

static void populate(uint8_t *p)
{
	if (!madvise(p, HUGE_SIZE, MADV_POPULATE_WRITE) || errno != ENOMEM)
		die("MADV_POPULATE_WRITE: %s", strerror(errno));
}

/* Control: the OOM killer kills a process for ordinary memory. */
TEST_F(no_memory, ordinary_memory_invokes_the_oom_killer)
{
	start_child(_metadata, self, write_page, MAP_PRIVATE);
	ASSERT_TRUE(done_within(self->child, &self->shared->done, TIMEOUT_MS));
	EXPECT_FALSE(is_set(&self->shared->done));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(self->killed + 1, vm_counter("oom_kill"));
	EXPECT_TRUE(kernel_logged("oom-kill"));
	self->child = 0;
}

TEST_F(no_memory, write_waits)
{
	start_child(_metadata, self, write_small_page, MAP_DROPPABLE);
	expect_waits(_metadata, self);
}

TEST_F(no_memory, write_of_a_huge_page_waits)
{
	start_child(_metadata, self, write_page, MAP_DROPPABLE);
	expect_waits(_metadata, self);
}

TEST_F(no_memory, read_waits_for_page_tables)
{
	start_child(_metadata, self, read_page, MAP_DROPPABLE);
	expect_waits(_metadata, self);
}

/* The kernel faults in a copy to user space here; in populate_fails, in get_user_pages(). */
TEST_F(no_memory, system_call_that_writes_to_it_fails)
{
	start_child(_metadata, self, read_file_into, MAP_DROPPABLE);
	expect_completes(_metadata, self);
}

TEST_F(no_memory, populate_fails)
{
	start_child(_metadata, self, populate, MAP_DROPPABLE);
	expect_completes(_metadata, self);
}

TEST_F(no_memory, waiting_task_can_be_killed)
{
	start_child(_metadata, self, write_page, MAP_DROPPABLE);
	EXPECT_FALSE(done_within(self->child, &self->shared->done, WAIT_MS));
	kill(self->child, SIGTERM);
	ASSERT_TRUE(done_within(self->child, NULL, TIMEOUT_MS));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
	EXPECT_FALSE(is_set(&self->shared->done));
	self->child = 0;
	EXPECT_EQ(self->killed, vm_counter("oom_kill"));
	EXPECT_EQ(0, cgroup_number(CGROUP, "memory.events", "oom "));
}

/* The kernel reads the list when the task exits, where no signal ends a wait. */
static void exit_with_robust_list(uint8_t *p)
{
	if (syscall(SYS_set_robust_list, p, sizeof(struct robust_list_head)))
		die("set_robust_list: %s", strerror(errno));
	_exit(0);
}

TEST_F(no_memory, exiting_task_does_not_wait)
{
	start_child(_metadata, self, exit_with_robust_list, MAP_DROPPABLE);
	EXPECT_TRUE(done_within(self->child, NULL, 10 * WAIT_MS)) {
		/* Give it memory, or nothing could end it. */
		set_cgroup(CGROUP, "memory.max", "max");
		done_within(self->child, NULL, TIMEOUT_MS);
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
 * Lock memory until the node is full. Pages that the kernel did not place on the node are
 * moved there: move_pages() fails on a full node, where a fault would invoke the OOM killer.
 */
static void fill_node(struct shared *shared)
{
	long free_kb = file_number(NODE_FILES "/meminfo", "Node 1 MemFree:", NULL);
	size_t pages = free_kb * 1024 / page + 4096;
	uint8_t *p = map_pages(MAP_PRIVATE, pages * page);
	int node = NODE, moved;

	if (!bind_to_node(MPOL_PREFERRED) || mlock(p, pages * page))
		die("filling the node: %s", strerror(errno));
	/* Start at the end: the last pages were placed on another node. */
	for (size_t i = pages, failed = 0; i-- && failed < 64;) {
		void *address = p + i * page;

		if (syscall(SYS_move_pages, 0, 1UL, &address, &node, &moved, 0) || moved < 0)
			failed++;
	}
	set(&shared->ready);
	wait_for(&shared->go);
	munmap(p, pages * page);
	for (;;)
		pause();
}

/* Touch pages on the node; a pipe holds each, so that the kernel cannot drop it. */
static void use_node(struct shared *shared, int type)
{
	uint8_t *p = map_pages(type, PIPES * PIPE_PAGES * page);
	int pipes[PIPES][2];

	for (int i = 0; i < PIPES; i++)
		if (pipe(pipes[i]) ||
		    fcntl(pipes[i][1], F_SETPIPE_SZ, PIPE_PAGES * page) < 0)
			die("creating pipes: %s", strerror(errno));
	if (mlockall(MCL_CURRENT) || !bind_to_node(MPOL_BIND) ||
	    madvise(p, PIPES * PIPE_PAGES * page, MADV_DONTNEED_LOCKED))
		die("binding memory to the node: %s", strerror(errno));
	set(&shared->ready);
	wait_for(&shared->go);
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
		SKIP_ALL("this machine has only one memory node");
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
	kill_child(self->filling);
	kill_child(self->using);
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
	/* The kernel warns at most once in ten seconds, and did while the node was filled. */
	sleep(11);
	klogctl(KLOG_CLEAR, NULL, 0);
	set(&self->user->go);
}

TEST_F(full_node, ordinary_memory_invokes_the_oom_killer)
{
	use_full_node(_metadata, self, MAP_PRIVATE);
	for (int i = 0; i < TIMEOUT_MS / 10 && vm_counter("oom_kill") == self->killed; i++)
		usleep(10000);
	EXPECT_LT(self->killed, vm_counter("oom_kill"));
	EXPECT_TRUE(kernel_logged("oom-killer"));
	waitpid(-1, NULL, WNOHANG);
}

TEST_F(full_node, write_waits)
{
	use_full_node(_metadata, self, MAP_DROPPABLE);
	EXPECT_FALSE(done_within(self->using, &self->user->done, 2 * WAIT_MS));
	set(&self->filler->go);
	EXPECT_TRUE(done_within(self->using, &self->user->done, TIMEOUT_MS));
	EXPECT_TRUE(is_set(&self->user->done));
	expect_no_oom_kill(_metadata, self->killed);
	/* The administrator can see why the task waited. */
	EXPECT_TRUE(kernel_logged("allocation failure"));
}

TEST_HARNESS_MAIN
