// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: every way of reclaim drops a page, dirty or not, with swap or
 * without, and none leaves anything of it on the swap.
 *
 * Each test runs under the LRU and with the swap that it finds: whoever runs it
 * chooses. Needs root, for memory pressure and to look at the pages. ONLY in the
 * environment names the only test to run.
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
 * A page now and then is in somebody's hands, most often in a per-CPU list: what is
 * asked for, and how many of so many pages may be left for that to be true.
 */
#define NEARLY(pages)	((long)(pages) * 15 / 16)
#define FEW(pages)	((long)(pages) / 32)

static bool all_droppable(const uint8_t *p, size_t len)
{
	return count_droppable(p, len) >= 0;
}

/* Where a page has gone is looked at before it is touched, which brings it back. */
static void expect_dropped(struct __test_metadata *_metadata, const uint8_t *p, size_t len,
			   long at_least)
{
	EXPECT_EQ(0, smaps_kb(p, "Swap:"));
	EXPECT_EQ(0, found_on_swap());
	EXPECT_TRUE(all_droppable(p, len));
	EXPECT_LE(at_least, count_dropped(p, len));
}

static uint8_t *start_test(struct __test_metadata *_metadata, uint8_t *(*map)(int, size_t))
{
	uint8_t *p;

	SKIP_OTHERS();
	/* So that its pages are in this CPU's lists, which reclaim empties. */
	pin_to_cpu(0);
	/*
	 * Nor are others than those that a test is about to be swapped, time and again
	 * if reclaim has to be asked again: droppable ones are not locked by this.
	 */
	EXPECT_EQ(0, mlockall(MCL_CURRENT));
	ENTER_CGROUP(CGROUP);
	p = map(MAP_DROPPABLE, LEN);
	fill_pages(p, LEN);
	/* Nothing presses any more, but kswapd may not be done with the test before. */
	for (long end = 0; resident(p) < NEARLY(PAGES) && patience(&end);)
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
	self->p = start_test(_metadata, map_pages);
	self->swapped = vm_counter("pswpout");
}

FIXTURE_TEARDOWN(reclaim)
{
	munmap(self->p, LEN);
	leave_cgroup(CGROUP);
}

/* Other pages of this process are few. */
static bool hardly_swapped(long before)
{
	return vm_counter("pswpout") - before < PAGES / 16;
}

static void expect_nearly_dropped(struct __test_metadata *_metadata,
				  struct _test_data_reclaim *self)
{
	EXPECT_TRUE(hardly_swapped(self->swapped));
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
	EXPECT_TRUE(hardly_swapped(self->swapped));
	expect_dropped(_metadata, self->p, LEN, PAGES / 2);
}

