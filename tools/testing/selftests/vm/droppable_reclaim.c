// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: every kind of reclaim drops a page, dirty or clean, with or without swap,
 * and never writes it to swap.
 *
 * The tests use the LRU and the swap that are active. Need root, for memory pressure and
 * to read the state of pages. ONLY in the environment names the only test to run.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "droppable_util.h"

#define CGROUP		"droppable_reclaim"
#define LEN		(4UL << 20)
#define PAGES		((long)(LEN / page))
/*
 * Reclaim cannot drop a page that is in use for a moment, most often in a per-CPU list.
 * So tests reclaim until few pages are left, and expect that nearly all are dropped.
 */
#define NEARLY(pages)	((long)(pages) * 15 / 16)
#define FEW(pages)	((long)(pages) / 32)

static bool all_droppable(const uint8_t *p, size_t len)
{
	return count_droppable(p, len) >= 0;
}

/* Checks the swap before it reads the pages, which would bring them back from there. */
static void expect_dropped(struct __test_metadata *_metadata, const uint8_t *p, size_t len,
			   long at_least)
{
	EXPECT_EQ(0, smaps_kb(p, "Swap:"));
	EXPECT_EQ(0, found_on_swap());
	EXPECT_TRUE(all_droppable(p, len));
	EXPECT_LE(at_least, count_dropped(p, len));
}

static uint8_t *setup_test(struct __test_metadata *_metadata, uint8_t *(*map)(int, size_t))
{
	uint8_t *p;

	SKIP_IF_NOT_SELECTED();
	/* New pages are then in this CPU's lists, which MADV_PAGEOUT drains. */
	pin_to_cpu(0);
	/*
	 * Otherwise repeated reclaim would swap the program's other pages again and again.
	 * This does not lock droppable pages.
	 */
	EXPECT_EQ(0, mlockall(MCL_CURRENT));
	ENTER_CGROUP(CGROUP);
	p = map(MAP_DROPPABLE, LEN);
	fill_pages(p, LEN);
	/* kswapd may still be reclaiming because of the previous test. */
	for (long end = 0; resident(p) < NEARLY(PAGES) && may_retry(&end);)
		fill_pages(p, LEN);
	EXPECT_LE(NEARLY(PAGES), resident(p));
	drain_lists();
	return p;
}

FIXTURE(reclaim) {
	uint8_t *p;
	long swapped;
};

FIXTURE_SETUP(reclaim)
{
	self->p = setup_test(_metadata, map_pages);
	self->swapped = vm_counter("pswpout");
}

FIXTURE_TEARDOWN(reclaim)
{
	munmap(self->p, LEN);
	leave_cgroup(CGROUP);
}

/* This process has few other pages. */
static bool swapped_few(long before)
{
	return vm_counter("pswpout") - before < PAGES / 16;
}

static void expect_nearly_dropped(struct __test_metadata *_metadata,
				  struct _test_data_reclaim *self)
{
	EXPECT_TRUE(swapped_few(self->swapped));
	expect_dropped(_metadata, self->p, LEN, NEARLY(PAGES));
}

static void expect_reclaimed(struct __test_metadata *_metadata, struct _test_data_reclaim *self)
{
	reclaim_until(CGROUP, self->p, FEW(PAGES));
	expect_nearly_dropped(_metadata, self);
}

TEST_F(reclaim, lower_cgroup_limit_drops)
{
	long now = cgroup_number(CGROUP, "memory.current", "");

	ASSERT_TRUE(limit_cgroup(CGROUP, now - LEN * 3 / 4));
	EXPECT_EQ(0, cgroup_number(CGROUP, "memory.events", "oom "));
	EXPECT_TRUE(swapped_few(self->swapped));
	expect_dropped(_metadata, self->p, LEN, PAGES / 2);
}

