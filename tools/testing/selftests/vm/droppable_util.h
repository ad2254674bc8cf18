/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers for the tests of droppable and lazily freed memory: pages with a pattern that
 * no other page of the machine has, and the kernel's information about pages.
 *
 * Failures that no test is about (no memory, no /proc) end the program with a message.
 * Failures that depend on the kernel or on privileges are return values.
 *
 * Includes the libc headers that nearly all of these tests need.
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

/* Flags of /proc/kpageflags: see Documentation/admin-guide/mm/pagemap.rst. */
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
#define KPF_OWNER_PRIVATE	KPF(37)

#define HUGE_SIZE		(2UL << 20)

/* Ends a test that hangs; long enough for an emulated guest on a busy machine. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	240

/*
 * Retry what the kernel may fail to do at once, for example because another task holds a
 * reference to a page: "for (long end = 0; !done() && may_retry(&end);) try_it();".
 * Sleeps a little, except the first time; returns false after a timeout.
 */
bool may_retry(long *end);
long now_ms(void);

extern size_t page;		/* the page size */

/*
 * Map anonymous memory; @type is MAP_DROPPABLE or MAP_PRIVATE. map_huge() aligns it to a
 * huge page and applies MADV_HUGEPAGE. It also enables huge pages until the program ends,
 * because the kernel disables them on machines with little memory.
 *
 * A test that splits the huge page applies MADV_NOHUGEPAGE first. Otherwise khugepaged may
 * collapse the rest into a new one.
 */
uint8_t *map_pages(int type, size_t len);
uint8_t *map_huge(int type, size_t len);

/* Fill each page with the pattern, with which no other page of the machine starts. */
void fill_pages(uint8_t *p, size_t len);
const uint8_t *pattern_page(void);

bool is_zero(const void *p, size_t len);

/*
 * Returns how many pages hold zeros, or -1 if one holds neither zeros nor the pattern.
 * Reads the pages.
 */
long count_dropped(const uint8_t *p, size_t len);

/*
 * read_swap() reads all active swap devices and returns for how many pages @matches is
 * true. count_on_swap() counts the pages that start with the pattern. found_on_swap()
 * does the same, but skips the slow read if the kernel has swapped nothing since the
 * program started or since a read found no such page.
 */
long read_swap(bool (*matches)(const void *page));
long count_on_swap(void);
long found_on_swap(void);
bool swap_is_on(void);
/* Is the running kernel Linux @major.@minor or later? */
bool kernel_is_at_least(int major, int minor);
/*
 * Turn all swap devices off and on. This empties the per-CPU caches of freed swap slots,
 * which keep their old contents.
 */
bool reset_swap(void);

/*
 * file_line() finds the first line of @file that starts with @key; with @p, in the entry
 * of smaps or maps that contains @p. file_number() returns the number after @key, or -1 if
 * there is no such line.
 */
bool file_line(const char *file, const char *key, const void *p, char *line, int size);
long file_number(const char *file, const char *key, const void *p);
long vm_counter(const char *key);		/* from /proc/vmstat */
long smaps_kb(const void *p, const char *key);		/* "LazyFree:", in kB */
long smaps_kb_of(pid_t pid, const void *p, const char *key);
bool smaps_flag(const void *p, const char *flag);	/* " dp", in VmFlags: */

/* Read from /proc/self/pagemap or /proc/kpageflags. */
void read_words(const char *file, uint64_t first, uint64_t *words, size_t nr);

/* Frame number and flags of the page at @p; 0 if none is mapped. Need root. */
uint64_t page_frame(const void *p);
uint64_t page_flags(const void *p);

/* Flags of a frame; those of a huge page are in its first frame. */
uint64_t frame_flags(uint64_t frame);

/* Do these flags describe an anonymous page that is not swap backed? */
bool flags_are_droppable(uint64_t flags);

/* Is the page at @p present and droppable? */
bool is_droppable_page(const void *p);

