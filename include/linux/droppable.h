/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Droppable memory: what MAP_DROPPABLE means, in one place.
 *
 * A droppable mapping is private anonymous memory for what can be made again.
 * The kernel may take any of its pages away at any time; whoever looks next
 * finds zeros. In return its contents never go anywhere else: not to swap, not
 * into a core dump, not to the child of a fork, not into a page that another
 * process shares. Keys may live there. (Hibernation saves all memory, this too.)
 *
 * Linux keeps a kind of page that can be dropped already, the lazily freed ones
 * of MADV_FREE: anonymous and not swap backed. It drops them while they are
 * clean; a dirty one is taken to be in use again and made swap backed. A
 * droppable page is dirty nearly always, and must be dropped all the same and
 * never become swap backed. So it is a lazily freed page with a mark, and where
 * mm/ has a rule for the dirty ones it asks for the mark here.
 *
 * Documentation/mm/droppable.rst lists all who ask, and why.
 */
#ifndef _LINUX_DROPPABLE_H
#define _LINUX_DROPPABLE_H

#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <uapi/linux/mman.h>

/**
 * vma_is_droppable - is this a mapping made with MAP_DROPPABLE?
 * @vma: the mapping
 *
 * Mappings that differ in this are never merged, as in any other flag.
 */
static inline bool vma_is_droppable(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_DROPPABLE;
}

/**
 * folio_test_droppable - does this folio belong to a droppable mapping?
 * @folio: any folio
 *
 * For those who have no mapping at hand. The mark is PG_swapcache, which means
 * nothing on an anonymous folio that is not swap backed: to be in the swap cache
 * a folio must be, and folio_test_swapcache() checks. It is set for good when
 * the page is first mapped; migration and the split of a huge page copy it. (The
 * same bit is Xen's PageForeign(), which xen-netback does not tell from a page of
 * the swap cache either.)
 */
static inline bool folio_test_droppable(struct folio *folio)
{
	return VM_DROPPABLE && folio_test_anon(folio) && !folio_test_swapbacked(folio) &&
	       test_bit(PG_swapcache, folio_flags(folio, 0));
}

/**
 * droppable_init_folio - say what a new anonymous page may be done with
 * @folio: just allocated, seen by nobody else yet
 * @vma: the mapping that it goes into
 */
static inline void droppable_init_folio(struct folio *folio, const struct vm_area_struct *vma)
{
	if (vma_is_droppable(vma))
		__set_bit(PG_swapcache, folio_flags(folio, 0));
	else
		__folio_set_swapbacked(folio);
}

/**
 * mmap_is_droppable - does this mmap() ask for droppable memory?
 * @flags: the MAP_* flags of the call
 *
 * A kernel whose configuration is without getrandom() in the vDSO and without
 * droppable memory does not know the type, like one that has never heard of it.
 */
static inline bool mmap_is_droppable(unsigned long flags)
{
	return (IS_ENABLED(CONFIG_VDSO_GETRANDOM) || IS_ENABLED(CONFIG_DROPPABLE_MEMORY)) &&
	       (flags & MAP_TYPE) == MAP_DROPPABLE;
}

/*
 * Faults. Nobody is killed, and nothing is printed, because there is no memory for
 * what may be dropped: one of user space tries again. What it allocates on its way
 * (the page, page tables, the memory cgroup's consent) is anybody's code, so it is a
 * mark of the task that says which fault this is.
 */
#ifdef CONFIG_DROPPABLE_MEMORY

/**
 * droppable_enter_fault - before a fault is handled
 * @vma: the mapping that it is in
 */
static inline void droppable_enter_fault(const struct vm_area_struct *vma)
{
	current->in_droppable_fault = vma_is_droppable(vma);
}

/**
 * in_droppable_fault - is the running code part of a fault in droppable memory?
 *
 * Not the interrupts that come meanwhile.
 */
static inline bool in_droppable_fault(void)
{
	return current->in_droppable_fault && in_task();
}

vm_fault_t __droppable_exit_fault(vm_fault_t ret, unsigned int flags);

/**
 * droppable_exit_fault - after a fault has been handled
 * @ret: what it came to
 * @flags: FAULT_FLAG_* of it
 *
 * The mapping may be gone by now.
 *
 * Return: @ret, without VM_FAULT_OOM if user space has touched droppable memory.
 */
static inline vm_fault_t droppable_exit_fault(vm_fault_t ret, unsigned int flags)
{
	return likely(!current->in_droppable_fault) ? ret : __droppable_exit_fault(ret, flags);
}

int droppable_mmap_flags(const struct file *file, unsigned long flags, vm_flags_t *vm_flags);
unsigned long mm_lockable_pages(struct mm_struct *mm);
bool droppable_drop_folio(struct folio *folio);
void droppable_reset_device_page(struct page *page);

#else /* !CONFIG_DROPPABLE_MEMORY */

static inline void droppable_enter_fault(const struct vm_area_struct *vma)
{
}

static inline bool in_droppable_fault(void)
{
	return false;
}

static inline vm_fault_t droppable_exit_fault(vm_fault_t ret, unsigned int flags)
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

static inline void droppable_reset_device_page(struct page *page)
{
}

#endif /* !CONFIG_DROPPABLE_MEMORY */

#endif /* _LINUX_DROPPABLE_H */