TEST_F(reclaim, ordinary_memory_at_the_cgroup_limit_drops)
{
	long now = cgroup_number(CGROUP, "memory.current", "");
	/* With swap, the kernel may swap the ordinary memory first. */
	size_t most = swap_is_on() ? 8 * LEN : 2 * LEN;
	uint8_t *other = map_pages(MAP_PRIVATE, most);

	/* Without swap, the kernel must drop all droppable pages to avoid an OOM kill. */
	ASSERT_TRUE(limit_cgroup(CGROUP, now + LEN + LEN / 4));
	for (size_t at = 0; at < most; at += LEN / 4) {
		if (at >= 2 * LEN && resident(self->p) < PAGES / 2)
			break;
		memset(other + at, 1, LEN / 4);
	}
	EXPECT_EQ(0, cgroup_number(CGROUP, "memory.events", "oom "));
	EXPECT_LT(0, cgroup_number(CGROUP, "memory.events", "max "));
	expect_dropped(_metadata, self->p, LEN, PAGES / 2);
}

TEST_F(reclaim, memory_reclaim_drops)
{
	expect_reclaimed(_metadata, self);
}

TEST_F(reclaim, madvise_pageout_drops)
{
	ASSERT_TRUE(pageout_until(self->p, LEN, FEW(PAGES)));
	expect_nearly_dropped(_metadata, self);
}

TEST_F(reclaim, process_madvise_by_another_drops)
{
	struct iovec range = { self->p, LEN };
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0), status;
	pid_t pid;

	ASSERT_LE(0, pidfd);
	for (long end = 0; resident(self->p) > FEW(PAGES) && may_retry(&end);) {
		drain_lists();
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(syscall(SYS_process_madvise, pidfd, &range, 1, MADV_PAGEOUT,
				      0) != LEN);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
	}
	expect_nearly_dropped(_metadata, self);
}

TEST_F(reclaim, cold_pages_are_dropped)
{
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_COLD));
	EXPECT_TRUE(all_droppable(self->p, LEN));
	expect_reclaimed(_metadata, self);
}

TEST_F(reclaim, clean_pages_are_dropped)
{
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_FREE));
	EXPECT_TRUE(all_droppable(self->p, LEN));
	EXPECT_LE(NEARLY(PAGES), resident(self->p));
	expect_reclaimed(_metadata, self);
}

TEST_F(reclaim, pages_freed_and_written_again_are_dropped)
{
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_FREE));
	fill_pages(self->p, LEN);
	EXPECT_TRUE(all_droppable(self->p, LEN));
	expect_reclaimed(_metadata, self);
}

/* Reads of a dropped page map the shared zero page, which reclaim ignores. */
TEST_F(reclaim, pages_read_after_a_drop_stay_zeros)
{
	long kept;

	ASSERT_TRUE(pageout_until(self->p, LEN, FEW(PAGES)));
	kept = PAGES - count_dropped(self->p, LEN);
	EXPECT_GE(PAGES - NEARLY(PAGES), kept);
	EXPECT_EQ(kept, resident(self->p));
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_PAGEOUT));
	reclaim_until(CGROUP, self->p, 0);
	EXPECT_EQ(0, found_on_swap());
	EXPECT_LE(PAGES - kept, count_dropped(self->p, LEN));

	/* The pages can be written and dropped again. */
	fill_pages(self->p, LEN);
	EXPECT_LE(NEARLY(PAGES), resident(self->p));
	ASSERT_TRUE(pageout_until(self->p, LEN, FEW(PAGES)));
	expect_dropped(_metadata, self->p, LEN, NEARLY(PAGES));
}

TEST_F(reclaim, read_only_pages_are_dropped)
{
	ASSERT_EQ(0, mprotect(self->p, LEN, PROT_READ));
	ASSERT_EQ(0, madvise(self->p, LEN / 2, MADV_PAGEOUT));
	expect_reclaimed(_metadata, self);
}

TEST_F(reclaim, inaccessible_pages_are_dropped)
{
	ASSERT_EQ(0, mprotect(self->p, LEN, PROT_NONE));
	ASSERT_EQ(0, madvise(self->p, LEN / 2, MADV_PAGEOUT));
	reclaim_until(CGROUP, self->p, FEW(PAGES));
	EXPECT_TRUE(swapped_few(self->swapped));
	EXPECT_EQ(0, found_on_swap());
	EXPECT_TRUE(all_droppable(self->p, LEN));
	ASSERT_EQ(0, mprotect(self->p, LEN, PROT_READ));
	EXPECT_LE(NEARLY(PAGES), count_dropped(self->p, LEN));
}

