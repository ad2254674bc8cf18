// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of getrandom() in the vDSO: tells the generators in user
 * space when their keys are stale, and sees to it that this does happen.
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
 * On the page that every process can read, which is laid out for clocks: one
 * element for each kind, of which this uses the first.
 */
DEFINE_VVAR(struct vdso_rng_data, _vdso_rng_data);

/**
 * vdso_rng_publish - make every generator in user space get a new key
 * @generation: of the kernel's RNG, as in base_crng.generation
 *
 * Called with base_crng.lock held, once the new key and its generation are in
 * place and the RNG is ready.
 *
 * The smp_store_release() pairs with the smp_load_acquire() of the generation in
 * vgetrandom_slow(): whoever sees this generation and then enters getrandom(2)
 * finds base_crng.generation at this value or a later one, and so gets a key made
 * from the new base key. The other way round, a key of the old generation would
 * be taken for one of the new, for as long as the new one lasts.
 *
 * What is published is one more than the kernel's own number, which skips
 * ULONG_MAX: so it is never 0, which names states that have no key.
 *
 * Readiness needs no barrier: a reader that sees it and no generation yet asks
 * the kernel, as one does that sees neither.
 */
void vdso_rng_publish(unsigned long generation)
{
	struct vdso_rng_data *rng = &_vdso_rng_data[0];

	/* After the key: pairs with vgetrandom_slow(). */
	smp_store_release(&rng->generation, (u64)generation + 1);
	WRITE_ONCE(rng->is_ready, 1);
}

/*
 * The kernel reseeds its RNG when somebody asks it for bytes and its key has
 * reached a certain age. A system on which everybody is served by the vDSO never
 * asks, and would never reseed; so ask for one when the time has come. Not with
 * get_random_u8() and the like, which have a supply.
 */
static void vdso_rng_reseed(struct work_struct *work);
static DECLARE_DELAYED_WORK(vdso_rng_reseed_work, vdso_rng_reseed);

static void vdso_rng_reseed(struct work_struct *work)
{
	unsigned long delay = HZ;

	if (rng_is_initialized()) {
		unsigned long now, due;
		u8 unused;

		get_random_bytes(&unused, sizeof(unused));
		now = jiffies;
		due = crng_reseed_due();
		/* It is due when that has passed, not at it. */
		delay = time_after(due, now) ? due - now + 1 : 1;
	}
	queue_delayed_work(system_power_efficient_wq, &vdso_rng_reseed_work, delay);
}

static int __init vdso_rng_init(void)
{
	const char *log;

	/* Programs that ran before this have used the first, which runs everywhere. */
	WRITE_ONCE(_vdso_rng_data[0].core, vgetrandom_best_core(&log));
	pr_info("vDSO: getrandom() uses %s\n", log);
	vdso_rng_reseed(NULL);
	return 0;
}
late_initcall(vdso_rng_init);
