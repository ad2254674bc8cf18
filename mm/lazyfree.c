// SPDX-License-Identifier: GPL-2.0-only
/*
 * MADV_FREE of large folios without splitting them.
 *
 * Reclaim treats a large folio as a unit: it is lazily free as a whole or not at all. To free
 * a part of it, madvise() must split it. A folio that lies in the range with all of its pages
 * need not be split, even if it is mapped by PTEs. An mprotect() of one page and back leaves
 * such a mapping, and so does an mremap() to another alignment. (The range ends where the VMA
 * ends, so a folio that two VMAs map is split.)
 *
 * The whole folio becomes clean and lazily free, so no other mapping may need any of its
 * pages. Under the folio lock and the page table lock, this file checks that all pages are
 * mapped here, in order, and nowhere else. Only a fork() could add a mapping, and it waits
 * for the mmap lock.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/swap.h>
#include <asm/tlb.h>

#include "internal.h"
#include "lazyfree.h"

/* Is the folio lazily free already, by this walk or an earlier call, and not written since? */
static bool is_lazily_free(struct folio *folio, pte_t pte)
{
	return folio_test_anon(folio) && !folio_test_swapbacked(folio) &&
	       !folio_test_dirty(folio) && !pte_dirty(pte);
}

/* Do the @nr entries from @pte on map the pages of @folio from @first on, in order? */
static bool maps_pages(struct vm_area_struct *vma, unsigned long addr, pte_t *pte,
		       struct folio *folio, unsigned int first, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++, pte++, addr += PAGE_SIZE)
		if (!pte_present(*pte) ||
		    vm_normal_page(vma, addr, *pte) != folio_page(folio, first + i))
			return false;
	return true;
}

/* Clear the accessed and dirty bits of @nr entries. madvise() flushes the TLB at its end. */
static void make_clean(struct mmu_gather *tlb, unsigned long addr, pte_t *pte,
		       unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++, pte++, addr += PAGE_SIZE) {
		pte_t ptent = *pte;

		if (!pte_young(ptent) && !pte_dirty(ptent))
			continue;
		/* Some architectures cannot change a valid entry in place. */
		ptent = ptep_get_and_clear_full(tlb->mm, addr, pte, tlb->fullmm);
		set_pte_at(tlb->mm, addr, pte, pte_mkclean(pte_mkold(ptent)));
		tlb_remove_tlb_entry(tlb, pte, addr);
	}
}

/*
 * Map and lock the page table that begins at @addr, while the lock of the table before it is
 * held. The order of two page table locks is not defined, so this only tries to lock.
 */
static pte_t *trylock_next_table(struct mm_struct *mm, unsigned long addr, spinlock_t *locked,
				 spinlock_t **ptl)
{
	pmd_t *pmd = mm_find_pmd(mm, addr);

	if (!pmd || pmd_trans_unstable(pmd))
		return NULL;
	*ptl = pte_lockptr(mm, pmd);
	/* A kernel for few CPUs has one lock for all page tables of an mm. */
	if (*ptl != locked && !spin_trylock(*ptl))
		return NULL;
	flush_tlb_batched_pending(mm);
	return pte_offset_map(pmd, addr);
}

/* Check and clean the entries of a folio that continues in the next page table. */
static bool clean_in_next_table(const struct mm_walk *walk, unsigned long addr,
				spinlock_t *locked, struct folio *folio, unsigned int first)
{
	struct lazyfree_walk *lazyfree = walk->private;
	unsigned int nr = folio_nr_pages(folio) - first;
	spinlock_t *ptl; /* of the next table */
	pte_t *pte = trylock_next_table(walk->mm, addr, locked, &ptl);
	bool mapped;

	if (!pte)
		return false;
	mapped = maps_pages(walk->vma, addr, pte, folio, first, nr);
	if (mapped)
		make_clean(lazyfree->tlb, addr, pte, nr);
	/* In lazy MMU mode, Xen queues changes of entries: apply them before the unlock. */
	arch_flush_lazy_mmu_mode();
	pte_unmap(pte);
	if (ptl != locked)
		spin_unlock(ptl);
	return mapped;
}

/**
 * lazyfree_large_folio - make a large folio lazily free without splitting it
 * @walk: the page table walk of madvise(); its private data is a struct lazyfree_walk
 * @page: the page of the large folio that is mapped at @addr
 * @addr: the current address of the walk
 * @end: the end of the range within the page table of @addr
 * @pte: the entry of @addr
 * @ptl: the lock of its page table
 *
 * A folio may continue in the next page table. Its entries there are cleaned too; the walk
 * skips them when it gets there, because the folio is lazily free by then.
 *
 * Context: The caller holds @ptl. Does not sleep.
 * Return: the number of entries from @pte on that are done; 0 if the caller must split.
 */
unsigned int lazyfree_large_folio(const struct mm_walk *walk, struct page *page,
				  unsigned long addr, unsigned long end, pte_t *pte,
				  spinlock_t *ptl)
{
	struct lazyfree_walk *lazyfree = walk->private;
	struct folio *folio = page_folio(page);
	unsigned int nr = folio_nr_pages(folio), here;
	bool whole;

	if (!folio_test_anon(folio) || page != folio_page(folio, 0) ||
	    nr > (lazyfree->end - addr) >> PAGE_SHIFT)
		return is_lazily_free(folio, *pte);
	if (!folio_trylock(folio))
		return 0;

	here = min_t(unsigned long, nr, (end - addr) >> PAGE_SHIFT);
	whole = !folio_test_swapcache(folio) && folio_mapcount(folio) == nr &&
		maps_pages(walk->vma, addr, pte, folio, 0, here) &&
		(here == nr || clean_in_next_table(walk, end, ptl, folio, here));
	if (whole) {
		make_clean(lazyfree->tlb, addr, pte, here);
		folio_clear_dirty(folio);
	}
	folio_unlock(folio);
	if (!whole)
		return 0;
	mark_page_lazyfree(page);
	return here;
}
