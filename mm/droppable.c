// SPDX-License-Identifier: GPL-2.0-only
/*
 * Droppable memory (MAP_DROPPABLE): the functions that linux/droppable.h does not inline.
 */
#include <linux/droppable.h>
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/memory_hotplug.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

/* A huge page that is still in use is tried again after 1, 2, 3, ... jiffies. */
#define DROPPABLE_SPLIT_ATTEMPTS	50

/**
 * droppable_mmap_flags - check the flags of mmap(MAP_DROPPABLE) and set those of the VMA
 * @file: the file to map; must be NULL
 * @flags: the MAP_* flags of the call
 * @vm_flags: the VM_* flags of the new mapping; updated on success
 *
 * The mapping reserves neither memory nor swap, whatever the overcommit policy. A child of
 * fork() sees zeros, and core dumps omit it. mlockall(MCL_FUTURE) does not lock it, and does
 * not make the mmap() fail either: most callers are libraries, which have no say in it.
 *
 * Return: 0; -EINVAL if @file or a flag contradicts MAP_DROPPABLE; -EOPNOTSUPP if the kernel
 * is configured without droppable memory.
 */
int droppable_mmap_flags(const struct file *file, unsigned long flags, vm_flags_t *vm_flags)
{
	if (file || (flags & (MAP_LOCKED | MAP_HUGETLB)) ||
	    (*vm_flags & (VM_GROWSDOWN | VM_GROWSUP)))
		return -EINVAL;

	*vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
	*vm_flags |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
	return 0;
}

/**
 * mm_lockable_pages - count the pages that mlockall() would lock
 * @mm: the address space; the caller holds its mmap lock
 *
 * Return: mm->total_vm without the pages of droppable mappings.
 */
unsigned long mm_lockable_pages(struct mm_struct *mm)
{
	unsigned long pages = mm->total_vm;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, mm, 0);
	for_each_vma(vmi, vma)
		if (vma_is_droppable(vma))
			pages -= vma_pages(vma);
	return pages;
}

bool __weak arch_abort_droppable_access(void)
{
	return false;
}

static void unlock_fault(struct vm_area_struct *vma, unsigned int flags)
{
#ifdef CONFIG_PER_VMA_LOCK
	if (flags & FAULT_FLAG_VMA_LOCK) {
		vma_end_read(vma);
		return;
	}
#endif
	mmap_read_unlock(vma->vm_mm);
}

/*
 * If no memory is available, a fault of user space returns without mapping a page, and user
 * space retries the access. The delay of one jiffy lets other tasks free memory. The task does
 * not hold the mmap lock meanwhile: munmap() by another thread may be what frees some.
 *
 * A fault of the kernel gets VM_FAULT_OOM. The kernel must not wait here: it may hold any lock
 * while it copies to user space, and it holds the mmap lock in get_user_pages(). The page
 * may belong to another process, whose memory the kernel's reference keeps from being freed.
 * And an exiting task or a kernel thread could not be killed while it waits. FAULT_FLAG_REMOTE
 * marks the kernel threads that handle a device's faults, even if they are on behalf of user space.
 */
vm_fault_t __droppable_exit_fault(struct vm_area_struct *vma, vm_fault_t ret, unsigned int flags)
{
	current->in_droppable_fault = 0;
	if (!(ret & VM_FAULT_OOM) || !(flags & FAULT_FLAG_USER) || (flags & FAULT_FLAG_REMOTE))
		return ret;
	ret &= ~VM_FAULT_OOM;
	if (arch_abort_droppable_access())
		return ret;
	unlock_fault(vma, flags);
	schedule_timeout_interruptible(1);
	return ret | VM_FAULT_COMPLETED;
}

/**
 * droppable_drop_folio - unmap a droppable page whose contents the hardware has lost
 * @folio: any folio of one page; the caller holds its lock and a reference
 *
 * Return: true if the folio is droppable and is not mapped any more.
 */
bool droppable_drop_folio(struct folio *folio)
{
	if (!folio_test_droppable(folio))
		return false;
	try_to_unmap(folio, TTU_IGNORE_MLOCK | TTU_SYNC);
	return !folio_mapped(folio);
}

/**
 * droppable_copy_failed - clear the target of a migration or collapse that fails after the copy
 * @dst: the target; it has no owner yet, so it would be freed as any page
 * @src: a source; it stays in use
 * @error: the error of the caller
 *
 * For Linux 6.12. Linux 6.1 copies last.
 *
 * Return: @error
 */
int droppable_copy_failed(struct folio *dst, struct folio *src, int error)
{
	if (folio_test_droppable(src))
		folio_zero_range(dst, 0, folio_size(dst));
	return error;
}

/*
 * A huge page stays whole when a part of it is unmapped, and its unmapped pages keep their
 * contents until memory is short. So split it soon: this frees, and clears, these pages. It
 * cannot be done at once, because the caller holds the lock of a page table.
 *
 * The request holds no reference to the page. With another reference, all other attempts to
 * split or to drop it would fail.
 */
struct droppable_split {
	struct delayed_work work;
	unsigned long pfn;
	unsigned int attempts;
};

static bool is_droppable_huge_page(struct folio *folio)
{
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) && folio_test_large(folio) &&
	       folio_test_droppable(folio);
}

/* Of a large folio. During migration and split, none of it is mapped. */
static bool is_partly_mapped(struct folio *folio)
{
	return folio_mapped(folio) && !folio_entire_mapcount(folio) &&
	       folio_mapcount(folio) < folio_nr_pages(folio);
}

/*
 * The page may have been freed since the request, and have another owner. The owner of a new page
 * sets its flags, even PG_locked, without atomic operations. So do not lock a page that is not on
 * the LRU lists. A huge page that is not there is isolated, and cannot be split now.
 *
 * Return -EAGAIN if it cannot be split now, as when a pending munmap() has a reference to it; 0 if
 * nothing is left to do.
 */
static int droppable_split(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;
	int error = 0;

	if (!page || !get_page_unless_zero(page))
		return 0;
	folio = page_folio(page);
	if (is_droppable_huge_page(folio)) {
		error = -EAGAIN;
		if (folio_test_lru(folio) && folio_trylock(folio)) {
			error = is_partly_mapped(folio) ? split_folio_to_list(folio, NULL) : 0;
			folio_unlock(folio);
		}
	}
	folio_put(folio);
	return error ? -EAGAIN : 0;
}

static void droppable_split_work(struct work_struct *work)
{
	struct droppable_split *split = container_of(to_delayed_work(work),
						     struct droppable_split, work);

	if (droppable_split(split->pfn) && ++split->attempts < DROPPABLE_SPLIT_ATTEMPTS)
		queue_delayed_work(system_unbound_wq, &split->work, split->attempts);
	else
		kfree(split);
}

/**
 * droppable_split_soon - split a huge page that has lost a part of its mapping
 * @folio: any folio; nothing is done unless it is a droppable huge page that is partly mapped
 *
 * The caller holds a reference, or the lock of a page table that maps the folio.
 *
 * If there is no memory for the request, the shrinker of partly mapped huge pages runs anyway.
 */
void droppable_split_soon(struct folio *folio)
{
	struct droppable_split *split;

	if (!is_droppable_huge_page(folio) || !is_partly_mapped(folio))
		return;
	/* Reclaim gets here too, for pages that it is about to drop. Leave it its reserves. */
	split = kzalloc(sizeof(*split), GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN);
	if (!split)
		return;
	INIT_DELAYED_WORK(&split->work, droppable_split_work);
	split->pfn = folio_pfn(folio);
	queue_delayed_work(system_unbound_wq, &split->work, 1);
}
