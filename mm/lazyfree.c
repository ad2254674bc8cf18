// SPDX-License-Identifier: GPL-2.0-only
/*
 * MADV_FREE of large folios, whole.
 *
 * A large folio is one thing to reclaim: it is lazily free as a whole or not at
 * all. Whoever frees part of it must split it first. But a folio that is mapped
 * by page table entries of its pages, as after an mprotect() of one of them and back
 * or an mremap() to another alignment, and that lies in the range with all of them, can
 * stay what it is. (A mapping of other rights in the middle of it ends the range:
 * madvise() goes mapping by mapping.)
 *
 * The folio is then marked free and clean, so it must be certain that nobody has
 * a reason to keep any page of it. Checked under its lock and that of the page
 * table: all its pages are mapped here, one after the other, and nowhere else.
 * Only a fork could map them once more, and that waits for the mmap lock.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/swap.h>
#include <asm/tlb.h>

#include "internal.h"
#include "lazyfree.h"

/* Marked by an earlier part of this walk, or an earlier call, and not written since. */
static bool is_lazily_free(struct folio *folio, pte_t pte)
{
	return folio_test_anon(folio) && !folio_test_swapbacked(folio) &&
	       !folio_test_dirty(folio) && !pte_dirty(pte);
}

/* Do @nr entries from @pte on map the pages of @folio from number @first on? */
static bool maps_pages(struct vm_area_struct *vma, unsigned long addr, pte_t *pte,
		       struct folio *folio, unsigned int first, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++, pte++, addr += PAGE_SIZE)
		if (!pte_present(*pte) ||
		    vm_normal_page(vma, addr, *pte) != folio_page(folio, first + i))
			return false;
	return true;
}

/* Forget that they were used and written. The flush comes before madvise() ends. */
static void make_clean(struct mmu_gather *tlb, unsigned long addr, pte_t *pte,
		       unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++, pte++, addr += PAGE_SIZE) {
		pte_t ptent = *pte;

		if (!pte_young(ptent) && !pte_dirty(ptent))
			continue;
		/* Not every architecture takes a change of a valid entry. */
		ptent = ptep_get_and_clear_full(tlb->mm, addr, pte, tlb->fullmm);
		set_pte_at(tlb->mm, addr, pte, pte_mkclean(pte_mkold(ptent)));
		tlb_remove_tlb_entry(tlb, pte, addr);
	}
}

/*
 * The page table that @addr starts, locked while the one before it is. Nobody
 * says in which order such locks are taken, so this does not wait for one.
 */
static pte_t *trylock_next_table(struct mm_struct *mm, unsigned long addr, spinlock_t *locked,
				 spinlock_t **ptl)
{
	pmd_t *pmd = mm_find_pmd(mm, addr);

	if (!pmd || pmd_trans_unstable(pmd))
		return NULL;
	*ptl = pte_lockptr(mm, pmd);
	/* One lock for all, if the kernel is for few processors. */
	if (*ptl != locked && !spin_trylock(*ptl))
		return NULL;
	flush_tlb_batched_pending(mm);
	return pte_offset_map(pmd, addr);
}

/* The rest of a folio, in the next page table. */
static bool free_rest(const struct mm_walk *walk, unsigned long addr, spinlock_t *locked,
		      struct folio *folio, unsigned int first)
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
	/* Xen queues changes of entries until its caller leaves the lazy mode. */
	arch_flush_lazy_mmu_mode();
	pte_unmap(pte);
	if (ptl != locked)
		spin_unlock(ptl);
	return mapped;
}

/**
 * lazyfree_large_folio - mark a large folio lazily free without splitting it
 * @walk: madvise()'s, with a struct lazyfree_walk
 * @page: of a large folio, the one that is mapped at @addr
 * @addr: where the walk is
 * @end: where its part of the range ends, in this page table at the latest
 * @pte: the entry for @addr
 * @ptl: the lock of its page table
 *
 * The folio may reach into the next page table, where the walk will come by later
 * and find it done.
 *
 * Context: @ptl is held. Does not sleep.
 * Return: how many entries are done, from @pte on; 0 if the folio has to be split.
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
		(here == nr || free_rest(walk, end, ptl, folio, here));
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