#define HELD	8

TEST_F(reclaim, held_page_stays_droppable_and_is_dropped_later)
{
	size_t len = HELD * page;
	uint8_t *got = malloc(len);
	uint64_t frame;
	int fds[2];

	ASSERT_NE(NULL, got);
	ASSERT_TRUE(hold_pages(fds, self->p, len));
	frame = page_frame(self->p);
	ASSERT_NE(0UL, frame);

	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(pageout_until(self->p, LEN, HELD + FEW(PAGES)));
		reclaim_cgroup(CGROUP, LEN);
		EXPECT_EQ(0, found_on_swap());
		for (size_t at = 0; at < len; at += page)
			EXPECT_TRUE(is_droppable_page(self->p + at));
	}
	EXPECT_EQ(frame, page_frame(self->p));
	EXPECT_EQ(0, count_dropped(self->p, len));
	EXPECT_LE(NEARLY(PAGES - HELD), count_dropped(self->p + len, LEN - len));
	/* It is still the same page: the pipe's reader sees what is written to it. */
	fill_pages(got, len);
	self->p[page - 1] = 'x';
	got[page - 1] = 'x';
	ASSERT_EQ((ssize_t)len, read(fds[0], self->p + LEN - len, len));
	EXPECT_EQ(0, memcmp(got, self->p + LEN - len, len));
	self->p[page - 1] = 0;

	fill_pages(self->p, LEN);
	ASSERT_TRUE(pageout_until(self->p, LEN, 0));
	expect_dropped(_metadata, self->p, LEN, PAGES);
	EXPECT_EQ(HELD, count_dropped(self->p, len));
}

/*
 * Control for the tests above: the same reclaim swaps ordinary memory if there is swap,
 * and keeps its contents.
 */
TEST_F(reclaim, ordinary_memory_is_kept)
{
	uint8_t *other = map_pages(MAP_PRIVATE, LEN);

	fill_pages(other, LEN);
	reclaim_until(CGROUP, self->p, FEW(PAGES));
	for (int i = 0; i < 10; i++)
		reclaim_cgroup(CGROUP, LEN);
	if (swap_is_on()) {
		reclaim_until(CGROUP, other, PAGES / 2 - 1);
		EXPECT_LT(PAGES / 2, smaps_kb(other, "Swap:") * 1024 / (long)page);
		EXPECT_LT(PAGES / 2, count_on_swap());
		EXPECT_LT(PAGES / 2, vm_counter("pswpout") - self->swapped);
	}
	EXPECT_EQ(0, count_dropped(other, LEN));
	EXPECT_LE(NEARLY(PAGES), count_dropped(self->p, LEN));

	munmap(other, LEN);
	EXPECT_TRUE(reset_swap());
	EXPECT_EQ(0, count_on_swap());
}

/* Huge pages, mapped by a PMD or by PTEs. */

FIXTURE(huge) {
	uint8_t *p;
};

FIXTURE_VARIANT(huge) {
	bool by_ptes;
};

FIXTURE_VARIANT_ADD(huge, mapped_whole) { .by_ptes = false };
FIXTURE_VARIANT_ADD(huge, mapped_by_ptes) { .by_ptes = true };

static bool all_huge(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 32 * page)
		if (!(page_flags(p + i) & KPF_THP))
			return false;
	return true;
}

