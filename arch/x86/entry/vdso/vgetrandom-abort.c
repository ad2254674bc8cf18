// SPDX-License-Identifier: GPL-2.0-only
/*
 * Aborts calls of the vDSO's getrandom() that a signal or a fault interrupts.
 *
 * A call that continued after a signal handler could write into a state that the handler has
 * used since. Until then the handler's frame, a tracer or a core dump would show the registers
 * that hold its key. So the call never continues: it starts over from a place that the image
 * names, with its registers cleared and its state invalid.
 */
#include <linux/cpufeature.h>
#include <linux/droppable.h>
#include <linux/errno.h>
#include <linux/mm_types.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/string.h>
#include <linux/thread_info.h>
#include <linux/uaccess.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/unistd.h>
#include <asm/vdso.h>
#include <asm/vdso/getrandom-ranges.h>
#include <asm/vgetrandom-abort.h>
#include <vdso/getrandom.h>

/* The range of @ranges that @ip is in, an offset from the table; or NULL. */
static const struct vgetrandom_range *find_range(const struct vgetrandom_range *ranges, long ip)
{
	int i;

	for (i = 0; i < VGETRANDOM_NR_RANGES; i++)
		if (ip >= ranges[i].start && ip < ranges[i].end)
			return &ranges[i];
	return NULL;
}

/*
 * Clears the current task's vector and mask registers. MXCSR and the x87 registers are the
 * caller's: the generator does not use them.
 */
static void clear_vector_registers(void)
{
	struct fpu *fpu = &current->thread.fpu;
	union fpregs_state *saved;

	fpregs_lock();
	fpu_sync_fpstate(fpu);
	saved = &fpu->fpstate->regs;
	/* Without its bit in the header, XRSTOR would also reset MXCSR. */
	memset(saved->fxsave.xmm_space, 0, sizeof(saved->fxsave.xmm_space));
	if (cpu_feature_enabled(X86_FEATURE_XSAVE))
		saved->xsave.header.xfeatures &= ~(XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512);
	/* The registers are older than the saved ones now, on each CPU. */
	fpu->last_cpu = -1;
	set_thread_flag(TIF_NEED_FPU_LOAD);
	fpregs_unlock();
}

/*
 * Is the image at @vdso, as far as @len bytes at @at show? A process may unmap its vDSO and map
 * other code there; the mm still has the address.
 */
static bool is_mapped(const struct vdso_image *image, unsigned long vdso, unsigned long at,
		      size_t len)
{
	u8 mapped[VGETRANDOM_NR_RANGES * sizeof(struct vgetrandom_range)];

	return !copy_from_user(mapped, (void __user *)at, len) &&
	       !memcmp(mapped, image->data + (at - vdso), len);
}

/*
 * Nothing says that the state is valid once @generation is 0. @owner is last: if an earlier store
 * fails, a locked state stays locked. With page faults disabled, a store fails if the page was
 * dropped or is not writable at this moment, as during a migration.
 */
static void invalidate_state(struct vgetrandom_state __user *state)
{
	if (!put_user(0, &state->generation) && !put_user(0, &state->available))
		put_user(0, &state->owner);
}

/**
 * vgetrandom_abort - if the task is inside of the vDSO's generator, let its call start over
 * @regs: the user registers of the current task
 * @reason: why, a negative errno that the vDSO gets: -EINTR for a signal, -ENOMEM if an access
 *	found no memory, -EFAULT if it was invalid
 *
 * Invalidates the state of the call and clears all registers that may hold secrets. May sleep and
 * fault pages in, except for -ENOMEM: then the caller may hold the mmap lock or that of a mapping.
 *
 * Return: true if the task was there.
 */
bool vgetrandom_abort(struct pt_regs *regs, int reason)
{
	/* Another thread may be mapping the vDSO: see map_vdso(). */
	const struct vdso_image *image = READ_ONCE(current->mm->context.vdso_image);
	unsigned long vdso = (unsigned long)READ_ONCE(current->mm->context.vdso);
	const struct vgetrandom_range *ranges, *range;
	unsigned long table, at;
	size_t len = VGETRANDOM_NR_RANGES * sizeof(*ranges);
	bool is_ours;

	if (!vdso || !image || regs->ip - vdso >= image->size || !image->sym_vgetrandom_ranges ||
	    !user_64bit_mode(regs))
		return false;
	/*
	 * A sandbox traps the system call that gets a key: it is rolled back. The handler of
	 * SIGSYS may serve it, and needs its registers, which hold no secrets yet.
	 */
	if (regs->orig_ax == __NR_getrandom && regs->ax == __NR_getrandom)
		return false;
	table = vdso + image->sym_vgetrandom_ranges;
	ranges = image->data + image->sym_vgetrandom_ranges;
	range = find_range(ranges, regs->ip - table);
	if (!range)
		return false;

	at = table;
	if (reason == -ENOMEM) {
		/* The table's page may not be present. That of the instruction is. */
		at = regs->ip;
		len = min(len, PAGE_SIZE - offset_in_page(at));
		pagefault_disable();
	}
	is_ours = is_mapped(image, vdso, at, len);
	if (is_ours)
		invalidate_state((void __user *)(range->guarded ? regs->bx : regs->cx));
	if (reason == -ENOMEM)
		pagefault_enable();
	if (!is_ours)
		return false;

	clear_vector_registers();
	regs->ax = 0;
	regs->r8 = reason;
	regs->r9 = 0;
	regs->r10 = 0;
	regs->r11 = 0;
	if (range->guarded) {
		regs->cx = 0;
		regs->dx = 0;
		regs->si = 0;
		regs->di = 0;
		regs->r12 = 0;
		regs->r13 = 0;
		regs->r14 = 0;
		regs->r15 = 0;
	}
	regs->ip = table + range->landing;
	/* If the task was in the system call that gets a key, it is not any more. */
	regs->orig_ax = -1;
	return true;
}

#ifdef CONFIG_DROPPABLE_MEMORY
/* See linux/droppable.h: the call gets its bytes from the system call instead. */
bool arch_abort_droppable_access(void)
{
	return vgetrandom_abort(current_pt_regs(), -ENOMEM);
}
#endif
