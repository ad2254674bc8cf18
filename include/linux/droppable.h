/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Droppable memory (MAP_DROPPABLE).
 *
 * A droppable mapping is private anonymous memory for data that a program can make again,
 * such as keys. The kernel may drop any of its pages at any time; the next read sees zeros.
 * In return, the contents are written nowhere else: not to swap, not to a core dump, not to
 * the child of a fork(), not to a page that another process shares, and not to a hibernation
 * image.
 *
 * A droppable page is a lazily freed page, as of MADV_FREE: anonymous and not swap backed.
 * Reclaim drops lazily freed pages that are clean. It takes dirty ones to be in use again,
 * and makes them swap backed. Droppable pages are nearly always dirty; they must be dropped
 * all the same, and must never become swap backed. So they carry a flag, and the places in
 * mm/ that treat dirty lazily freed pages differently test this flag.
 *
 * Documentation/mm/droppable.rst lists these places and their reasons.
 */
#ifndef _LINUX_DROPPABLE_H
#define _LINUX_DROPPABLE_H

#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <uapi/linux/mman.h>

/**
 * vma_is_droppable - was this mapping made with MAP_DROPPABLE?
 * @vma: the mapping
 *
 * A droppable mapping is never merged with one that is not.
 */
static inline bool vma_is_droppable(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_DROPPABLE;
}

/**
 * folio_test_droppable - does this folio belong to a droppable mapping?
 * @folio: any folio
 *
 * For callers that have no VMA. The flag is PG_owner_priv_1, which is set when the page is
 * first mapped and stays set until the page allocator has the page: migration and the split
 * of a huge page copy it. The swap cache uses the same bit, but only on swap backed folios.
 * Documentation/mm/droppable.rst says why there is a flag, and why it is this one.
 */
static inline bool folio_test_droppable(struct folio *folio)
{
	return VM_DROPPABLE && folio_test_anon(folio) && !folio_test_swapbacked(folio) &&
	       test_bit(PG_owner_priv_1, folio_flags(folio, 0));
}

/**
 * droppable_init_folio - make a new anonymous folio droppable or swap backed
 * @folio: the folio; no other task can see it yet
 * @vma: the mapping that it is going to be in
 */
static inline void droppable_init_folio(struct folio *folio, const struct vm_area_struct *vma)
{
	if (vma_is_droppable(vma))
		__set_bit(PG_owner_priv_1, folio_flags(folio, 0));
	else
		__folio_set_swapbacked(folio);
}

/**
 * droppable_init_on_free - does the page allocator have to clear this page?
 * @page: the first page of a block that is being freed, before its flags are reset
 *
 * A freed droppable page keeps no contents. The last reference is gone, and with it the last
 * TLB entry, so no program or device can write to the page after it was cleared.
 *
 * False if the page is going to be filled with the poison pattern, which must stay intact.
 */
static inline bool droppable_init_on_free(struct page *page)
{
	/* Not page_folio(), which would read the page even if droppable memory is off. */
	return folio_test_droppable((struct folio *)page) && !page_poisoning_enabled_static();
}

/**
 * droppable_image_pfn - which page does a hibernation image store for this one?
 * @pfn: the number of a page that the image saves
 *
 * The image has to have something for a droppable page. Without it, the page would have after
 * resume what the kernel that loads the image has left there.
 *
 * Return: the number of a page of zeros if the page is droppable, otherwise @pfn.
 */
static inline unsigned long droppable_image_pfn(unsigned long pfn)
{
	if (!VM_DROPPABLE || !folio_test_droppable(page_folio(pfn_to_page(pfn))))
		return pfn;
	return page_to_pfn(ZERO_PAGE(0));
}

/**
 * mmap_is_droppable - does this mmap() ask for droppable memory?
 * @flags: the MAP_* flags of the call
 *
 * If neither the vDSO's getrandom() nor droppable memory is configured, the kernel treats
 * MAP_DROPPABLE as an unknown type, as kernels without this code do.
 */
