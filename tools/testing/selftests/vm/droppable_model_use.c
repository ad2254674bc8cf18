// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on the pages by this process, its children and pipes; and operations
 * that make the kernel reclaim and move pages.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/uio.h>

#include "droppable_model.h"
#include "droppable_util.h"

#define PINS		4
#define PIN_PAGES	8
#define BUFFER_PAGES	16
#define NOTHING_WRITTEN	100	/* exit status of the writing child */
#define CGROUP		"droppable_model"
#define KSM_RUN		"/sys/kernel/mm/ksm/run"
#define HUGE		"/sys/kernel/mm/transparent_hugepage/enabled"
#define MB		(1024L * 1024)
#define MOVE_PAGES	64

struct pin {
	int fd[2];
	int nr;
};

static struct pin pins[PINS];
static pid_t sibling, owner;
static bool has_cgroup, has_nodes, is_small, had_no_huge;

static pid_t fork_or_fail(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	return pid;
}

/*
 * A buffer for contents of droppable pages: the kernel must not swap it either.
 * Locked each time, because the operations and fork() unlock it.
 */
uint8_t *locked_buffer(void)
{
	static uint8_t *buffer;

	if (!buffer)
		buffer = map_pages(MAP_PRIVATE, BUFFER_PAGES * PAGE);
	if (mlock(buffer, BUFFER_PAGES * PAGE))
		fail("mlock of a buffer: %s", strerror(errno));
	return buffer;
}

static void wipe_buffer(void)
{
	memset(locked_buffer(), 0, BUFFER_PAGES * PAGE);
}

static struct range pick_few(int max)
{
	struct range r = pick_mapped();

	r.nr = r.nr > max ? max : r.nr;
	return r;
}

/* How many pages at the start of the range have @attr? */
static int count_usable(struct range r, unsigned int attr)
{
	int nr = 0;

	while (nr < r.nr && pages[r.first + nr].mapped && (pages[r.first + nr].attr & attr))
		nr++;
	return nr;
}

void op_read(void)
{
	struct range r = pick_mapped();

	log_event("read %d+%d", r.first, r.nr);
	check_range(r);
}

void op_write(void)
{
	struct range r = pick_mapped();

	log_event("write %d+%d", r.first, r.nr);
	for (int i = r.first; i < r.first + r.nr; i++)
		if (pages[i].attr & A_WRITE)
			write_words(i, 0, WORDS - 1);
}

void op_write_words(void)
{
	struct range r = pick_few(32);
	int first = rnd(WORDS - 8), last = first + 7 + rnd(WORDS - first - 7);

	log_event("write words %d to %d of %d+%d", first, last, r.first, r.nr);
	for (int i = r.first; i < r.first + r.nr; i++)
		if (pages[i].attr & A_WRITE)
			write_words(i, first, last);
}

/* Write like a debugger, despite the protection. */
void op_poke(void)
{
	struct range r = pick_few(4);
	uint64_t *buffer = (uint64_t *)locked_buffer();
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	log_event("poke %d+%d", r.first, r.nr);
	for (int i = r.first; i < r.first + r.nr; i++) {
		struct layer l = new_layer(i, 0, WORDS - 1);

		make_page(buffer, i, &l);
		if (pwrite(fd, buffer, PAGE, (long)at(i)) != (pages[i].mapped ? PAGE : -1))
			fail("writing page %d through /proc/self/mem: %s", i, strerror(errno));
		if (pages[i].mapped)
			record_write(&pages[i], &l);
	}
	close(fd);
	wipe_buffer();
}

static int write_to_parent(pid_t parent, struct range r, const struct layer *layers)
{
	uint8_t *buffer = locked_buffer();
	struct iovec local = { buffer, (long)r.nr * PAGE }, remote = { at(r.first), local.iov_len };
	ssize_t done;

	for (int i = 0; i < r.nr; i++)
		make_page((uint64_t *)(buffer + (long)i * PAGE), r.first + i, &layers[i]);
	done = process_vm_writev(parent, &local, 1, &remote, 1, 0);
	wipe_buffer();
	return done >= 0 ? done / PAGE : errno == EFAULT ? NOTHING_WRITTEN : 255;
}

void op_child_writes(void)
{
	struct range r = pick_few(BUFFER_PAGES);
	struct layer layers[BUFFER_PAGES];
	int nr = count_usable(r, A_WRITE), status;
	pid_t parent = getpid(), child;

	log_event("child writes %d+%d", r.first, r.nr);
	for (int i = 0; i < r.nr; i++)
		layers[i] = new_layer(r.first + i, 0, WORDS - 1);
	child = fork_or_fail();
	if (!child)
		_exit(write_to_parent(parent, r, layers));
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		fail("the writing child ended with status %#x", status);
	if (WEXITSTATUS(status) != (nr ? nr : NOTHING_WRITTEN))
		fail("process_vm_writev: got status %d, expected %d pages", WEXITSTATUS(status),
		     nr);
	for (int i = 0; i < nr; i++)
		record_write(&pages[r.first + i], &layers[i]);
}

