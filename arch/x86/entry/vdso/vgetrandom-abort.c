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
#include <asm/vdso.h>
#include <asm/vdso/getrandom-ranges.h>
#include <asm/vgetrandom-abort.h>
#include <vdso/getrandom.h>

/* The range of the image that @regs are in, or NULL. */
static const struct vgetrandom_range *find_range(const struct pt_regs *regs, unsigned long table,
						 const struct vdso_image *image)
{
	const struct vgetrandom_range *ranges = image->data + image->sym_vgetrandom_ranges;
	long ip = regs->ip - table;
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
 * Nothing says that the state is valid once @generation is 0. @owner is last: if an earlier store
 * fails, the state stays locked. A store fails if the page was dropped, or has become read-only.
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
 * fault pages in, except for -ENOMEM: then the caller may hold the mmap lock.
 *
 * Return: true if the task was there.
 */
bool vgetrandom_abort(struct pt_regs *regs, int reason)
{
	const struct vdso_image *image = current->mm->context.vdso_image;
	unsigned long vdso = (unsigned long)current->mm->context.vdso;
	const struct vgetrandom_range *range;
	unsigned long table;

	if (!vdso || regs->ip - vdso >= image->size || !image->sym_vgetrandom_ranges ||
	    !user_64bit_mode(regs))
		return false;
	table = vdso + image->sym_vgetrandom_ranges;
	range = find_range(regs, table, image);
	if (!range)
		return false;

	if (reason == -ENOMEM)
		pagefault_disable();
	invalidate_state((void __user *)(range->guarded ? regs->bx : regs->cx));
	if (reason == -ENOMEM)
		pagefault_enable();

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

/* See linux/droppable.h: the call gets its bytes from the system call instead. */
bool arch_abort_droppable_access(void)
{
	return vgetrandom_abort(current_pt_regs(), -ENOMEM);
}
