/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of droppable and lazily freed memory: pages that can be told from
 * all others wherever they turn up, and what the kernel says about them.
 *
 * What fails for a reason that no test is about (no memory, no /proc) ends the
 * program with a message; what depends on the kernel or on rights is told by the
 * return value.
 *
 * It also includes the headers of libc that nearly all of them need.
 */
#ifndef _DROPPABLE_UTIL_H
#define _DROPPABLE_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE		0x08
#endif
#ifndef MADV_COLD
#define MADV_COLD		20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif

/* Of /proc/kpageflags: Documentation/admin-guide/mm/pagemap.rst. */
#define KPF(number)		(1ULL << (number))
#define KPF_DIRTY		KPF(4)
#define KPF_LRU			KPF(5)
#define KPF_ANON		KPF(12)
#define KPF_SWAPCACHE		KPF(13)
#define KPF_SWAPBACKED		KPF(14)
#define KPF_COMPOUND_HEAD	KPF(15)
#define KPF_COMPOUND_TAIL	KPF(16)
#define KPF_KSM			KPF(21)
#define KPF_THP			KPF(22)

#define HUGE_SIZE		(2UL << 20)

/* For a test that hangs. One in an emulated guest on a busy machine does not. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	240

/*
 * For what the kernel does at some time, and not at once: a page may be in the hands
 * of somebody who waits for a processor, as may all of the guest. Ask again and again:
 * "for (long end = 0; !done() && patience(&end);) ask();". Sleeps a little, but
 * for the first time; false when that has been going on for long enough.
 */
bool patience(long *end);
long now_ms(void);

extern size_t page;		/* its size */

/*
 * Memory. map_pages() with MAP_DROPPABLE or MAP_PRIVATE; map_huge() aligned to a
 * huge page, with MADV_HUGEPAGE. That asks for huge pages: the kernel switches them off
 * on a machine with little memory, and so they are on from here until the program ends.
 *
 * Where a test looks at what is left of a huge page, map_huge() is followed by
 * MADV_NOHUGEPAGE once the page is there: khugepaged makes another one of what is left.
 */
uint8_t *map_pages(int type, size_t len);
uint8_t *map_huge(int type, size_t len);

/* Write a pattern into each page that no other page of the machine starts with. */
void fill_pages(uint8_t *p, size_t len);
const uint8_t *pattern_page(void);

bool is_zero(const void *p, size_t len);

/*
 * How many of the pages hold zeros; -1 if one holds something that is neither
 * zeros nor what fill_pages() wrote.
 */
long count_dropped(const uint8_t *p, size_t len);

/*
 * read_swap() reads the swap devices in use, and returns for how many pages @is_one is
 * true. count_on_swap() counts the pages that start with the pattern. So does
 * found_on_swap(), but it reads, which takes its time, only if anything has been swapped
 * since the program began or since no such page was found.
 */
long read_swap(bool (*is_one)(const void *page));
long count_on_swap(void);
long found_on_swap(void);
bool swap_is_on(void);
/* Is this Linux @major.@minor, or later? */
bool kernel_since(int major, int minor);
/*
 * Take all swap devices off and on again: each CPU has a list of freed places, which keep
 * what they held until they leave it.
 */
bool renew_swap(void);

/*
 * The first line of a file that starts with @key; of smaps or maps, the one about @p. And
 * the number after @key in it, or -1: there is none.
 */
bool file_line(const char *file, const char *key, const void *p, char *line, int size);
long file_number(const char *file, const char *key, const void *p);
long vm_counter(const char *key);				/* of /proc/vmstat */
long smaps_kb(const void *p, const char *key);		/* "LazyFree:", in kB */
long smaps_kb_of(pid_t pid, const void *p, const char *key);
bool smaps_flag(const void *p, const char *flag);	/* " dp", of VmFlags: */

/* Of /proc/self/pagemap and /proc/kpageflags. */
void read_words(const char *file, uint64_t first, uint64_t *words, size_t nr);

/* Of the page that is mapped at @p; 0 if there is none. Needs root. */
uint64_t page_frame(const void *p);
uint64_t page_flags(const void *p);

