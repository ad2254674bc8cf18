// SPDX-License-Identifier: GPL-2.0-only
/*
 * vgetrandom.ko: on a kernel whose vDSO does not have our getrandom(), tell the generator in
 * libvgetrandom what that of the vDSO is told: whether the kernel's RNG is ready, and that it
 * has been reseeded. A page says so (page.h), which every process can map.
 *
 * The promise is that of struct vdso_rng_data: a thread that sees a generation here and then
 * enters getrandom(2) gets a key made from that generation's base key or a later one. So a
 * generation is published after the kernel's new key is in place, never before: a thread that
 * saw it too early would get a key of the old base key, and would take it for one of the new,
 * for as long as the new one lasts. A generation too many costs each state one system call.
 *
 *	what publishes		when
 *	crng_reseed() returns	The key, its generation and readiness have been written, and the
 *				lock has been dropped. Whatever asked for the reseed has not
 *				returned yet: RNDRESEEDCRNG, the entropy that makes the RNG ready,
 *				the RNG's timer, a request that finds the key too old.
 *	the tick		Return probes can be refused, disarmed by the administrator, or
 *				missed if too many are under way. So publish from time to time,
 *				whatever was seen. The RNG of Linux 6.1 reseeds only if it is asked
 *				for bytes, and programs that are served here do not ask: so ask.
 *	vmfork, PM		After the RNG's own notifiers have reseeded: a copy of a virtual
 *				machine must not wait for the tick.
 *
 * The page is a file in sysfs because containers and services have that, and have no devices.
 * If sysfs's own file were mapped, rmmod would take the page from under its readers: so each
 * mapping gets a file of ours, which holds the module for as long as it is mapped, by a child
 * of fork() too.
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
/* The very choice of a core that our kernel makes. */
#include "../arch/x86/entry/vdso/vgetrandom-core.c"

#define SILENT_TICKS	3	/* The RNG reseeds more often than that. */

static struct vgetrandom_page *page;
static struct kobject *directory;

/* Has crng_reseed() returned since the last tick? */
static atomic_t returned;

/* Why reseeds may be seen late; NULL if they are not. */
static const char *late;

/* Several may publish at the same time. */
static void publish(void)
{
	if (!rng_is_initialized())
		return;
	/* After the key: pairs with the smp_load_acquire() of vgetrandom_slow(). */
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

static void set_late(const char *why)
{
	if (why == late)
		return;
	WRITE_ONCE(late, why);
	if (why)
		pr_warn("reseeds are seen within 60 s: %s\n", why);
	else
		pr_info("reseeds are seen at once\n");
}

static void tick(struct work_struct *work);
static DECLARE_DELAYED_WORK(tick_work, tick);

/* Early the RNG reseeds each time that the uptime has grown by half; later each minute. */
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
		/* Always: a return that was seen says nothing of the reseeds after it. */
		publish();
		missed = READ_ONCE(probe.nmissed) + READ_ONCE(probe.kp.nmissed);
		silent = atomic_xchg(&returned, 0) ? 0 : silent + 1;
		if (silent >= SILENT_TICKS && probe.kp.addr)
			set_late("probes are disarmed; see ftrace_enabled and kprobes/enabled");
		else if (missed != missed_before)
			set_late("the return probe has missed some");
		else if (!silent)
			set_late(NULL);
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

/* Called after random.c's, which has priority 0. */
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
	const char *why = READ_ONCE(late);

	return why ? sysfs_emit(buf, "seen within 60 s: %s\n", why) :
		     sysfs_emit(buf, "seen at once\n");
}

static const struct kobj_attribute reseeds_attr = __ATTR_RO(reseeds);

static void vgetrandom_exit(void)
{
	/* From here on no program can map the page, and none has it mapped. */
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
		pr_err("this kernel's RNG has no generation; it needs that of Linux 5.18\n");
		return -EOPNOTSUPP;
	}
	page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	page->magic = VGETRANDOM_PAGE_MAGIC;
	page->version = VGETRANDOM_PAGE_VERSION;
	memcpy(page->cores, vgetrandom_page_cores, sizeof(page->cores));
	page->rng.core = vgetrandom_best_core(&log);
	/* At random, because a state may be older than this load of the module. */
	get_random_bytes(&page->rng.generation, sizeof(page->rng.generation));
	page->rng.generation >>= 1;

	probe.maxactive = max_t(int, 64, 2 * num_possible_cpus());
	err = register_kretprobe(&probe);
	if (err) {
		probe.kp.addr = NULL;
		set_late("the kernel refuses a return probe on crng_reseed");
	}
	register_random_vmfork_notifier(&vmfork_nb);
	register_pm_notifier(&pm_nb);
	/* A reseed that was under way when the probe came is published by the first tick. */
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

MODULE_DESCRIPTION("tells libvgetrandom when the kernel's RNG is reseeded");
MODULE_LICENSE("GPL");