/*
 * Returns how many droppable pages are present, or -1 if an anonymous page is not
 * droppable. Does not access the pages.
 */
long count_droppable(const uint8_t *p, size_t len);

/*
 * Reclaim does not see new pages while they are in a per-CPU list. MADV_PAGEOUT drains
 * the lists of the CPU that it runs on.
 */
bool pin_to_cpu(int cpu);

/*
 * Drain the per-CPU lists of all CPUs, where kernel threads may have put pages: by a
 * migrate_pages() that moves nothing, because source and target node are the same.
 */
void drain_lists(void);

/* Repeat MADV_PAGEOUT until at most @pages are left; false on timeout. */
bool pageout_until(uint8_t *p, size_t len, long pages);

/*
 * Check that pages written by fill_pages() are droppable, that at least @present of them
 * are left, and that reclaim drops them. With DROPPABLE_STRICT in the environment, they must
 * have the page flag too. Returns an error message, or "". Afterwards no page is left.
 */
const char *check_droppable(uint8_t *p, size_t len, long present);

/*
 * Make a pipe that holds references to the pages, without a copy, until they are read or
 * both ends are closed.
 */
bool hold_pages(int ends[2], void *p, size_t len);

/*
 * SKIP() for a fixture's setup, where SKIP(return, ...) would run the test. The harness
 * of Linux 6.1 takes 255 for a skip, and KSFT_SKIP for a failure in step 4; later ones
 * take KSFT_SKIP.
 */
#ifdef FIXTURE_TEARDOWN_PARENT
#define SKIP_STATUS	KSFT_SKIP
#else
#define SKIP_STATUS	255
#endif
#define SKIP_ALL(...)	SKIP(_exit(SKIP_STATUS), __VA_ARGS__)

/* First in a test or its setup: skip it if ONLY in the environment names another test. */
#define SKIP_IF_NOT_SELECTED() do {						\
	const char *only = getenv("ONLY");				\
									\
	if (only && strcmp(only, _metadata->name))			\
		SKIP(_exit(255), "only %s", only);			\
} while (0)

/* In a fixture's setup: enter a memory cgroup without a limit, or skip the test. */
#define ENTER_CGROUP(name) do {						\
	if (!enter_cgroup(name, "max"))					\
		SKIP_ALL("cannot enter a memory cgroup: %s", strerror(errno));	\
} while (0)

/* Expect that @call returns -1 or MAP_FAILED, and sets errno to @error. */
#define EXPECT_ERROR(error, call)	EXPECT_EQ(error, (long)(call) == -1 ? errno : 0)

/* Write @text to a file of /proc or /sys; on failure returns false and sets errno. */
bool write_to_file(const char *file, const char *text);
bool write_number(const char *file, long number);

/* Change a setting; restore_settings() restores the old numbers. */
bool change_setting(const char *file, long number);
bool restore_settings(void);

/*
 * Memory cgroups (version 2), limited to @max ("64M", "max"). Need root.
 * enter_cgroup() creates one and moves this process into it; leave_cgroup() returns
 * to the root cgroup and removes it. cgroup_number() reads one of its files
 * ("memory.events", "oom "; key "" for a file with a single number). reclaim_cgroup()
 * writes @bytes to memory.reclaim, which may reclaim less.
 */
bool make_cgroup(const char *name, const char *max);
bool move_to_cgroup(const char *name, pid_t pid);
bool enter_cgroup(const char *name, const char *max);
bool set_cgroup(const char *name, const char *file, const char *value);
bool limit_cgroup(const char *name, long max);
long cgroup_number(const char *name, const char *file, const char *key);
void reclaim_cgroup(const char *name, size_t bytes);
/* Reclaim until at most @pages of the mapping at @p are left. */
void reclaim_until(const char *name, const uint8_t *p, long pages);
long resident(const uint8_t *p);	/* resident pages of the mapping at @p */
void leave_cgroup(const char *name);

#endif /* _DROPPABLE_UTIL_H */