FIXTURE_SETUP(huge)
{
	self->p = setup_test(_metadata, map_huge);
	/* Free memory may be fragmented for a while. */
	for (int i = 0; i < 5 && smaps_kb(self->p, "AnonHugePages:") != LEN / 1024; i++) {
		madvise(self->p, LEN, MADV_DONTNEED);
		write_to_file("/proc/sys/vm/compact_memory", "1");
		fill_pages(self->p, LEN);
	}
	if (smaps_kb(self->p, "AnonHugePages:") != LEN / 1024)
		SKIP_ALL("the kernel has no free huge pages");
	/* Otherwise khugepaged may collapse pages that were just split. */
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_NOHUGEPAGE));
	for (size_t i = 0; variant->by_ptes && i < LEN; i += HUGE_SIZE) {
		ASSERT_EQ(0, mprotect(self->p + i, page, PROT_READ));
		ASSERT_EQ(0, mprotect(self->p + i, page, PROT_READ | PROT_WRITE));
	}
	ASSERT_EQ(variant->by_ptes ? 0 : (long)LEN / 1024, smaps_kb(self->p, "AnonHugePages:"));
	ASSERT_TRUE(all_huge(self->p, LEN));
	ASSERT_TRUE(all_droppable(self->p, LEN));
}

FIXTURE_TEARDOWN(huge)
{
	munmap(self->p, LEN);
	leave_cgroup(CGROUP);
}

TEST_F(huge, madvise_pageout_drops)
{
	ASSERT_TRUE(pageout_until(self->p, LEN, FEW(PAGES)));
	expect_dropped(_metadata, self->p, LEN, NEARLY(PAGES));
}

TEST_F(huge, memory_reclaim_drops)
{
	reclaim_until(CGROUP, self->p, FEW(PAGES));
	expect_dropped(_metadata, self->p, LEN, NEARLY(PAGES));
}

TEST_F(huge, clean_pages_are_dropped)
{
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_FREE));
	reclaim_until(CGROUP, self->p, FEW(PAGES));
	expect_dropped(_metadata, self->p, LEN, NEARLY(PAGES));
}

/* This splits the huge page; the rest stays present and droppable. */
TEST_F(huge, pageout_of_a_half_drops_that_half)
{
	size_t half = HUGE_SIZE / 2;

	for (size_t i = 0; i < LEN; i += HUGE_SIZE)
		ASSERT_TRUE(pageout_until(self->p + i, half, FEW(half / page)));
	EXPECT_EQ(0, found_on_swap());
	for (size_t i = 0; i < LEN; i += HUGE_SIZE) {
		for (size_t at = i + half; at < i + HUGE_SIZE; at += page)
			EXPECT_TRUE(is_droppable_page(self->p + at));
		EXPECT_LE(NEARLY(half / page), count_dropped(self->p + i, half));
		EXPECT_EQ(0, count_dropped(self->p + i + half, half));
	}
	fill_pages(self->p, LEN);
	reclaim_until(CGROUP, self->p, FEW(PAGES));
	expect_dropped(_metadata, self->p, LEN, NEARLY(PAGES));
}

TEST_F(huge, held_page_stays_droppable_and_is_dropped_later)
{
	/* Hold one in the middle: the drop fails after it has unmapped the pages before. */
	uint8_t *held = self->p + HUGE_SIZE / 2;
	int fds[2];

	ASSERT_TRUE(hold_pages(fds, held, page));
	for (int i = 0; i < 3; i++) {
		reclaim_cgroup(CGROUP, LEN);
		/* The huge page of the held page may still be whole. */
		ASSERT_TRUE(pageout_until(self->p, LEN, HUGE_SIZE / page));
		EXPECT_EQ(0, found_on_swap());
		EXPECT_TRUE(is_droppable_page(held));
	}
	EXPECT_EQ(0, count_dropped(held, page));
	EXPECT_TRUE(all_droppable(self->p, LEN));
	EXPECT_LE(NEARLY(PAGES - HUGE_SIZE / page),
		  count_dropped(self->p + HUGE_SIZE, LEN - HUGE_SIZE));

	close(fds[0]);
	close(fds[1]);
	ASSERT_TRUE(pageout_until(self->p, LEN, 0));
	EXPECT_EQ(0, found_on_swap());
	EXPECT_EQ((long)(HUGE_SIZE / page), count_dropped(self->p, HUGE_SIZE));
}

/* Memory pressure on the whole machine. */

