// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE: accounting. The memory use of a process and its cgroup falls by the
 * pages dropped, drops count as lazily freed, and unmapping leaks nothing.
 *
 * Needs root, for a memory cgroup.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "droppable_util.h"

#define CGROUP		"droppable_account"
#define LEN		(4UL << 20)
#define KB(len)		((long)(len) / 1024)
/* Tolerance for per-CPU counters of two CPUs, and for other processes. */
#define SLACK_PAGES	256
#define CYCLES		1000000

FIXTURE(account) {
	uint8_t *p;
};

FIXTURE_VARIANT(account) {
	uint8_t *(*map)(int type, size_t len);
	bool huge;
};

FIXTURE_VARIANT_ADD(account, small) { map_pages, false };
FIXTURE_VARIANT_ADD(account, huge) { map_huge, true };

FIXTURE_SETUP(account)
{
	pin_to_cpu(0);
	ENTER_CGROUP(CGROUP);
	self->p = variant->map(MAP_DROPPABLE, LEN);
	fill_pages(self->p, LEN);
	if (variant->huge && smaps_kb(self->p, "AnonHugePages:") != KB(LEN))
		SKIP_ALL("the kernel has no free huge pages");
}

FIXTURE_TEARDOWN(account)
{
	munmap(self->p, LEN);
	leave_cgroup(CGROUP);
}

static long rss_anon(void)
{
	return file_number("/proc/self/status", "RssAnon:", NULL);
}

/* Drop all but a few pages, which may be in use for a moment. */
static bool pageout(uint8_t *p)
{
	return pageout_until(p, LEN, LEN / page / 32);
}

TEST_F(account, rss_falls_with_drops)
{
	long rss = rss_anon(), left;

	ASSERT_EQ(0, madvise(self->p, LEN, MADV_NOHUGEPAGE));
	EXPECT_EQ(KB(LEN), smaps_kb(self->p, "Rss:"));
	EXPECT_EQ(KB(LEN), smaps_kb(self->p, "Anonymous:"));
	ASSERT_TRUE(pageout(self->p));
	left = count_droppable(self->p, LEN) * KB(page);
	EXPECT_GT(KB(LEN) / 16, left);
	EXPECT_EQ(left, smaps_kb(self->p, "Rss:"));
	EXPECT_EQ(left, smaps_kb(self->p, "Anonymous:"));
	EXPECT_EQ(0, smaps_kb(self->p, "AnonHugePages:"));
	EXPECT_EQ(0, smaps_kb(self->p, "Swap:"));
	/* A task caches changes of up to 64 pages before it updates the counter. */
	EXPECT_GE(64 * KB(page), labs(rss - rss_anon() - (KB(LEN) - left)));

	/* Reads map the zero page, which does not count; written pages count. */
	EXPECT_LE(0, count_dropped(self->p, LEN));
	EXPECT_EQ(left, smaps_kb(self->p, "Rss:"));
	fill_pages(self->p, LEN);
	EXPECT_EQ(KB(LEN), smaps_kb(self->p, "Rss:"));
	EXPECT_GE(64 * KB(page), labs(rss - rss_anon()));
}

TEST_F(account, smaps_lazyfree_counts_clean_pages)
{
	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_FREE));
	EXPECT_EQ(KB(LEN), smaps_kb(self->p, "Rss:"));
	EXPECT_EQ(KB(LEN), smaps_kb(self->p, "LazyFree:"));
	/* Reads leave the pages clean. */
	EXPECT_EQ(0, count_dropped(self->p, LEN));
	EXPECT_EQ(KB(LEN), smaps_kb(self->p, "LazyFree:"));
	fill_pages(self->p, LEN);
	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_FREE));
	EXPECT_EQ(KB(LEN), smaps_kb(self->p, "LazyFree:"));
}

