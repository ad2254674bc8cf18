// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frees droppable memory in one way, and ordinary memory in the same way as a control. Then
 * scripts/tests/freed-memory searches the memory of the guest for what the pages held.
 *
 * usage: guest_freed WAY
 *
 * Prints "ready DROPPABLE ORDINARY PAGES": the word that each kind of page was filled with,
 * and how many pages of each kind were freed. Then it waits. Memory that is still mapped is
 * zeroed before that.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <signal.h>
#include <sys/syscall.h>

#include "guest.h"

#define PAGES	128

/* Memory before and after it is freed. */
struct memory {
	int type;	/* MAP_DROPPABLE or MAP_PRIVATE */
	uint64_t word;
	uint8_t *p;
	size_t len;	/* of what is freed */
	pid_t child;
	uint64_t frames[PAGES];
};

struct way {
	const char *name;
	void (*prepare)(struct memory *m);
	void (*release)(struct memory *m);
};

static void fill(struct memory *m)
{
	guest_fill(m->p, m->len, m->word);
}

static void zero(struct memory *m)
{
	memset(m->p, 0, m->len);
}

static void map(struct memory *m, bool huge)
{
	m->len = huge ? HUGE_SIZE : PAGES * page;
	m->p = huge ? map_huge(m->type, m->len) : map_pages(m->type, m->len);
	fill(m);
	if (huge)
		check(page_flags(m->p) & KPF_THP, "the kernel has no free huge page");
}

static void map_base(struct memory *m)
{
	map(m, false);
}

static void map_whole(struct memory *m)
{
	map(m, true);
}

/* In a range that can be collapsed. */
static void map_collapsible(struct memory *m)
{
	m->len = HUGE_SIZE;
	m->p = map_huge(m->type, m->len);
	madvise(m->p, m->len, MADV_NOHUGEPAGE);
	fill(m);
	check(!(page_flags(m->p) & KPF_THP), "a huge page is not wanted here");
}

static void drop(struct memory *m)
{
	/* Then ordinary memory is dropped too. */
	drain_lists();
	check(m->type == MAP_DROPPABLE || !madvise(m->p, m->len, MADV_FREE), "MADV_FREE failed");
	check(pageout_until(m->p, m->len, 0), "the pages are not dropped");
}

static void unmap(struct memory *m)
{
	munmap(m->p, m->len);
}

static void map_in_child(struct memory *m)
{
	int ready[2];
	char byte;

	check(!pipe(ready), "pipe failed");
	m->child = fork();
	if (!m->child) {
		map_base(m);
		check(write(ready[1], "", 1) == 1, "write failed");
		for (;;)
			pause();
	}
	close(ready[1]);
	check(m->child > 0 && read(ready[0], &byte, 1) == 1, "the child failed");
	close(ready[0]);
	m->len = PAGES * page;
}

static void kill_child(struct memory *m)
{
	kill(m->child, SIGKILL);
	check(waitpid(m->child, NULL, 0) == m->child, "waitpid failed");
}

static void move_page(uint8_t *p)
{
	int node = -1, status = -1;

	syscall(SYS_move_pages, 0, 1, &p, NULL, &node, 0);
	check(node == 0 || node == 1, "the page is on node %d", node);
	node = !node;
	for (long end = 0; status != node && may_retry(&end);)
		syscall(SYS_move_pages, 0, 1, &p, &node, &status, MPOL_MF_MOVE);
	check(status == node, "a page is not migrated: %d", status);
}

static void migrate(struct memory *m)
{
	for (size_t at = 0; at < m->len; at += page)
		move_page(m->p + at);
	zero(m);
}

/*
 * Compaction moves pages from one end of a zone into holes at the other end. Allocate the pages
 * between many others, then free those.
 */