#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"
#define NODE_RECLAIM	"/proc/sys/vm/zone_reclaim_mode"
#define MIN_UNMAPPED	"/proc/sys/vm/min_unmapped_ratio"
#define ALLOC_STEP	HUGE_SIZE

/* Real-time priority leaves kswapd hardly any CPU time; throttled waits for kswapd. */
enum alloc_rate { ALLOC_REALTIME, ALLOC_NORMAL, ALLOC_THROTTLED };

FIXTURE(pressure) {
	uint8_t *p;
	long direct, kswapd, stalls, swapped;
};

/* How often an allocation entered direct reclaim, because kswapd was too slow. */
static long stalls(void)
{
	/* Count all zones that the allocations may use. */
	return vm_counter("allocstall_dma32") + vm_counter("allocstall_normal") +
	       vm_counter("allocstall_movable");
}

/* Restrict kswapd to CPU 0, or let it run on all CPUs. */
static void pin_kswapd(bool pin)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char file[300], name[16];
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int cpu = 0; cpu < (pin ? 1 : CPU_SETSIZE); cpu++)
		CPU_SET(cpu, &set);
	while (proc && (entry = readdir(proc))) {
		snprintf(file, sizeof(file), "/proc/%s/comm", entry->d_name);
		if (file_line(file, "kswapd", NULL, name, sizeof(name)))
			sched_setaffinity(atoi(entry->d_name), sizeof(set), &set);
	}
	if (proc)
		closedir(proc);
}

FIXTURE_SETUP(pressure)
{
	self->p = setup_test(_metadata, map_pages);
	self->direct = vm_counter("pgsteal_direct");
	self->kswapd = vm_counter("pgsteal_kswapd");
	self->stalls = stalls();
	self->swapped = vm_counter("pswpout");
}

FIXTURE_TEARDOWN(pressure)
{
	restore_settings();
	pin_kswapd(false);
	munmap(self->p, LEN);
	leave_cgroup(CGROUP);
}

static bool most_is_dropped(pid_t pid, const uint8_t *p)
{
	return smaps_kb_of(pid, p, "Rss:") * 1024 < (long)LEN / 8;
}

/* Halfway between the watermark that wakes kswapd and the one for direct reclaim. */
static bool free_memory_is_low(void)
{
	long min = file_number(MIN_FREE, "", NULL);

	return file_number("/proc/meminfo", "MemFree:", NULL) < min + min / 8;
}

/*
 * Allocates ordinary memory, on the CPU of the test, until most of @p of the test is
 * dropped or the OOM killer kills this process. It checks @p itself, because the test may
 * get no CPU time to stop it. It makes itself the OOM killer's first choice.
 */