/* A failed drop sets the page's dirty flag, not only the one in the page table. */
TEST_F(account, smaps_lazyfree_is_right_after_a_failed_drop)
{
	int fds[2];

	ASSERT_TRUE(hold_pages(fds, self->p, page));
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_PAGEOUT));
	EXPECT_EQ(0, count_dropped(self->p, page));
	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
	close(fds[0]);
	close(fds[1]);
	fill_pages(self->p, LEN);
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_FREE));
	EXPECT_EQ(smaps_kb(self->p, "Rss:"), smaps_kb(self->p, "LazyFree:"));
	fill_pages(self->p, LEN);
	EXPECT_EQ(0, smaps_kb(self->p, "LazyFree:"));
}

static long stat_pages(const char *key)
{
	return cgroup_number(CGROUP, "memory.stat", key) / (long)page;
}

/* The cgroup's counters are exact; the machine's include other processes. */
TEST_F(account, drops_are_counted_as_lazily_freed)
{
	long freed, memcg_freed, dropped, advised = vm_counter("pglazyfree");
	long memcg_advised = cgroup_number(CGROUP, "memory.stat", "pglazyfree ");

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, variant->huge ? madvise(self->p, LEN, MADV_HUGEPAGE) : 0);
		fill_pages(self->p, LEN);
		ASSERT_EQ(0, madvise(self->p, LEN, MADV_NOHUGEPAGE));
		/* First dirty pages, then clean; first MADV_PAGEOUT, last cgroup reclaim. */
		ASSERT_EQ(0, i ? madvise(self->p, LEN, MADV_FREE) : 0);
		freed = vm_counter("pglazyfreed");
		memcg_freed = cgroup_number(CGROUP, "memory.stat", "pglazyfreed ");
		if (i == 2)
			reclaim_until(CGROUP, self->p, LEN / page / 32);
		else
			ASSERT_TRUE(pageout(self->p));
		dropped = LEN / page - smaps_kb(self->p, "Rss:") / KB(page);
		EXPECT_LT((long)(LEN / page) / 2, dropped);
		EXPECT_EQ(dropped,
			  cgroup_number(CGROUP, "memory.stat", "pglazyfreed ") - memcg_freed);
		EXPECT_LE(dropped, vm_counter("pglazyfreed") - freed);
		EXPECT_GE(dropped + SLACK_PAGES, vm_counter("pglazyfreed") - freed);
	}
	/* MADV_FREE does not count them again: they are lazily freed from the start. */
	EXPECT_EQ(memcg_advised, cgroup_number(CGROUP, "memory.stat", "pglazyfree "));
	EXPECT_GT(SLACK_PAGES, vm_counter("pglazyfree") - advised);
}

/* Memory use of the cgroup, in pages. The test itself allocates nothing else meanwhile. */
struct usage {
	long current, anon, anon_lists, file_lists, huge;
};

static struct usage usage(void)
{
	return (struct usage){
		.current = cgroup_number(CGROUP, "memory.current", "") / (long)page,
		.anon = stat_pages("anon "),
		.anon_lists = stat_pages("inactive_anon ") + stat_pages("active_anon "),
		.file_lists = stat_pages("inactive_file ") + stat_pages("active_file "),
		.huge = stat_pages("anon_thp "),
	};
}

#define EXPECT_NEAR(a, b)	EXPECT_GE(SLACK_PAGES, labs((a) - (b)))

static void expect_less(struct __test_metadata *_metadata, const struct usage *before,
			const struct usage *after, long pages)
{
	EXPECT_NEAR(pages, before->current - after->current);
	EXPECT_NEAR(pages, before->anon - after->anon);
	/* Droppable pages are on the file lists, which reclaim scans without swap. */
	EXPECT_NEAR(pages, before->file_lists - after->file_lists);
	EXPECT_NEAR(0, before->anon_lists - after->anon_lists);
}