static void close_pin(struct pin *pin)
{
	close(pin->fd[0]);
	close(pin->fd[1]);
	pin->nr = 0;
}

static void inherit_after_fork(void)
{
	lock_future = 0;
	for (int i = 0; i < PAGES; i++) {
		struct page *p = &pages[i];

		p->attr &= ~(A_LOCKED | A_ONFAULT);
		p->pin = 0;
		if (p->attr & A_WIPE)
			forget_contents(p);
		if (p->attr & A_NOFORK) {
			forget_contents(p);
			p->mapped = false;
			p->attr = 0;
		}
	}
}

void init_child(void)
{
	in_child = true;
	sibling = 0;
	for (int i = 0; i < PINS; i++)
		if (pins[i].nr)
			close_pin(&pins[i]);
	inherit_after_fork();
	init_child_versions();
}

void wait_child(void)
{
	int status;

	if (!sibling)
		return;
	if (waitpid(sibling, &status, 0) != sibling || status)
		fail("the child ended with status %#x", status);
	sibling = 0;
}

void op_wait(void)
{
	log_event("wait");
	wait_child();
}

/* The child checks all pages, then runs random operations; the parent waits or runs on. */
void op_fork(void)
{
	bool wait = rnd(2);

	wait_child();
	log_event("fork%s", wait ? " and wait" : "");
	/* MADV_FREE in one process makes a shared page not swap backed in the other too. */
	for (int i = 0; i < PAGES; i++)
		pages[i].ever_freed = true;
	sibling = fork_or_fail();
	if (!sibling) {
		child_operations();
		_exit(0);
	}
	counts.forks++;
	if (wait)
		wait_child();
}

void op_pin(void)
{
	struct range r = pick_few(PIN_PAGES);
	int index = rnd(PINS), nr = count_usable(r, A_READ);
	struct pin *pin = &pins[index];
	struct iovec iov = { at(r.first), (long)r.nr * PAGE };
	ssize_t done;

	if (pin->nr)
		return;
	log_event("pin %d+%d", r.first, r.nr);
	if (pipe2(pin->fd, O_CLOEXEC))
		fail("pipe: %s", strerror(errno));
	done = vmsplice(pin->fd[1], &iov, 1, SPLICE_F_NONBLOCK);
	if (done != (nr ? (long)nr * PAGE : -1))
		fail("vmsplice: got %zd, expected %d pages: %s", done, nr, strerror(errno));
	pin->nr = nr;
	for (int i = 0; i < nr; i++) {
		struct page *p = &pages[r.first + i];

		/*
		 * If the page holds contents now, the pipe references this page. If not,
		 * it may reference the zero page, or a page that was dropped since.
		 */
		check_page(r.first + i);
		if (!(p->attr & A_DROPPABLE) || !p->nr || p->pin)
			continue;
		p->pin = index + 1;
		counts.pinned++;
	}
	if (!nr)
		close_pin(pin);
}

/* Pinned pages must have kept their contents. */
static void release_pin(int index)
{
	struct pin *pin = &pins[index];

	if (!pin->nr)
		return;
	log_event("unpin %d", index);
	for (int i = 0; i < PAGES; i++) {
		struct page *p = &pages[i];

		if (p->pin != index + 1)
			continue;
		check_page(i);
		p->pin = 0;
		p->seen = p->nr * WORDS;
	}
	close_pin(pin);
}

void op_unpin(void)
{
	release_pin(rnd(PINS));
}

static void unpin_all(void)
{
	for (int i = 0; i < PINS; i++)
		release_pin(i);
}

static void end_stress(void)
{
	if (!has_cgroup || getpid() != owner)
		return;
	write_to_file(KSM_RUN, "0");
	if (had_no_huge)
		write_to_file(HUGE, "never");
	leave_cgroup(CGROUP);
}

void init_stress(void)
{
	owner = getpid();
	has_cgroup = enter_cgroup(CGROUP, "max");
	has_nodes = !access("/sys/devices/system/node/node1", F_OK);
	is_small = file_number("/proc/meminfo", "MemTotal:", NULL) < 2 * MB;
	if (!has_cgroup)
		report_missing("a memory cgroup");
	else
		write_to_file(KSM_RUN, "1");
	/* The kernel disables them on machines with little memory. */
	had_no_huge = file_number(HUGE, "always madvise [never]", NULL) >= 0;
	if (had_no_huge && (!has_cgroup || !write_to_file(HUGE, "madvise")))
		report_missing("huge pages");
	if (!has_nodes)
		report_missing("a second memory node");
	if (!has_cgroup || !is_small)
		report_missing("global pressure: needs a cgroup and less than 2 GB of memory");
	atexit(end_stress);
}

