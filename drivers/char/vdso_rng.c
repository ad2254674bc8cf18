// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of getrandom() in the vDSO: tells the generators in user
 * space when their keys are stale, and has the RNG reseeded in time.
 */
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/vdso_rng.h>
#include <linux/workqueue.h>
#include <asm/barrier.h>
#include <vdso/datapage.h>	/* before <asm/vvar.h>, which uses its types */
#include <asm/vvar.h>
#include <vdso/getrandom-cores.h>

/*
 * On the vDSO's data page, which every process can read. Data there is an array
 * with one element for each kind of clock; this uses the first element.
 */
DEFINE_VVAR(struct vdso_rng_data, _vdso_rng_data);

/**
 * vdso_rng_publish - make every generator in user space get a new key
 * @generation: base_crng.generation of the kernel's RNG
 *
 * Call with base_crng.lock held, after the new key and its generation are in place
 * and the RNG is ready.
 *
 * The smp_store_release() pairs with the smp_load_acquire() of the generation in
 * vgetrandom_try(). A thread that sees this generation and then enters getrandom(2)
 * finds base_crng.generation at this value or a later one. So it gets a key made from
 * the new base key. If the generation were published before the key, a thread could
 * use a key of the old generation for as long as the new generation lasts.
 *
 * The published number is the kernel's plus one. The kernel's skips ULONG_MAX, so the
 * published one is never 0, which is the generation of a state without a key. The first one is
 * random, so that a state from another boot has another generation.
 *
 * Readiness needs no barrier: a thread that sees it but no generation makes the system
 * call, like a thread that sees neither.
 */
void vdso_rng_publish(unsigned long generation)
{
	struct vdso_rng_data *rng = &_vdso_rng_data[0];

	/* After the key: pairs with vgetrandom_try(). */
	smp_store_release(&rng->generation, (u64)generation + 1);
	WRITE_ONCE(rng->is_ready, 1);
}

/*
 * The kernel reseeds its RNG when it is asked for bytes and its key has reached a
 * certain age. If the vDSO serves all programs of a system, none asks the kernel, and
 * it would never reseed. So ask for a byte when a reseed is due; but not by
 * get_random_u8() or similar functions, which return bytes from a batch.
 */
static void vdso_rng_reseed(struct work_struct *work);
static DECLARE_DELAYED_WORK(vdso_rng_reseed_work, vdso_rng_reseed);

static void vdso_rng_reseed(struct work_struct *work)
{
	unsigned long now, due;
	u8 unused;

	get_random_bytes(&unused, sizeof(unused));
	now = jiffies;
	due = crng_reseed_due();
	/* The RNG reseeds after that jiffy, not in it. */
	queue_delayed_work(system_power_efficient_wq, &vdso_rng_reseed_work,
			   time_after(due, now) ? due - now + 1 : 1);
}

/**
 * vdso_rng_start - reseed the RNG in time from now on
 *
 * Call when the RNG has become ready. Too early in the boot there is no workqueue yet, and
 * vdso_rng_init() calls this again.
 */
void vdso_rng_start(void)
{
	if (system_power_efficient_wq)
		queue_delayed_work(system_power_efficient_wq, &vdso_rng_reseed_work, 0);
}

static int __init vdso_rng_init(void)
{
	const char *log;

	/* Until now programs have used core 0, which every processor runs. */
	WRITE_ONCE(_vdso_rng_data[0].core, vgetrandom_best_core(&log));
	pr_info("vDSO: getrandom() uses %s\n", log);
	if (rng_is_initialized())
		vdso_rng_start();
	return 0;
}
late_initcall(vdso_rng_init);