TEST_F(account, cgroup_usage_falls_with_drops)
{
	long pages = LEN / page, left;
	struct usage full, empty, gone;

	full = usage();
	ASSERT_EQ(0, madvise(self->p, LEN, MADV_NOHUGEPAGE));
	ASSERT_TRUE(pageout(self->p));
	empty = usage();
	left = smaps_kb(self->p, "Rss:") / KB(page);
	expect_less(_metadata, &full, &empty, pages - left);
	EXPECT_NEAR(variant->huge ? pages : 0, full.huge - empty.huge);

	fill_pages(self->p, LEN);
	ASSERT_EQ(0, munmap(self->p, LEN));
	gone = usage();
	expect_less(_metadata, &full, &gone, pages);
	EXPECT_NEAR(variant->huge ? pages : 0, full.huge - gone.huge);
}

/* Counters of the whole machine. Free pages come first: see change(). */
static const char * const counters[] = {
	"nr_free_pages",
	"nr_anon_pages", "nr_inactive_anon", "nr_active_anon",
	"nr_inactive_file", "nr_active_file", "nr_isolated_anon", "nr_isolated_file",
	"nr_unevictable", "nr_mlock", "nr_anon_transparent_hugepages",
};

#define COUNTERS	ARRAY_SIZE(counters)

/* Free pages in per-CPU lists. */
static long free_in_cpu_lists(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	char line[256];
	long sum = 0, count;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %ld", &count) == 1)
			sum += count;
	if (f)
		fclose(f);
	return sum;
}

static void read_counters(long values[COUNTERS])
{
	/* Caches do not count; compaction drains the per-CPU LRU lists. */
	write_to_file("/proc/sys/vm/drop_caches", "3");
	write_to_file("/proc/sys/vm/compact_memory", "1");
	write_to_file("/proc/sys/vm/stat_refresh", "1");
	for (size_t i = 0; i < COUNTERS; i++)
		values[i] = vm_counter(counters[i]);
	values[0] += free_in_cpu_lists();
}

static void touch(uint8_t *p, size_t len, bool populate)
{
	if (populate)
		madvise(p, len, MADV_POPULATE_WRITE);
	else
		for (size_t i = 0; i < len; i += page)
			p[i] = 1;
}

/* Unmaps pages in one of four states; returns how many there were. */
static long cycle(unsigned int n, bool huge)
{
	size_t len = huge ? HUGE_SIZE : (n % 512 + 1) * page;
	uint8_t *p = (huge ? map_huge : map_pages)(MAP_DROPPABLE, len);

	touch(p, len, n % 8);
	switch (n % 4) {
	case 1:
		madvise(p + len / 2, len / 2, MADV_PAGEOUT);
		touch(p, len, true);
		break;
	case 2:
		madvise(p, len, MADV_FREE);
		madvise(p, len, MADV_PAGEOUT);
		break;
	case 3:
		madvise(p, len, MADV_PAGEOUT);
		break;
	}
	munmap(p, len);
	return len / page;
}

/* Cycle through mappings of 1 to 512 pages, and every fourth time through a huge page too. */
static void run_cycles(long pages)
{
	unsigned int n = 0;

	while (pages > 0) {
		pages -= cycle(n * 37, false);
		if (n % 4 == 3)
			pages -= cycle(n / 4, true);
		n++;
	}
}

/*
 * How far a counter is from its old value. More free pages than before are no leak: other
 * kernel code freed them. KASAN's quarantine, for example, once freed 764.
 */
static long change(size_t i, const long before[COUNTERS], const long after[COUNTERS])
{
	return i ? labs(before[i] - after[i]) : before[i] - after[i];
}

static bool all_near(const long before[COUNTERS], const long after[COUNTERS])
{
	for (size_t i = 0; i < COUNTERS; i++)
		if (change(i, before, after) > SLACK_PAGES)
			return false;
	return true;
}

static void expect_no_leak(struct __test_metadata *_metadata, const long before[COUNTERS],
			   const struct usage *was, const struct usage *is)
{
	long after[COUNTERS] = { 0 };

	/* RCU and kernel threads may free memory late. */
	for (long end = 0; may_retry(&end);) {
		read_counters(after);
		if (all_near(before, after))
			break;
	}
	for (size_t i = 0; i < COUNTERS; i++) {
		EXPECT_GE(SLACK_PAGES, change(i, before, after))
			TH_LOG("%s: %ld before, %ld after", counters[i], before[i], after[i]);
	}
	expect_less(_metadata, was, is, 0);
}