TEST_F(reclaim, ordinary_memory_at_the_cgroup_limit_drops)
{
	long now = cgroup_number(CGROUP, "memory.current", "");
	/* Where there is swap, the other memory may go there first. */
	size_t most = swap_is_on() ? 8 * LEN : 2 * LEN;
	uint8_t *other = map_pages(MAP_PRIVATE, most);

	/* Without swap all of it has to go, or somebody is killed. */
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
	for (long end = 0; resident(self->p) > FEW(PAGES) && patience(&end);) {
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

/* Who only reads gets the page of zeros that all share: nothing to reclaim there. */
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

	/* And it can be written, and dropped again. */
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
	EXPECT_TRUE(hardly_swapped(self->swapped));
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
	/* It is the same page still: what is written is seen at both ends. */
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
 * That the tests above can fail: the same reclaim takes ordinary memory too where
 * there is swap to take it to, and loses nothing of it.
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
	EXPECT_TRUE(renew_swap());
	EXPECT_EQ(0, count_on_swap());
}

/* Huge pages, mapped as such or by page table entries of their small pages. */

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
	self->p = start_test(_metadata, map_huge);
	/* Free memory may be in small pieces, for a while. */
	for (int i = 0; i < 5 && smaps_kb(self->p, "AnonHugePages:") != LEN / 1024; i++) {
		madvise(self->p, LEN, MADV_DONTNEED);
		write_to_file("/proc/sys/vm/compact_memory", "1");
		fill_pages(self->p, LEN);
	}
	if (smaps_kb(self->p, "AnonHugePages:") != LEN / 1024)
		SKIP_ALL("no huge pages to be had");
	/* Or khugepaged may make one of what has just been split. */
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

/* This splits the huge page; the parts that stay are what it was. */
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
	/* In the middle: those before it must not be lost on the way either. */
	uint8_t *held = self->p + HUGE_SIZE / 2;
	int fds[2];

	ASSERT_TRUE(hold_pages(fds, held, page));
	for (int i = 0; i < 3; i++) {
		reclaim_cgroup(CGROUP, LEN);
		/* It may be whole still. */
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

/* The whole machine short of memory. */

#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"
#define NODE_RECLAIM	"/proc/sys/vm/zone_reclaim_mode"
#define MIN_UNMAPPED	"/proc/sys/vm/min_unmapped_ratio"
#define HOG_STEP	HUGE_SIZE

/* One takes all that it can get, one what there is, one waits for kswapd. */
enum hog { GREEDY, PLAIN, POLITE };

FIXTURE(pressure) {
	uint8_t *p;
	long direct, kswapd, stalls, swapped;
};

/* How often somebody had to reclaim for itself, because kswapd was not fast enough. */
static long stalls(void)
{
	/* For whichever zone an allocation may take from. */
	return vm_counter("allocstall_dma32") + vm_counter("allocstall_normal") +
	       vm_counter("allocstall_movable");
}

/* Where kswapd may run: on CPU 0 alone, or on all. */
static void place_kswapd(bool alone)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char file[300], name[16];
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int cpu = 0; cpu < (alone ? 1 : CPU_SETSIZE); cpu++)
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
	self->p = start_test(_metadata, map_pages);
	self->direct = vm_counter("pgsteal_direct");
	self->kswapd = vm_counter("pgsteal_kswapd");
	self->stalls = stalls();
	self->swapped = vm_counter("pswpout");
}

FIXTURE_TEARDOWN(pressure)
{
	restore_settings();
	place_kswapd(false);
	munmap(self->p, LEN);
	leave_cgroup(CGROUP);
}

static bool most_is_dropped(pid_t pid, const uint8_t *p)
{
	return smaps_kb_of(pid, p, "Rss:") * 1024 < (long)LEN / 8;
}

/* Halfway from where kswapd is woken to where it has not been fast enough. */
static bool kswapd_has_to_work(void)
{
	long min = file_number(MIN_FREE, "", NULL);

	return file_number("/proc/meminfo", "MemFree:", NULL) < min + min / 8;
}

/*
 * Takes ordinary memory until most of @p of the test has been dropped, or it is killed,
 * on the CPU that the test has its memory from. Looks at that itself: nobody knows
 * how far it gets before somebody else does. Others shall not be killed for it.
 */