void op_reclaim(void)
{
	size_t bytes = (1 + rnd(16)) * MB / (rnd(2) ? 1 : 8);

	if (!has_cgroup)
		return;
	log_event("reclaim %zu", bytes);
	reclaim_cgroup(CGROUP, bytes);
	/* Check at once for swapped pages: later accesses bring them back. */
	if (!(bytes & MB))
		op_check_smaps();
}

/*
 * Reclaim half of the droppable memory, and then fault some in at the limit: the OOM killer must
 * not run. Not memory.max alone: the kernel kills after 16 attempts that reclaim nothing, and did
 * so on a busy machine.
 */
void op_limit(void)
{
	uint32_t start = rnd(PAGES);
	long droppable, limit, now;

	if (!has_cgroup || in_child)
		return;
	wait_child();
	/* A pinned page keeps its whole huge page. */
	unpin_all();
	droppable = check_smaps() << 10;
	if (droppable < 2 * MB)
		return;
	limit = cgroup_number(CGROUP, "memory.current", "") - droppable / 2;
	log_event("limit to %ld (%ld droppable before); write from %u", limit, droppable, start);
	for (long end = 0; (now = cgroup_number(CGROUP, "memory.current", "")) > limit;) {
		if (!may_retry(&end))
			fail("the kernel reclaims no droppable memory: %ld bytes, not %ld", now,
			     limit);
		reclaim_cgroup(CGROUP, now - limit + PAGE);
	}
	limit_cgroup(CGROUP, limit + MB / 4);
	for (int i = start; i < PAGES && i < (int)start + 256; i++)
		if ((pages[i].attr & A_DROPPABLE) && (pages[i].attr & A_WRITE))
			write_words(i, 0, WORDS - 1);
	set_cgroup(CGROUP, "memory.max", "max");
}

static long scanned(void)
{
	return vm_counter("pgscan_kswapd") + vm_counter("pgscan_direct");
}

/* Allocate in the root cgroup: reclaim must be global, not limited to the test's cgroup. */
static void press_memory(void)
{
	long start = scanned(), most = file_number("/proc/meminfo", "MemTotal:", NULL) << 10;

	write_to_file("/proc/self/oom_score_adj", "1000");
	move_to_cgroup("", 0);
	for (long used = 0; used < most && scanned() - start < 3000; used += 2 * MB) {
		uint8_t *p = mmap(NULL, 2 * MB, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return;
		memset(p, 1, 2 * MB);
	}
}

void op_global_pressure(void)
{
	pid_t child;
	int status;

	if (!has_cgroup || !is_small || in_child)
		return;
	log_event("global pressure");
	child = fork_or_fail();
	if (!child) {
		munmap(ARENA, (long)PAGES * PAGE);
		press_memory();
		_exit(0);
	}
	/* Without swap, the OOM killer may kill the child when it has all memory. */
	if (waitpid(child, &status, 0) != child || (WIFEXITED(status) && WEXITSTATUS(status)))
		fail("the child that allocates memory ended with status %#x", status);
}

void op_move_pages(void)
{
	struct range r = pick_mapped();
	int node = rnd(2), nodes[MOVE_PAGES], status[MOVE_PAGES];
	void *p[MOVE_PAGES];

	if (!has_nodes)
		return;
	if (r.nr > MOVE_PAGES)
		r.nr = MOVE_PAGES;
	for (int i = 0; i < r.nr; i++) {
		p[i] = at(r.first + i);
		nodes[i] = node;
	}
	log_event("move_pages %d+%d to node %d", r.first, r.nr, node);
	if (syscall(SYS_move_pages, 0, (long)r.nr, p, nodes, status, 0) < 0)
		fail("move_pages: %s", strerror(errno));
	for (int i = 0; i < r.nr; i++)
		if (!pages[r.first + i].mapped && status[i] != -EFAULT && status[i] != -ENOENT)
			fail("move_pages: status %d of page %d, which is not mapped", status[i],
			     r.first + i);
}

void op_migrate_pages(void)
{
	int from = rnd(2);
	unsigned long old = 1UL << from, new = 1UL << !from;

	if (!has_nodes)
		return;
	log_event("migrate_pages from node %d", from);
	if (syscall(SYS_migrate_pages, 0, 8UL, &old, &new) < 0)
		fail("migrate_pages: %s", strerror(errno));
}

void op_compact(void)
{
	log_event("compact");
	if (!write_to_file("/proc/sys/vm/compact_memory", "1"))
		report_missing("compaction");
}
