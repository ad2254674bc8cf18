/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests that do something to droppable pages and then want to know
 * whether they are what they were: droppable_move.c, droppable_access.c and
 * droppable_device.c.
 */
#ifndef _DROPPABLE_CHECK_H
#define _DROPPABLE_CHECK_H

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "droppable_util.h"

/* While the program runs: its tests, which are children of it, end without this. */
static struct huge_settings huge_before;

static __attribute__((constructor)) void allow_huge_pages(void)
{
	allow_huge(&huge_before);
}

static __attribute__((destructor)) void disallow_huge_pages(void)
{
	restore_huge(&huge_before);
}

/*
 * How many pages are mapped that are droppable; -1 if one is anonymous and not.
 * As with is_droppable_page(), but it asks once about a huge page.
 */
static inline long count_droppable(const uint8_t *p, size_t len)
{
	size_t page = getpagesize(), huge = HUGE_SIZE / page;
	uint64_t flags = 0, first = 0, frame;
	long found = 0;

	for (size_t at = 0; at < len && found >= 0; at += page) {
		frame = page_frame(p + at);
		if (!frame)
			continue;
		if (!(flags & KPF_THP) || frame / huge != first / huge)
			flags = frame_flags(frame);
		first = frame;
		if (are_droppable(flags))
			found++;
		else if (flags & KPF_ANON)
			found = -1;
	}
	return found;
}

/* Somebody else may be looking at a page for a moment, hence the patience. */
static inline bool pageout_drops(uint8_t *p, size_t len)
{
	long left = 1;

	for (time_t end = 0; left > 0 && patience(&end);) {
		drain_lists();
		if (madvise(p, len, MADV_PAGEOUT))
			return false;
		left = count_droppable(p, len);
	}
	return !left;
}

/*
 * What is wrong with droppable pages that fill_pages() wrote, of which at least
 * @present should still be there; "" if nothing is. None is there afterwards.
 */
static inline const char *trouble_with(uint8_t *p, size_t len, long present)
{
	long pages = len / getpagesize(), dropped;

	dropped = count_droppable(p, len);
	if (dropped < 0)
		return "a page is not droppable any more";
	if (dropped < present)
		return "too many pages are gone";
	dropped = count_dropped(p, len);
	if (dropped < 0)
		return "a page has contents that nobody wrote";
	if (pages - dropped < present)
		return "too many pages have lost their contents";
	if (!pageout_drops(p, len))
		return "MADV_PAGEOUT does not drop the pages";
	if (found_on_swap())
		return "a page is on the swap";
	if (count_dropped(p, len) != pages)
		return "a page has got its contents back";
	return "";
}

#endif /* _DROPPABLE_CHECK_H */