static void allocate_until_dropped(pid_t test, const uint8_t *p, enum alloc_rate rate)
{
	struct sched_param realtime = { .sched_priority = 1 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	write_to_file("/proc/self/oom_score_adj", "1000");
	leave_cgroup(CGROUP);
	if (rate == ALLOC_REALTIME)
		sched_setscheduler(0, SCHED_FIFO, &realtime);
	while (!most_is_dropped(test, p)) {
		/* Each allocation wakes kswapd, so go on allocating, but slowly. */
		bool slow = rate == ALLOC_THROTTLED && free_memory_is_low();
		size_t step = slow ? ALLOC_STEP / 32 : ALLOC_STEP;
		/* Huge pages are faster, but may enter direct reclaim. */
		uint8_t *more = rate == ALLOC_THROTTLED ? map_pages(MAP_PRIVATE, step) :
						 map_huge(MAP_PRIVATE, step);

		for (size_t i = 0; i < step; i += page)
			more[i] = 1;
		if (rate == ALLOC_THROTTLED)
			usleep(50000);
	}
	_exit(0);
}

/*
 * Allocates memory in a child until most of @p is dropped. Returns false if the kernel
 * killed the child before. With ALLOC_REALTIME, one step may take the last memory after
 * the kernel has dropped all of @p: then an OOM kill is no failure.
 */
static bool apply_pressure(const uint8_t *p, enum alloc_rate rate)
{
	pid_t test = getpid(), pid = fork();
	int status;

	if (!pid)
		allocate_until_dropped(test, p, rate);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	return !status ||
	       (rate == ALLOC_REALTIME && WIFSIGNALED(status) && most_is_dropped(test, p));
}

TEST_F(pressure, direct_reclaim_drops)
{
	/* On the allocating task's CPU, kswapd gets hardly any time. */
	pin_kswapd(true);
	EXPECT_TRUE(apply_pressure(self->p, ALLOC_REALTIME));
	/* Sometimes kswapd drops the pages all the same: try again. */
	for (long end = 0; vm_counter("pgsteal_direct") - self->direct <= PAGES / 16 &&
	     may_retry(&end);) {
		fill_pages(self->p, LEN);
		ASSERT_TRUE(apply_pressure(self->p, ALLOC_REALTIME));
	}
	EXPECT_LT(0, stalls() - self->stalls);
	EXPECT_LT(PAGES / 16, vm_counter("pgsteal_direct") - self->direct);
	expect_dropped(_metadata, self->p, LEN, PAGES * 3 / 4);
}

TEST_F(pressure, kswapd_drops)
{
	long free_kb = file_number("/proc/meminfo", "MemFree:", NULL);

	/*
	 * kswapd starts at a quarter above min_free_kbytes, long before the allocating
	 * task is short of memory.
	 */
	ASSERT_TRUE(change_setting(MIN_FREE, free_kb * 3 / 4));
	EXPECT_TRUE(apply_pressure(self->p, ALLOC_THROTTLED));
	/* On a busy machine kswapd may start too late: direct reclaim drops the pages. */
	for (long end = 0; vm_counter("pgsteal_direct") - self->direct > PAGES / 2 &&
	     may_retry(&end);) {
		self->direct = vm_counter("pgsteal_direct");
		fill_pages(self->p, LEN);
		ASSERT_TRUE(apply_pressure(self->p, ALLOC_THROTTLED));
	}
	/*
	 * kswapd dropped the pages that direct reclaim did not. kswapd's own counter may
	 * lag behind, and with swap it includes the child's pages.
	 */
	EXPECT_GE(PAGES / 2, vm_counter("pgsteal_direct") - self->direct);
	EXPECT_LT(PAGES / 16, vm_counter("pgsteal_kswapd") - self->kswapd);
	expect_dropped(_metadata, self->p, LEN, PAGES * 3 / 4);
}

/* The multi-gen LRU of Linux 6.12 leaves node reclaim out unless that may write pages to swap. */
static bool node_reclaim_has_to_write(void)
{
	return kernel_is_at_least(6, 12) &&
	       file_number("/sys/kernel/mm/lru_gen/enabled", "0x", NULL) > 0;
}

/*
 * Node reclaim frees a page of this node although another node has free pages. If it may not
 * write pages to swap, it must recognize that a droppable page needs no write.
 */
TEST_F(pressure, node_reclaim_drops)
{
	bool may_write = node_reclaim_has_to_write();

	if (access(NODE_RECLAIM, F_OK))
		SKIP(return, "this kernel has no NUMA");
	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "this machine has only one node");
	ASSERT_TRUE(change_setting(MIN_UNMAPPED, 0));
	/* RECLAIM_ZONE and RECLAIM_UNMAP, but not RECLAIM_WRITE if that can be avoided. */
	ASSERT_TRUE(change_setting(NODE_RECLAIM, 1 | (may_write ? 2 : 0) | 4));
	EXPECT_TRUE(apply_pressure(self->p, ALLOC_NORMAL));
	EXPECT_LT(PAGES / 2, vm_counter("pgsteal_direct") - self->direct);
	EXPECT_EQ(0, stalls() - self->stalls);
	EXPECT_TRUE(may_write || swapped_few(self->swapped));
	expect_dropped(_metadata, self->p, LEN, PAGES * 3 / 4);
}

/*
 * Zeros tell a program that a page was dropped. So a thread that has seen zeros must never
 * see the old contents again, on any CPU. Each page holds the number of the round. In a
 * round, all pages are written, then dropped in one call, and read meanwhile: above all
 * while the dropper is halfway, when a page table entry is cleared but a TLB may still
 * hold the old translation.
 */