/* Of a frame, and of the huge page that it is in: those are in its first. */
uint64_t frame_flags(uint64_t frame);

/* Do flags of a whole page say that it is anonymous and not swap backed? */
bool are_droppable(uint64_t flags);

/* Is such a page mapped at @p? */
bool is_droppable_page(const void *p);

/*
 * How many droppable pages are mapped; -1 if an anonymous page is not droppable. Does not
 * touch them.
 */
long count_droppable(const uint8_t *p, size_t len);

/*
 * New pages wait in lists of their CPU for a while, where reclaim does not see
 * them; MADV_PAGEOUT empties those of the CPU that it is called on.
 */
bool pin_to_cpu(int cpu);

/*
 * The lists of other CPUs too, where kernel threads have put pages: this empties
 * all of them, because it has to, and then finds that there is nothing to move.
 */
void drain_lists(void);

/* MADV_PAGEOUT, at least once, until at most @pages are left; false if more are. */
bool pageout_until(uint8_t *p, size_t len, long pages);

/*
 * What is wrong with droppable pages that fill_pages() wrote, of which at least
 * @present should still be there; "" if nothing is. None is there afterwards.
 */
const char *trouble_with(uint8_t *p, size_t len, long present);

/*
 * Make a pipe that refers to the pages, without a copy, until they are read from it or
 * both of its ends are closed.
 */
bool hold_pages(int ends[2], void *p, size_t len);

/*
 * For a fixture's setup, where SKIP(return, ...) would go on with the test. What the
 * harness of Linux 6.1 takes for skipped is not what later ones do: to it, KSFT_SKIP is
 * a failure in step 4.
 */
#ifdef FIXTURE_TEARDOWN_PARENT
#define SKIP_STATUS	KSFT_SKIP
#else
#define SKIP_STATUS	255
#endif
#define SKIP_ALL(...)	SKIP(_exit(SKIP_STATUS), __VA_ARGS__)

/* First in a test, or in what sets it up: is it the only one that is asked for? */
#define SKIP_OTHERS() do {						\
	const char *only = getenv("ONLY");				\
									\
	if (only && strcmp(only, _metadata->name))			\
		SKIP(_exit(255), "only %s", only);			\
} while (0)

/* In a fixture's setup: enter a memory cgroup without a limit, or skip the test. */
#define ENTER_CGROUP(name) do {						\
	if (!enter_cgroup(name, "max"))					\
		SKIP_ALL("no memory cgroup to be had: %s", strerror(errno));	\
} while (0)

/* A call that must fail: it returns -1, which MAP_FAILED is too, and sets errno. */
#define EXPECT_ERROR(error, call)	EXPECT_EQ(error, (long)(call) == -1 ? errno : 0)

/* Write @text to a file of /proc or /sys: false and errno if that fails. */
bool write_to_file(const char *file, const char *text);
bool write_number(const char *file, long number);

/* The same, but restore_settings() writes the old numbers back. */
bool change_setting(const char *file, long number);
bool restore_settings(void);

/*
 * Memory cgroups, limited to @max ("64M", "max"). Need root, and version 2.
 * enter_cgroup() makes one and puts this process into it; leave_cgroup() goes back
 * and removes it. cgroup_number() reads one of its files ("memory.events", "oom ";
 * key "" for a file of one number); reclaim_cgroup() writes @bytes to its
 * memory.reclaim, which gets as far as it gets.
 */
bool make_cgroup(const char *name, const char *max);
bool move_to_cgroup(const char *name, pid_t pid);
bool enter_cgroup(const char *name, const char *max);
bool set_cgroup(const char *name, const char *file, const char *value);
bool limit_cgroup(const char *name, long max);
long cgroup_number(const char *name, const char *file, const char *key);
void reclaim_cgroup(const char *name, size_t bytes);
/* Until at most @pages are left of a mapping. How often to ask is not promised. */
void reclaim_until(const char *name, const uint8_t *p, long pages);
long resident(const uint8_t *p);				/* pages of a mapping */
void leave_cgroup(const char *name);

#endif /* _DROPPABLE_UTIL_H */