static inline bool mmap_is_droppable(unsigned long flags)
{
	return (IS_ENABLED(CONFIG_VDSO_GETRANDOM) || IS_ENABLED(CONFIG_DROPPABLE_MEMORY)) &&
	       (flags & MAP_TYPE) == MAP_DROPPABLE;
}

/*
 * Page faults. If no memory is available for a droppable page, the kernel runs no OOM killer,
 * and user space retries the access. Generic code makes the allocations of a fault: the page,
 * page tables, the charge to the memory cgroup. It does not know the VMA, so a flag of the task
 * says that the task is in such a fault.
 */
#ifdef CONFIG_DROPPABLE_MEMORY

/**
 * droppable_enter_fault - set the task's flag before a fault is handled
 * @vma: the mapping in which the task has faulted
 */
static inline void droppable_enter_fault(const struct vm_area_struct *vma)
{
	current->in_droppable_fault = vma_is_droppable(vma);
}

/**
 * in_droppable_fault - is the current task handling a fault in droppable memory?
 *
 * False in interrupts that arrive during the fault.
 */
static inline bool in_droppable_fault(void)
{
	return current->in_droppable_fault && in_task();
}

/**
 * arch_abort_droppable_access - let user space do something else than retry an access
 *
 * An architecture can override it. Called if the current task, in user mode, has accessed
 * droppable memory and no memory is available. The caller holds the lock of the mapping or the
 * mmap lock, so the function must not fault pages in.
 *
 * Return: true if the function has changed where the task continues; if not, the task waits.
 */
bool arch_abort_droppable_access(void);

vm_fault_t __droppable_exit_fault(struct vm_area_struct *vma, vm_fault_t ret, unsigned int flags);

/**
 * droppable_exit_fault - clear the task's flag after a fault has been handled
 * @vma: the mapping; may have been freed, unless @ret has VM_FAULT_OOM
 * @ret: the VM_FAULT_* result of the handler
 * @flags: the FAULT_FLAG_* flags of the fault
 *
 * Return: @ret; without VM_FAULT_OOM if user space caused the fault in droppable memory. With
 * VM_FAULT_COMPLETED, the locks of the fault have been released.
 */
static inline vm_fault_t droppable_exit_fault(struct vm_area_struct *vma, vm_fault_t ret,
					      unsigned int flags)
{
	return likely(!current->in_droppable_fault) ? ret :
	       __droppable_exit_fault(vma, ret, flags);
}

int droppable_mmap_flags(const struct file *file, unsigned long flags, vm_flags_t *vm_flags);
unsigned long mm_lockable_pages(struct mm_struct *mm);
bool droppable_drop_folio(struct folio *folio);
int droppable_copy_failed(struct folio *dst, struct folio *src, int error);
void droppable_split_soon(struct folio *folio);

#else /* !CONFIG_DROPPABLE_MEMORY */

static inline void droppable_enter_fault(const struct vm_area_struct *vma)
{
}

static inline bool in_droppable_fault(void)
{
	return false;
}

static inline vm_fault_t droppable_exit_fault(struct vm_area_struct *vma, vm_fault_t ret,
					      unsigned int flags)
{
	return ret;
}

static inline int droppable_mmap_flags(const struct file *file, unsigned long flags,
				       vm_flags_t *vm_flags)
{
	return -EOPNOTSUPP;
}

static inline unsigned long mm_lockable_pages(struct mm_struct *mm)
{
	return mm->total_vm;
}

static inline bool droppable_drop_folio(struct folio *folio)
{
	return false;
}

static inline int droppable_copy_failed(struct folio *dst, struct folio *src, int error)
{
	return error;
}

static inline void droppable_split_soon(struct folio *folio)
{
}

#endif /* !CONFIG_DROPPABLE_MEMORY */

#endif /* _LINUX_DROPPABLE_H */
