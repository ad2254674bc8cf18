/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MADV_FREE of large folios, whole: mm/lazyfree.c.
 */
#ifndef _MM_LAZYFREE_H
#define _MM_LAZYFREE_H

#include <linux/mm.h>
#include <linux/pagewalk.h>

struct mmu_gather;

/**
 * lazyfree_is_others - does this small folio belong to somebody else too?
 * @folio: mapped here; the lock of its page table is held, so that a fork waits
 *
 * A page that was read from swap may be clean, in no swap cache, and the only copy:
 * its place on swap is given back at once if the device is fast. A child that frees
 * it would free its parent's.
 */
static inline bool lazyfree_is_others(struct folio *folio)
{
	return folio_mapcount(folio) != 1;
}

#ifdef CONFIG_LAZYFREE_LARGE_FOLIO

/**
 * struct lazyfree_walk - what madvise() hands to its walk of the page tables
 * @tlb: collects what is to be flushed
 * @end: where the range of the advice ends, in this mapping
 */
struct lazyfree_walk {
	struct mmu_gather *tlb;
	unsigned long end;
};

/* Lives as long as the block that it is in. */
#define lazyfree_walk_private(tlb, end)	(&(struct lazyfree_walk){ tlb, end })

static inline struct mmu_gather *lazyfree_walk_tlb(const struct mm_walk *walk)
{
	return ((struct lazyfree_walk *)walk->private)->tlb;
}

unsigned int lazyfree_large_folio(const struct mm_walk *walk, struct page *page,
				  unsigned long addr, unsigned long end,
				  pte_t *pte, spinlock_t *ptl);

#else /* !CONFIG_LAZYFREE_LARGE_FOLIO */

#define lazyfree_walk_private(tlb, end)	(tlb)
#define lazyfree_walk_tlb(walk)		((walk)->private)

#endif /* !CONFIG_LAZYFREE_LARGE_FOLIO */

#endif /* _MM_LAZYFREE_H */