#define RACE_PAGES	512
#define RACE_MS		4000
/* If rounds take long, the race goes on until it has seen this many drops. */
#define RACE_SEEN	RACE_PAGES
#define RACE_MAX_MS	60000

static struct {
	uint8_t *p;
	/* The last round in which zeros were seen in the page. */
	atomic_ulong dropped[RACE_PAGES];
	atomic_ulong written, to_drop, done;
	atomic_bool stop;
	atomic_int front;
	unsigned long seen;	/* drops seen */
	unsigned long undone;	/* old contents seen again after the drop was seen */
	unsigned long wrong;	/* contents of another round seen */
} race;

static unsigned long read_page(int i)
{
	return atomic_load((atomic_ulong *)(race.p + i * page));
}

static void write_round(unsigned long round)
{
	for (int i = 0; i < RACE_PAGES; i++)
		atomic_store((atomic_ulong *)(race.p + i * page), round);
	atomic_store(&race.written, round);
}

static void *dropper(void *unused)
{
	(void)unused;
	pin_to_cpu(1);
	while (!atomic_load(&race.stop)) {
		unsigned long round = atomic_load(&race.to_drop);

		if (round != atomic_load(&race.done)) {
			madvise(race.p, RACE_PAGES * page, MADV_PAGEOUT);
			atomic_store(&race.done, round);
		}
		usleep(50);
	}
	return NULL;
}

/*
 * Record which pages are dropped. The kernel drops them in order, except pages that are
 * accessed meanwhile. So this reads on from race.front, the first page not read yet, and
 * stops after @max_present pages that are not dropped.
 */
static void record_drops(int max_present)
{
	unsigned long round = atomic_load(&race.written);
	int i;

	while ((i = atomic_load(&race.front)) < RACE_PAGES && max_present) {
		bool zeros = !read_page(i);

		/* Otherwise the zeros may belong to the previous round. */
		if (atomic_load(&race.written) != round)
			break;
		if (zeros)
			atomic_store(&race.dropped[i], round);
		else
			max_present--;
		/* Fails if the next round has begun. */
		atomic_compare_exchange_strong(&race.front, &i, i + 1);
	}
}

/* A page recorded as dropped must read as zeros; with @all, check the others as well. */
static void check_pages(unsigned long round, bool all)
{
	for (int i = 0; i < RACE_PAGES; i++) {
		bool dropped = atomic_load(&race.dropped[i]) == round;
		unsigned long value = dropped || all ? read_page(i) : 0;

		race.undone += dropped && value;
		race.wrong += value && value != round;
	}
}

/* Runs on the dropper's CPU, so that each wakeup interrupts a drop. */
static void *watcher(void *unused)
{
	(void)unused;
	pin_to_cpu(1);
	while (!atomic_load(&race.stop)) {
		if (atomic_load(&race.done) != atomic_load(&race.to_drop))
			record_drops(2);
		usleep(200);
	}
	return NULL;
}

/* Keeps the address space active on CPU 0, so that only the drop flushes its TLB. */
static void *idler(void *unused)
{
	(void)unused;
	pin_to_cpu(0);
	while (!atomic_load(&race.stop))
		sched_yield();
	return NULL;
}

static void check_without_migration(unsigned long round)
{
	check_pages(round, false);
}

static void check_after_migration(unsigned long round)
{
	pin_to_cpu(1);
	record_drops(2);
	pin_to_cpu(0);
	check_pages(round, false);
}

static bool race_is_done(long begin)
{
	return now_ms() - begin >= (race.seen < RACE_SEEN ? RACE_MAX_MS : RACE_MS);
}

