// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uapi/linux/mman.h>
#include <vdso/getrandom.h>

#include "core.h"
#include "generator.h"
#include "raw.h"
#include "setup.h"
#include "thread.h"

#define MAP_TYPE_MASK	0x0f

/*
 * The size of a state tells whose generator it is. Linux 6.11's has 144 bytes and makes
 * a block at a time; ours has wide cores itself. What is neither is left to itself.
 */
#define STATE_SIZE_OF_6_11	144

/* On a page of its own, read-only once all is decided: it has pointers to functions. */
static union {
	struct effect	effect;
	char		page[ARCH_PAGE];
} decided __attribute__((aligned(ARCH_PAGE))) = { .effect = { .large_from = NEVER_LARGE } };

extern struct effect effect __attribute__((alias("decided"), visibility("hidden")));

/* The vDSO's function, if its states are in memory that a child of fork() does not share. */
static vdso_fn find_vdso(struct vgetrandom_opaque_params *params, const char **why)
{
	vdso_fn fn = vdso_find(params, why);

	if (!fn || (params->mmap_flags & MAP_TYPE_MASK) == MAP_DROPPABLE)
		return fn;
	*why = "the kernel's vDSO getrandom() wants its states in memory that a child of fork() would share";
	return NULL;
}

/* The module's page, and memory for states of the library's generator. */
static const char *open_module(struct vgetrandom_opaque_params *params)
{
	const char *why = generator_open(params);

	if (why)
		return why;
	why = pool_open_secret(&thread_states);
	if (why)
		generator_close();
	else if (thread_states.lock)
		params->mmap_flags = MAP_PRIVATE | MAP_ANONYMOUS;
	return why;
}

/*
 * The best way for small requests. There may be threads already, of constructors that ran
 * before. They go this way from the moment that the function is there: so it comes last.
 */
static void decide_small(const char *why_no_threads)
{
	struct vgetrandom_opaque_params params;
	vdso_fn fn = find_vdso(&effect.params, &effect.small_why);

	if (why_no_threads) {
		effect.small_why = why_no_threads;
		return;
	}
	if (fn && effect.params.size_of_opaque_state == sizeof(struct vgetrandom_state))
		effect.module_why = "not needed: the kernel's vDSO has the same generator";
	else
		effect.module_why = open_module(&params);
	if (!effect.module_why) {
		fn = generator_getrandom;
		effect.way = VGETRANDOM_MODULE;
		effect.params = params;
		effect.small_why = thread_states.lock ?
			"the module vgetrandom is loaded; states are locked, because the kernel has no droppable memory" :
			"the module vgetrandom is loaded";
	} else if (fn) {
		effect.way = VGETRANDOM_VDSO;
		effect.small_why = "the kernel's vDSO has getrandom()";
		pool_open(&thread_states, effect.params.size_of_opaque_state,
			  (int)effect.params.mmap_prot, (int)effect.params.mmap_flags);
	} else {
		return;
	}
	effect.state_size = effect.params.size_of_opaque_state;
	__atomic_store_n(&effect.fn, fn, __ATOMIC_RELEASE);
}

static size_t where_it_pays(void)
{
	if (!effect.fn) {
		effect.large_why = "the system call makes a block at a time";
		return effect.core->instead_of_syscall;
	}
	if (effect.state_size == STATE_SIZE_OF_6_11) {
		effect.large_why = "the vDSO's generator makes a block at a time";
		return effect.core->instead_of_vdso;
	}
	if (effect.state_size == sizeof(struct vgetrandom_state))
		effect.large_why = effect.way == VGETRANDOM_MODULE ?
			"the library's generator is as wide itself" :
			"the vDSO's generator is as wide itself";
	else
		effect.large_why = "the vDSO's generator is not one that this library knows";
	return NEVER_LARGE;
}

/* What the environment says of where requests are large; 0 if nothing or nonsense. */
static size_t where_the_user_wants(void)
{
	const char *value = secure_getenv("VGETRANDOM_LARGE");
	unsigned long from;
	char *end;

	if (!value)
		return 0;
	if (!strcmp(value, "off")) {
		effect.large_why = "VGETRANDOM_LARGE=off is in the environment";
		return NEVER_LARGE;
	}
	from = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || !from) {
		effect.large_why = "VGETRANDOM_LARGE in the environment is neither \"off\" nor a number of bytes: ignored";
		return 0;
	}
	effect.large_why = "VGETRANDOM_LARGE is in the environment";
	return from;
}

static void decide_core(void)
{
	const char *name = secure_getenv("VGETRANDOM_CORE");

	effect.core = name ? core_named(name) : NULL;
	if (!effect.core)
		effect.core = core_best();
}

static void decide_large(const char *why_no_threads)
{
	const char *why;
	size_t from;

	decide_core();
	if (!effect.core) {
		effect.large_why = "the library has no ChaCha20 core for this architecture";
		return;
	}
	from = where_the_user_wants();
	why = effect.large_why;
	if (!from)
		from = where_it_pays();
	if (why)
		effect.large_why = why;
	if (from == NEVER_LARGE)
		return;
	if (why_no_threads) {
		effect.large_why = why_no_threads;
		return;
	}
	why = pool_open_secret(&thread_expanders);
	if (why)
		effect.large_why = why;
	else
		__atomic_store_n(&effect.large_from, from, __ATOMIC_RELEASE);
}

static void decide_syscall(void)
{
	const char *value = secure_getenv("VGETRANDOM_SYSCALL");

	effect.leave_syscall = value && !strcmp(value, "off");
}

/* As early as may be. Who comes earlier still is served by the system call. */
__attribute__((constructor(101)))
static void decide(void)
{
	int saved = errno;
	const char *why_no_threads = thread_setup();

	decide_syscall();
	decide_small(why_no_threads);
	decide_large(why_no_threads);
	raw_syscall(SYS_mprotect, &decided, sizeof(decided), PROT_READ);
	errno = saved;
}