static void scatter(struct memory *m)
{
	long free_kb = file_number("/proc/meminfo", "MemFree:", NULL);
	size_t chunk = free_kb * 1024 / 3 / PAGES & ~(page - 1);
	uint8_t *others = map_pages(MAP_PRIVATE, PAGES * chunk);

	m->len = PAGES * page;
	m->p = map_pages(m->type, m->len);
	for (size_t at = 0; at < m->len; at += page) {
		m->p[at] = 1;
		madvise(others + at / page * chunk, chunk, MADV_POPULATE_WRITE);
	}
	munmap(others, PAGES * chunk);
	fill(m);
	for (long i = 0; i < PAGES; i++)
		m->frames[i] = page_frame(m->p + i * page);
}

static void compact(struct memory *m)
{
	long moved = 0;

	for (long end = 0; moved < PAGES / 4 && may_retry(&end);) {
		check(write_to_file("/proc/sys/vm/compact_memory", "1"), "compaction failed");
		moved = 0;
		for (long i = 0; i < PAGES; i++)
			moved += page_frame(m->p + i * page) != m->frames[i];
	}
	check(moved >= PAGES / 4, "only %ld pages moved", moved);
	zero(m);
	m->len = moved * page;
}

static void collapse(struct memory *m)
{
	int ret = -1;

	check(!madvise(m->p, m->len, MADV_HUGEPAGE), "MADV_HUGEPAGE failed");
	for (long end = 0; ret && may_retry(&end);)
		ret = madvise(m->p, m->len, MADV_COLLAPSE);
	check(!ret && page_flags(m->p) & KPF_THP, "the pages are not collapsed");
	zero(m);
}

/* The huge page stays, unless the kernel splits it. */
static void unmap_second_half(struct memory *m)
{
	m->len /= 2;
	zero(m);
	munmap(m->p + m->len, m->len);
}

static void await_split(struct memory *m)
{
	long end = now_ms() + 5000;

	while (m->type == MAP_DROPPABLE && page_flags(m->p) & KPF_THP && now_ms() < end)
		usleep(10000);
}

static void unmap_half(struct memory *m)
{
	unmap_second_half(m);
	await_split(m);
}

/* A reference keeps the kernel from splitting the huge page until it gives up. */
static void unmap_half_and_migrate(struct memory *m)
{
	int ends[2];

	check(hold_pages(ends, m->p, page), "vmsplice failed");
	unmap_second_half(m);
	sleep(8);
	close(ends[0]);
	close(ends[1]);
	move_page(m->p);
	await_split(m);
}

static const struct way ways[] = {
	{ "drop", .prepare = map_base, .release = drop },
	{ "drop-huge", .prepare = map_whole, .release = drop },
	{ "munmap", .prepare = map_base, .release = unmap },
	{ "munmap-huge", .prepare = map_whole, .release = unmap },
	{ "exit", .prepare = map_in_child, .release = kill_child },
	{ "migration", .prepare = map_base, .release = migrate },
	{ "compaction", .prepare = scatter, .release = compact },
	{ "collapse", .prepare = map_collapsible, .release = collapse },
	{ "munmap-half", .prepare = map_whole, .release = unmap_half },
	{ "munmap-half-migration", .prepare = map_whole, .release = unmap_half_and_migrate },
	{ NULL }
};

int main(int argc, char **argv)
{
	struct memory droppable = { .type = MAP_DROPPABLE, .word = guest_word(MAP_DROPPABLE) };
	struct memory ordinary = { .type = MAP_PRIVATE, .word = guest_word(MAP_PRIVATE) };
	const struct way *way = ways;

	while (way->name && (argc != 2 || strcmp(way->name, argv[1])))
		way++;
	check(way->name, "usage: guest_freed WAY; see freed.c");
	check(pin_to_cpu(0), "pinning failed");

	way->prepare(&droppable);
	way->prepare(&ordinary);
	way->release(&droppable);
	way->release(&ordinary);
	printf("ready %016lx %016lx %zu\n", droppable.word, ordinary.word, ordinary.len / page);
	fflush(stdout);
	for (;;)
		pause();
}