FIXTURE(cycles) {
};

FIXTURE_SETUP(cycles)
{
	pin_to_cpu(0);
	ENTER_CGROUP(CGROUP);
}

FIXTURE_TEARDOWN(cycles)
{
	leave_cgroup(CGROUP);
}

TEST_F_TIMEOUT(cycles, a_million_pages_leak_nothing, 480)
{
	long before[COUNTERS], rss;
	struct usage was, is;

	/* Warm up: the kernel allocates some memory only once. */
	run_cycles(CYCLES / 50);
	read_counters(before);
	was = usage();
	rss = rss_anon();
	run_cycles(CYCLES);
	is = usage();
	EXPECT_GE(64 * KB(page), labs(rss - rss_anon()));
	expect_no_leak(_metadata, before, &was, &is);
}

/* Steps that put memory into a state in which the process exits. */
enum {
	TOUCH = 't', READ = 'r', DROP = 'd', DROP_HALF = 'D', CLEAN = 'c', CLEAN_HALF = 'C',
	PROTECT_HALF = 'p', UNMAP_HALF = 'u', MOVE = 'm'
};

static const char * const states[] = {
	"", "t", "td", "tD", "r", "tdr", "tdrt", "tc", "tC", "tDp", "tDu", "tDm",
};

static void take_step(uint8_t *p, char step)
{
	switch (step) {
	case TOUCH:
		fill_pages(p, LEN);
		break;
	case READ:
		count_dropped(p, LEN);
		break;
	case DROP:
		madvise(p, LEN, MADV_PAGEOUT);
		break;
	case DROP_HALF:
		for (size_t i = 0; i < LEN; i += LEN / 4)
			madvise(p + i, LEN / 8, MADV_PAGEOUT);
		break;
	case CLEAN:
		madvise(p, LEN, MADV_FREE);
		break;
	case CLEAN_HALF:
		madvise(p + LEN / 8, LEN / 2, MADV_FREE);
		break;
	case PROTECT_HALF:
		mprotect(p, LEN * 3 / 8, PROT_NONE);
		mprotect(p + LEN / 2, LEN / 4 + page, PROT_READ);
		madvise(p, LEN, MADV_PAGEOUT);
		break;
	case UNMAP_HALF:
		munmap(p + LEN * 3 / 8, LEN / 2 + page);
		break;
	case MOVE:
		if (mremap(p, LEN - page, 2 * LEN, MREMAP_MAYMOVE) == MAP_FAILED)
			_exit(1);
	}
}

static bool exits(uint8_t *(*map)(int type, size_t len), const char *state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		uint8_t *p = map(MAP_DROPPABLE, LEN);

		while (*state)
			take_step(p, *state++);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* Did the kernel report bad counters or bad pages? */
static bool kernel_reported_error(int kmsg)
{
	char line[1024];
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		line[n > 0 ? n : 0] = '\0';
		if (strstr(line, "Bad rss-counter") || strstr(line, "Bad page"))
			return true;
	}
	return false;
}

TEST_F(account, exit_in_any_state_leaks_nothing)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	long before[COUNTERS];
	struct usage was, is;

	ASSERT_LE(0, kmsg);
	ASSERT_LE(0, lseek(kmsg, 0, SEEK_END));
	ASSERT_TRUE(exits(variant->map, "t"));
	was = usage();
	read_counters(before);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		EXPECT_TRUE(exits(variant->map, states[i]) && !kernel_reported_error(kmsg))
			TH_LOG("exit in state '%s' failed, or left bad counters", states[i]);
	}
	is = usage();
	expect_no_leak(_metadata, before, &was, &is);
}

TEST_HARNESS_MAIN
