/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MADV_FREE of large folios without splitting them: see mm/lazyfree.c.
 */
#ifndef _MM_LAZYFREE_H
#define _MM_LAZYFREE_H

#include <linux/mm.h>
#include <linux/pagewalk.h>

struct mmu_gather;

/**
 * struct lazyfree_walk - private data of the page table walk of MADV_FREE
 * @tlb: collects the TLB entries to flush
 * @end: the end of the range in this VMA
 */
struct lazyfree_walk {
	struct mmu_gather *tlb;
	unsigned long end;
};

/*
 * Walk a range for MADV_FREE. Without CONFIG_LAZYFREE_LARGE_FOLIO, the private data is @tlb
 * itself, so that madvise.c compiles to the machine code of plain Linux.
 */
static inline void lazyfree_walk_range(struct vm_area_struct *vma, unsigned long start,
				       unsigned long end, const struct mm_walk_ops *ops,
				       struct mmu_gather *tlb)
{
	struct lazyfree_walk lazyfree = { tlb, end };

	walk_page_range(vma->vm_mm, start, end, ops,
			IS_ENABLED(CONFIG_LAZYFREE_LARGE_FOLIO) ? (void *)&lazyfree : tlb);
}

static inline struct mmu_gather *lazyfree_walk_tlb(const struct mm_walk *walk)
{
	struct lazyfree_walk *lazyfree = walk->private;

	return IS_ENABLED(CONFIG_LAZYFREE_LARGE_FOLIO) ? lazyfree->tlb : walk->private;
}

unsigned int lazyfree_large_folio(const struct mm_walk *walk, struct page *page,
				  unsigned long addr, unsigned long end,
				  pte_t *pte, spinlock_t *ptl);

#endif /* _MM_LAZYFREE_H */
