// SPDX-License-Identifier: GPL-2.0-only
/*
 * vgetrandom.ko: on a kernel without this project's vDSO generator, tells the generator in
 * libvgetrandom what the kernel would tell the one in the vDSO: whether the kernel's RNG is
 * ready, and when it has been reseeded. It publishes this on a page (page.h) that every process
 * can map.
 *
 * The page keeps the promise of struct vdso_rng_data: a thread that sees a generation here and
 * then enters getrandom(2) gets a key made from the base key of that generation or of a later
 * one. So the module publishes a generation after the kernel's new key is in place, never
 * before. Otherwise a thread could use a key made from the old base key for as long as the new
 * generation lasts. A generation too many costs each state one system call.
 *
 *	the module publishes	because
 *	when crng_reseed()	The key, its generation and readiness have been written, and the
 *	returns			lock has been released. The cause of the reseed has not returned
 *				yet: RNDRESEEDCRNG, the entropy that makes the RNG ready, the
 *				RNG's timer, or a request that finds the key too old.
 *	in a tick		The kernel can refuse a return probe, the administrator can disarm
 *				it, and it misses returns if too many calls run at the same time.
 *				So publish in each tick, whatever the probe has seen. The RNG of
 *				Linux 6.1 reseeds only if it is asked for bytes, and programs that
 *				use the page do not ask the kernel. So the tick asks.
 *	on vmfork and PM events	The RNG's notifiers have reseeded it, but not after hibernation. A
 *				copy of a virtual machine must not wait for the tick.
 *
 * The page is a file in sysfs because containers and services have sysfs, but no devices. If
 * programs mapped the file of sysfs, rmmod would remove the page under them. So each mapping
 * gets a file of this module, which holds the module while it is mapped, also by a child of
 * fork().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/random.h>
#include <linux/suspend.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "page.h"
/* Chooses the core, as in a kernel with this project's series. */
#include "../arch/x86/entry/vdso/vgetrandom-core.c"

#define SILENT_TICKS	3	/* ticks without a reseed; the RNG reseeds more often */

static struct vgetrandom_page *page;
static struct kobject *directory;

/* 1 if crng_reseed() has returned since the last tick. */
static atomic_t returned;

/* Why reseeds may be published late; NULL if they are not. */
static const char *late_reason;

/* Several CPUs may call this at the same time. */
static void publish(void)
{
	if (!rng_is_initialized())
		return;
	/* After the key: pairs with the smp_load_acquire() of vgetrandom_try(). */
	smp_mb__before_atomic();
	atomic64_inc((atomic64_t *)&page->rng.generation);
	WRITE_ONCE(page->rng.is_ready, 1);
}

static int crng_reseed_returns(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	publish();
	atomic_set(&returned, 1);
	return 0;
}

static struct kretprobe probe = {
	.kp.symbol_name = "crng_reseed",
	.handler = crng_reseed_returns,
};

static void set_late_reason(const char *reason)
{
	if (reason == late_reason)
		return;
	WRITE_ONCE(late_reason, reason);
	if (reason)
		pr_warn("reseeds are seen within 60 s: %s\n", reason);
	else
		pr_info("reseeds are seen at once\n");
}

static void tick(struct work_struct *work);
static DECLARE_DELAYED_WORK(tick_work, tick);

/* At first the RNG reseeds each time that the uptime has grown by half; later each minute. */
static void queue_tick(void)
{
	unsigned long seconds = clamp_t(u64, ktime_get_seconds() / 2, 5, 60);

	queue_delayed_work(system_power_efficient_wq, &tick_work, seconds * HZ);
}

static void tick(struct work_struct *work)
{
	static unsigned long missed_before;
	static unsigned int silent;
	unsigned long missed;
	u8 unused;

	if (rng_is_initialized()) {
		get_random_bytes(&unused, sizeof(unused));
		/* Always, because the probe may have missed a reseed after the last one it saw. */
		publish();
		missed = READ_ONCE(probe.nmissed) + READ_ONCE(probe.kp.nmissed);
		silent = atomic_xchg(&returned, 0) ? 0 : silent + 1;
		if (silent >= SILENT_TICKS && probe.kp.addr)
			set_late_reason("probes are disarmed; see ftrace_enabled and kprobes/enabled");
		else if (missed != missed_before)
			set_late_reason("the return probe has missed some");
		else if (!silent)
			set_late_reason(NULL);
		missed_before = missed;
	}
	queue_tick();
}

static int vmfork(struct notifier_block *nb, unsigned long event, void *data)
{
	publish();
	return NOTIFY_DONE;
}

static struct notifier_block vmfork_nb = { .notifier_call = vmfork };

#if !HAVE_VMFORK
static int register_random_vmfork_notifier(struct notifier_block *nb)
{
	return 0;
}

