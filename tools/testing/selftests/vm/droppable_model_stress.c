// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations that make the kernel reclaim and move pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "droppable_model.h"
#include "droppable_util.h"

#define CGROUP		"droppable_model"
#define KSM_RUN		"/sys/kernel/mm/ksm/run"
#define HUGE		"/sys/kernel/mm/transparent_hugepage/enabled"
#define MB		(1024L * 1024)
#define MOVE_PAGES	64

static bool has_cgroup, has_nodes, is_small, had_no_huge;
static pid_t owner;

void end_stress(void)
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
		lacks("memory cgroup");
	else
		write_to_file(KSM_RUN, "1");
	/* The kernel leaves them off on a machine with little memory. */
	had_no_huge = file_number(HUGE, "always madvise [never]", NULL) >= 0;
	if (had_no_huge && (!has_cgroup || !write_to_file(HUGE, "madvise")))
		lacks("huge pages");
	if (!has_nodes)
		lacks("second node");
	if (!has_cgroup || !is_small)
		lacks("global pressure: this machine is not a small one of our own");
	atexit(end_stress);
}

void op_reclaim(void)
{
	size_t bytes = (1 + rnd(16)) * MB / (rnd(2) ? 1 : 8);

	if (!has_cgroup)
		return;
	note("reclaim %zu", bytes);
	reclaim_cgroup(CGROUP, bytes);
	/* What was swapped is there now, and gone when it is used again. */
	if (!(bytes & MB))
		op_check_smaps();
}

static long droppable_rss(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");
	long rss = 0, total = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Rss: %ld", &rss) == 1)
			continue;
		if (!strncmp(line, "VmFlags:", 8) && strstr(line, " dp"))
			total += rss;
	}
	if (f)
		fclose(f);
	return total << 10;
}

/* Below what is in use by half of what is droppable: nobody may be killed. */
void op_limit(void)
{
	uint32_t start = rnd(PAGES);
	long droppable, limit;
	char max[32];

	if (!has_cgroup || in_child)
		return;
	wait_child();
	/* One page that is held keeps all of its huge page. */
	unpin_all();
	droppable = droppable_rss();
	if (droppable < 2 * MB)
		return;
	limit = cgroup_number(CGROUP, "memory.current", "") - droppable / 2;
	note("limit to %ld, of which %ld droppable; write from %u", limit, droppable, start);
	snprintf(max, sizeof(max), "%ld", limit);
	set_cgroup(CGROUP, "memory.max", max);
	for (int i = start; i < PAGES && i < (int)start + 256; i++)
		if ((pages[i].attr & A_DROPPABLE) && (pages[i].attr & A_WRITE))
			write_words(i, 0, WORDS - 1);
	set_cgroup(CGROUP, "memory.max", "max");
}

static long scanned(void)
{
	return vm_counter("pgscan_kswapd") + vm_counter("pgscan_direct");
}

/* Not in our cgroup, where reclaim of all memory is not to stay. */
static void press(void)
{
	long start = scanned(), most = file_number("/proc/meminfo", "MemTotal:", NULL) << 10;

	write_to_file("/proc/self/oom_score_adj", "1000");
	write_to_file("/sys/fs/cgroup/cgroup.procs", "0");
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
	note("global pressure");
	child = fork();
	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (!child) {
		munmap(ARENA, (long)PAGES * PAGE);
		press();
		_exit(0);
	}
	/* Without swap it may be killed, when it has all that there is. */
	if (waitpid(child, &status, 0) != child || (WIFEXITED(status) && WEXITSTATUS(status)))
		fail("the pressing child ended with status %#x", status);
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
	note("move_pages %d+%d to node %d", r.first, r.nr, node);
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
	note("migrate_pages from node %d", from);
	if (syscall(SYS_migrate_pages, 0, 8UL, &old, &new) < 0)
		fail("migrate_pages: %s", strerror(errno));
}

void op_compact(void)
{
	note("compact");
	if (!write_to_file("/proc/sys/vm/compact_memory", "1"))
		lacks("compaction");
}
