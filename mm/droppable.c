// SPDX-License-Identifier: GPL-2.0-only
/*
 * What droppable memory needs of its own. What it is, and why: linux/droppable.h.
 */
#include <linux/droppable.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/rmap.h>

/**
 * droppable_mmap_flags - check a mmap() with MAP_DROPPABLE, and make it so
 * @file: must be NULL
 * @flags: the MAP_* flags of the call
 * @vm_flags: those of the mapping to be, from its protection and the process's
 *	      defaults
 *
 * No swap and no memory is reserved for what may be dropped when memory is
 * short, whatever the overcommit policy. A child gets zeros, a core dump gets
 * nothing. What mlockall(MCL_FUTURE) asks of all new mappings does not go
 * together with being dropped, and does not fail the mmap() either, because
 * it is not the caller's doing: most callers are libraries.
 *
 * Return: 0, -EINVAL for what contradicts itself, or -EOPNOTSUPP where the
 * kernel is configured without droppable memory.
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
 * mm_lockable_pages - how much mlockall() would have to lock
 * @mm: whose memory, which its caller has locked
 *
 * Return: pages of address space, as mm->total_vm, but for droppable ones.
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

/*
 * Without memory a fault of user space is over, having done nothing, and whoever
 * touched the page does it again. Others get a jiffy to free some memory in.
 *
 * The kernel itself learns the truth. It may hold any lock while it copies, and keeps
 * that of the mappings while it looks a page up; the page may be another's whose
 * memory is short as long as the kernel has it; and a task that exits, or a kernel
 * thread, could not be killed while it waits.
 */
vm_fault_t __droppable_exit_fault(vm_fault_t ret, unsigned int flags)
{
	current->in_droppable_fault = 0;
	if (!(ret & VM_FAULT_OOM) || !(flags & FAULT_FLAG_USER))
		return ret;
	schedule_timeout_killable(1);
	return ret & ~VM_FAULT_OOM;
}

/**
 * droppable_drop_folio - drop a page whose contents are lost anyway
 * @folio: any folio of one page, locked, with a reference held
 *
 * Return: was it droppable, and is it now mapped by nobody?
 */
bool droppable_drop_folio(struct folio *folio)
{
	if (!folio_test_droppable(folio))
		return false;
	try_to_unmap(folio, TTU_IGNORE_MLOCK | TTU_SYNC);
	return !folio_mapped(folio);
}

/**
 * droppable_reset_device_page - forget whether a page of a device was droppable
 * @page: being freed
 *
 * Unlike memory of the kernel's own, which starts without flags each time, a page
 * of a device keeps them. What moves there next brings some, and takes back what
 * it finds: a droppable page would become swap backed, and one that is swap backed
 * would be taken to be in the swap cache.
 */
void droppable_reset_device_page(struct page *page)
{
	struct folio *folio = page_folio(page);

	__folio_clear_swapbacked(folio);
	__clear_bit(PG_swapcache, folio_flags(folio, 0));
}