static int unregister_random_vmfork_notifier(struct notifier_block *nb)
{
	return 0;
}
#endif

static int pm(struct notifier_block *nb, unsigned long event, void *data)
{
	if (event == PM_POST_SUSPEND || event == PM_POST_HIBERNATION || event == PM_POST_RESTORE)
		publish();
	return NOTIFY_DONE;
}

/* Runs after the notifier of random.c, which has priority 0. */
static struct notifier_block pm_nb = { .notifier_call = pm, .priority = -1 };

static vm_fault_t page_fault(struct vm_fault *vmf)
{
	if (vmf->pgoff)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(page);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct page_vm_ops = { .fault = page_fault };

static const struct file_operations mapping_fops = { .owner = THIS_MODULE };

#if !HAVE_VM_FLAGS_MOD
static void vm_flags_mod(struct vm_area_struct *vma, unsigned long set, unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

#if !HAVE_VMA_SET_FILE
static void vma_set_file(struct vm_area_struct *vma, struct file *file)
{
	get_file(file);
	swap(vma->vm_file, file);
	fput(file);
}
#endif

#if HAVE_CONST_BIN_ATTRIBUTE
static int page_mmap(struct file *unused, struct kobject *kobj, const struct bin_attribute *attr,
		     struct vm_area_struct *vma)
#else
static int page_mmap(struct file *unused, struct kobject *kobj, struct bin_attribute *attr,
		     struct vm_area_struct *vma)
#endif
{
	struct file *file;

	if (vma->vm_pgoff || vma_pages(vma) != 1)
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	file = anon_inode_getfile("[vgetrandom]", &mapping_fops, NULL, O_RDONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	vma_set_file(vma, file);
	fput(file);
	vm_flags_mod(vma, VM_DONTEXPAND, VM_MAYWRITE | VM_MAYEXEC);
	vma->vm_ops = &page_vm_ops;
	return 0;
}

static const struct bin_attribute page_attr = {
	.attr = { .name = "page", .mode = 0444 },
	.size = PAGE_SIZE,
	.mmap = page_mmap,
};

static ssize_t reseeds_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const char *reason = READ_ONCE(late_reason);

	return reason ? sysfs_emit(buf, "seen within 60 s: %s\n", reason) :
			sysfs_emit(buf, "seen at once\n");
}

static const struct kobj_attribute reseeds_attr = __ATTR_RO(reseeds);

static void vgetrandom_exit(void)
{
	/* After this no program can map the page; none has it mapped now. */
	kobject_del(directory);
	kobject_put(directory);
	unregister_pm_notifier(&pm_nb);
	unregister_random_vmfork_notifier(&vmfork_nb);
	cancel_delayed_work_sync(&tick_work);
	if (probe.kp.addr)
		unregister_kretprobe(&probe);
	free_page((unsigned long)page);
}

static int __init vgetrandom_init(void)
{
	const char *log;
	int err;

	BUILD_BUG_ON(sizeof(*page) > PAGE_SIZE);
	if (!HAVE_GENERATION) {
		pr_err("this kernel's RNG has no generation; use Linux 5.18 or later\n");
		return -EOPNOTSUPP;
	}
	page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	page->magic = VGETRANDOM_PAGE_MAGIC;
	page->version = VGETRANDOM_PAGE_VERSION;
	memcpy(page->cores, vgetrandom_page_cores, sizeof(page->cores));
	page->rng.core = vgetrandom_best_core(&log);
	/* At random: a state may be older than this load of the module. Bit 63 stays clear. */
	get_random_bytes(&page->rng.generation, sizeof(page->rng.generation));
	page->rng.generation >>= 1;

	probe.maxactive = max_t(int, 64, 2 * num_possible_cpus());
	err = register_kretprobe(&probe);
	if (err) {
		probe.kp.addr = NULL;
		set_late_reason("the kernel refuses a return probe on crng_reseed");
	}
	register_random_vmfork_notifier(&vmfork_nb);
	register_pm_notifier(&pm_nb);
	/* If a reseed is running while the probe is registered, the first tick publishes it. */
	publish();
	queue_tick();

	directory = kobject_create_and_add("vgetrandom", kernel_kobj);
	err = directory ? sysfs_create_bin_file(directory, &page_attr) : -ENOMEM;
	if (!err)
		err = sysfs_create_file(directory, &reseeds_attr.attr);
	if (err) {
		vgetrandom_exit();
		return err;
	}
	pr_info("getrandom() uses %s; see " VGETRANDOM_PAGE_PATH "\n", log);
	return 0;
}

module_init(vgetrandom_init);
module_exit(vgetrandom_exit);

MODULE_DESCRIPTION("Tells libvgetrandom when the kernel's RNG is reseeded");
MODULE_LICENSE("GPL");
