// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a droppable mapping comes to be. What it is, and why: linux/droppable.h.
 */
#include <linux/droppable.h>
#include <linux/errno.h>
#include <linux/mman.h>

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
 * Return: 0, or -EINVAL for what contradicts itself.
 */
int droppable_mmap_flags(const struct file *file, unsigned long flags, vm_flags_t *vm_flags)
{
	if (file || (flags & (MAP_LOCKED | MAP_HUGETLB)) ||
	    (*vm_flags & (VM_GROWSDOWN | VM_GROWSUP)))
		return -EINVAL;

	*vm_flags &= VM_LOCKED_CLEAR_MASK;
	*vm_flags |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
	return 0;
}
