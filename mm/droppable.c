// SPDX-License-Identifier: GPL-2.0-only
/*
 * Droppable memory (MAP_DROPPABLE): the functions that linux/droppable.h does not inline.
 */
#include <linux/droppable.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/rmap.h>

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

/*
 * If no memory is available, a fault of user space returns without mapping a page, and user
 * space retries the access. The delay of one jiffy lets other tasks free memory.
 *
 * A fault of the kernel gets VM_FAULT_OOM. The kernel must not wait here: it may hold any lock
 * while it copies to user space, and it holds the mmap lock in get_user_pages(). The page
 * may belong to another process, whose memory the kernel's reference keeps from being freed.
 * And an exiting task or a kernel thread could not be killed while it waits.
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