static void run_race(struct __test_metadata *_metadata, void *(*other)(void *),
		     void (*check)(unsigned long round))
{
	long begin = now_ms();
	pthread_t threads[2];
	unsigned long round;

	SKIP_IF_NOT_SELECTED();
	/* Base pages in one page table: reclaim drops them in one batch. */
	race.p = map_huge(MAP_DROPPABLE, RACE_PAGES * page);
	ASSERT_EQ(0, madvise(race.p, RACE_PAGES * page, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, dropper, NULL));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, other, NULL));

	pin_to_cpu(0);
	for (round = 1; !race_is_done(begin); round++) {
		/* A stale TLB entry shows only in a page that did not replace the zero page. */
		madvise(race.p, RACE_PAGES * page, MADV_DONTNEED);
		write_round(round);
		check_pages(round, true);
		atomic_store(&race.front, 0);
		atomic_store(&race.to_drop, round);
		while (atomic_load(&race.done) != round)
			check(round);
		check_pages(round, true);
		for (int i = 0; i < RACE_PAGES; i++)
			race.seen += atomic_load(&race.dropped[i]) == round;
	}
	atomic_store(&race.stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);

	TH_LOG("%lu rounds, %lu drops seen", round - 1, race.seen);
	EXPECT_EQ(0UL, race.wrong);
	EXPECT_EQ(0UL, race.undone);
	EXPECT_LE(RACE_SEEN, race.seen);
}

TEST(drop_seen_on_one_cpu_is_not_undone_on_another)
{
	run_race(_metadata, watcher, check_without_migration);
}

TEST(drop_seen_is_not_undone_by_moving_to_another_cpu)
{
	run_race(_metadata, idler, check_after_migration);
}

/* Interrupts that flushed the TLB, on all CPUs; -1 if the architecture does not count them. */
static long tlb_flushes(void)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[1024], *at, *next;
	long sum = -1, number;

	while (f && sum < 0 && fgets(line, sizeof(line), f)) {
		at = strstr(line, "TLB:");
		if (!at)
			continue;
		sum = 0;
		for (at += 4; number = strtol(at, &next, 10), next != at; at = next)
			sum += number;
	}
	if (f)
		fclose(f);
	return sum;
}

/* Unlike idler(), never leaves CPU 0 to another task. */
static void *spinner(void *running)
{
	pin_to_cpu(0);
	atomic_store((atomic_bool *)running, true);
	while (!atomic_load(&race.stop))
		;
	return NULL;
}

/* Flushes while @type memory is dropped. A thread keeps the address space active on CPU 0. */
static long count_flushes(struct __test_metadata *_metadata, int type)
{
	size_t len = RACE_PAGES * page;
	uint8_t *p = map_huge(type, len);
	atomic_bool running = false;
	pthread_t thread;
	long flushes;

	EXPECT_EQ(0, madvise(p, len, MADV_NOHUGEPAGE));
	fill_pages(p, len);
	drain_lists();
	EXPECT_EQ(0, madvise(p, len, type == MAP_PRIVATE ? MADV_FREE : MADV_COLD));
	drain_lists();
	atomic_store(&race.stop, false);
	pthread_create(&thread, NULL, spinner, &running);
	while (!atomic_load(&running))
		sched_yield();
	flushes = -tlb_flushes();
	EXPECT_EQ(0, madvise(p, len, MADV_PAGEOUT));
	flushes += tlb_flushes();
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	EXPECT_LE(NEARLY(RACE_PAGES), count_dropped(p, len));
	munmap(p, len);
	return flushes;
}

/* One flush for many pages, as for lazily freed ones. */
TEST(tlb_is_flushed_as_rarely_as_for_lazily_freed_pages)
{
	long lazily_freed, droppable;

	SKIP_IF_NOT_SELECTED();
	if (tlb_flushes() < 0)
		SKIP(return, "this architecture does not count TLB flushes");
	pin_to_cpu(1);
	lazily_freed = count_flushes(_metadata, MAP_PRIVATE);
	droppable = count_flushes(_metadata, MAP_DROPPABLE);
	TH_LOG("%ld flushes for %d droppable pages, %ld for lazily freed ones", droppable,
	       RACE_PAGES, lazily_freed);
	EXPECT_LT(0, lazily_freed);
	EXPECT_GE(2 * lazily_freed, droppable);
}

TEST_HARNESS_MAIN