static void hog(pid_t test, const uint8_t *p, enum hog kind)
{
	struct sched_param first = { .sched_priority = 1 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	write_to_file("/proc/self/oom_score_adj", "1000");
	leave_cgroup(CGROUP);
	if (kind == GREEDY)
		sched_setscheduler(0, SCHED_FIFO, &first);
	while (!most_is_dropped(test, p)) {
		/* Whoever wants a page wakes kswapd, so it has to go on, but slowly. */
		bool slow = kind == POLITE && kswapd_has_to_work();
		size_t step = slow ? HOG_STEP / 32 : HOG_STEP;
		/* Huge pages while there are any: that is faster, and less polite. */
		uint8_t *more = kind == POLITE ? map_pages(MAP_PRIVATE, step) :
						 map_huge(MAP_PRIVATE, step);

		for (size_t i = 0; i < step; i += page)
			more[i] = 1;
		if (kind == POLITE)
			usleep(50000);
	}
	_exit(0);
}

/*
 * False if the kernel killed the hog before it dropped most of what it could. That it
 * has dropped all, and has to kill somebody then, may be one step of a greedy hog.
 */
static bool press(const uint8_t *p, enum hog kind)
{
	pid_t test = getpid(), pid = fork();
	int status;

	if (!pid)
		hog(test, p, kind);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	return !status || (kind == GREEDY && WIFSIGNALED(status) && most_is_dropped(test, p));
}

TEST_F(pressure, direct_reclaim_drops)
{
	/* The hog leaves it hardly any time. */
	place_kswapd(true);
	EXPECT_TRUE(press(self->p, GREEDY));
	/* Now and then kswapd is the one that drops the pages all the same. */
	for (long end = 0; vm_counter("pgsteal_direct") - self->direct <= PAGES / 16 &&
	     patience(&end);) {
		fill_pages(self->p, LEN);
		ASSERT_TRUE(press(self->p, GREEDY));
	}
	EXPECT_LT(0, stalls() - self->stalls);
	EXPECT_LT(PAGES / 16, vm_counter("pgsteal_direct") - self->direct);
	expect_dropped(_metadata, self->p, LEN, PAGES * 3 / 4);
}

TEST_F(pressure, kswapd_drops)
{
	long free_kb = file_number("/proc/meminfo", "MemFree:", NULL);

	/*
	 * It starts a quarter above what others must leave free, which is long
	 * before they are short of memory themselves.
	 */
	ASSERT_TRUE(change_setting(MIN_FREE, free_kb * 3 / 4));
	EXPECT_TRUE(press(self->p, POLITE));
	/* On a busy machine it comes late, and the hog reclaims for itself. */
	for (long end = 0; vm_counter("pgsteal_direct") - self->direct > PAGES / 2 &&
	     patience(&end);) {
		self->direct = vm_counter("pgsteal_direct");
		fill_pages(self->p, LEN);
		ASSERT_TRUE(press(self->p, POLITE));
	}
	/*
	 * What direct reclaim did not take, kswapd did: its own counter may lag behind,
	 * and counts pages of the hog too where there is swap.
	 */
	EXPECT_GE(PAGES / 2, vm_counter("pgsteal_direct") - self->direct);
	EXPECT_LT(PAGES / 16, vm_counter("pgsteal_kswapd") - self->kswapd);
	expect_dropped(_metadata, self->p, LEN, PAGES * 3 / 4);
}

/*
 * The multi-gen LRU of Linux 6.12 no longer does: it takes ordinary pages off the list
 * that it may not write either, gets nothing for them, and leaves it to others to swap.
 */
static bool node_reclaim_looks_first(void)
{
	return file_number("/sys/kernel/mm/lru_gen/enabled", "0x", NULL) <= 0 ||
	       !kernel_since(6, 12);
}

/*
 * For a page of this node while another has some left. It may not write, so it is
 * the one that looks before it takes a page off the list whether it would have to.
 */
TEST_F(pressure, node_reclaim_drops)
{
	if (access(NODE_RECLAIM, F_OK))
		SKIP(return, "this kernel has no NUMA");
	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "this machine has only one node");
	ASSERT_TRUE(change_setting(MIN_UNMAPPED, 0));
	/* RECLAIM_ZONE and RECLAIM_UNMAP, but not RECLAIM_WRITE. */
	ASSERT_TRUE(change_setting(NODE_RECLAIM, 1 | 4));
	EXPECT_TRUE(press(self->p, PLAIN));
	EXPECT_LT(PAGES / 2, vm_counter("pgsteal_direct") - self->direct);
	if (node_reclaim_looks_first()) {
		EXPECT_EQ(0, stalls() - self->stalls);
		EXPECT_TRUE(hardly_swapped(self->swapped));
	} else {
		TH_LOG("ordinary pages may be swapped by this Linux: %ld were",
		       vm_counter("pswpout") - self->swapped);
	}
	expect_dropped(_metadata, self->p, LEN, PAGES * 3 / 4);
}

/*
 * A drop is told by zeros, so whoever has seen zeros must not see the old contents
 * again, on no CPU. Each page holds the number of the round. In a round all are
 * written, then dropped in one go, and all the while looked at: most of all while
 * the dropper is halfway, as page tables say that a page is gone, and a TLB may not
 * know it yet.
 */
#define RACE_PAGES	512
#define RACE_MS		2000
/* Where a round takes long, until so many drops have been seen. */
#define RACE_SEEN	RACE_PAGES
#define RACE_MAX_MS	60000

static struct {
	uint8_t *p;
	/* The last round in which zeros were seen in the page. */
	atomic_ulong dropped[RACE_PAGES];
	atomic_ulong written, to_drop, done;
	atomic_bool stop;
	atomic_int front;
	unsigned long seen, undone, wrong;
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
 * Note which pages are gone. They go one after the other, but for those that were
 * used meanwhile, so this reads only few of those that are still to go: race.front
 * is as far as it has come.
 */
static void look(int patience)
{
	unsigned long round = atomic_load(&race.written);
	int i;

	while ((i = atomic_load(&race.front)) < RACE_PAGES && patience) {
		bool zeros = !read_page(i);

		/* Else these may be the zeros of the round before. */
		if (atomic_load(&race.written) != round)
			break;
		if (zeros)
			atomic_store(&race.dropped[i], round);
		else
			patience--;
		/* Unless the next round has begun. */
		atomic_compare_exchange_strong(&race.front, &i, i + 1);
	}
}

/* Compare with what was noted before; or look at all. */
static void compare(unsigned long round, bool all)
{
	for (int i = 0; i < RACE_PAGES; i++) {
		bool dropped = atomic_load(&race.dropped[i]) == round;
		unsigned long value = dropped || all ? read_page(i) : 0;

		race.undone += dropped && value;
		race.wrong += value && value != round;
	}
}

/* On the dropper's CPU, so that each time it wakes up it interrupts a drop. */
static void *watcher(void *unused)
{
	(void)unused;
	pin_to_cpu(1);
	while (!atomic_load(&race.stop)) {
		if (atomic_load(&race.done) != atomic_load(&race.to_drop))
			look(2);
		usleep(200);
	}
	return NULL;
}

/* The address space stays in use on this CPU: nothing else flushes the TLB. */
static void *idler(void *unused)
{
	(void)unused;
	pin_to_cpu(0);
	while (!atomic_load(&race.stop))
		sched_yield();
	return NULL;
}

static void stay(unsigned long round)
{
	compare(round, false);
}

static void move(unsigned long round)
{
	pin_to_cpu(1);
	look(2);
	pin_to_cpu(0);
	compare(round, false);
}

static bool race_is_over(long begin)
{
	return now_ms() - begin >= (race.seen < RACE_SEEN ? RACE_MAX_MS : RACE_MS);
}

static void run_race(struct __test_metadata *_metadata, void *(*other)(void *),
		     void (*check)(unsigned long round))
{
	long begin = now_ms();
	pthread_t threads[2];
	unsigned long round;

	SKIP_OTHERS();
	/* Small pages, all in one page table: reclaimed in one go. */
	race.p = map_huge(MAP_DROPPABLE, RACE_PAGES * page);
	ASSERT_EQ(0, madvise(race.p, RACE_PAGES * page, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, dropper, NULL));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, other, NULL));

	pin_to_cpu(0);
	for (round = 1; !race_is_over(begin); round++) {
		/* A stale translation only shows of a page that took no zero page's place. */
		madvise(race.p, RACE_PAGES * page, MADV_DONTNEED);
		write_round(round);
		compare(round, true);
		atomic_store(&race.front, 0);
		atomic_store(&race.to_drop, round);
		while (atomic_load(&race.done) != round)
			check(round);
		compare(round, true);
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
	run_race(_metadata, watcher, stay);
}

TEST(drop_seen_is_not_undone_by_moving_to_another_cpu)
{
	run_race(_metadata, idler, move);
}

TEST_HARNESS_MAIN
