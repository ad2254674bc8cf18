// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <uapi/linux/mman.h>
#include <unistd.h>
#include <vdso/getrandom.h>

#include "core.h"
#include "generator.h"
#include "raw.h"
#include "setup.h"
#include "thread.h"

#define MAP_TYPE_MASK	0x0f

/*
 * The size of a state tells which generator the vDSO has. Linux 6.11's has states of 144 bytes and
 * makes one block at a time. This project's has states of sizeof(struct vgetrandom_state) and wide
 * cores. With any other generator, no request is large by default.
 */
#define STATE_SIZE_OF_6_11	144

/* Which requests are large, and why: see struct config. */
struct large {
	size_t		from;
	const char	*why;
};

/*
 * The value of an environment variable, or NULL; NULL in a set-user-ID program. Not
 * secure_getenv(): at this time few processes have touched its page of libc.
 */
static const char *get_setting(const char *name)
{
	const char *at, *wanted;

	if (getauxval(AT_SECURE))
		return NULL;
	for (char **variable = environ; variable && *variable; variable++) {
		wanted = name;
		for (at = *variable; *wanted && *at == *wanted; at++)
			wanted++;
		if (!*wanted && *at == '=')
			return at + 1;
	}
	return NULL;
}

/* The vDSO's function, unless its states may be in memory that fork() copies or shares. */
static vdso_fn find_vdso(struct vgetrandom_opaque_params *params, const char **why)
{
	vdso_fn fn = vdso_find(params, why);

	if (!fn || (params->mmap_flags & MAP_TYPE_MASK) == MAP_DROPPABLE)
		return fn;
	*why = "the kernel's vDSO getrandom() does not ask for droppable memory: fork() would copy or share its states";
	return NULL;
}

/*
 * Maps the module's page, and memory for states of the library's generator.
 *
 * Return: NULL; or the reason why the module is not used.
 */
static const char *open_module(struct vgetrandom_opaque_params *params)
{
	const char *why = generator_open(params, &config.core);

	if (why)
		return why;
	why = pool_open_secret(&thread_states);
	if (why)
		generator_close();
	else if (thread_states.lock)
		params->mmap_flags = MAP_PRIVATE | MAP_ANONYMOUS;
	return why;
}

/* Decides how small requests are served. Return: config.fn */
static vdso_fn decide_small(void)
{
	struct vgetrandom_opaque_params params;
	vdso_fn fn = find_vdso(&config.params, &config.small_why);

	if (fn && config.params.size_of_opaque_state == sizeof(struct vgetrandom_state))
		config.module_why = "not needed: the kernel's vDSO has the same generator";
	else
		config.module_why = open_module(&params);
	if (!config.module_why) {
		fn = generator_getrandom;
		config.way = VGETRANDOM_MODULE;
		config.params = params;
		config.small_why = thread_states.lock ?
			"the module vgetrandom is loaded; states are locked, because the kernel has no droppable memory" :
			"the module vgetrandom is loaded";
	} else if (fn) {
		config.way = VGETRANDOM_VDSO;
		config.small_why = "the kernel's vDSO has getrandom()";
	} else {
		return NULL;
	}
	config.state_size = config.params.size_of_opaque_state;
	return fn;
}

static struct large default_large(void)
{
	if (!config.state_size)
		return (struct large) { config.core->instead_of_syscall,
					"the system call makes a block at a time" };
	if (config.state_size == STATE_SIZE_OF_6_11)
		return (struct large) { config.core->instead_of_vdso,
					"the vDSO's generator makes a block at a time" };
	if (config.state_size != sizeof(struct vgetrandom_state))
		return (struct large) { NEVER_LARGE,
					"this library does not know the vDSO's generator" };
	return (struct large) { NEVER_LARGE, config.way == VGETRANDOM_MODULE ?
				"the library's generator makes several blocks at a time itself" :
				"the vDSO's generator makes several blocks at a time itself" };
}

/*
 * Reads the setting of the environment.
 *
 * Return: false if there is none, or it is neither "off" nor a number. Then the reason in
 * vgetrandom_info() is the same as in any other program; `vgetrandom info` reports the bad value.
 */
static bool read_large(struct large *large)
{
	const char *value = get_setting("VGETRANDOM_LARGE");
	unsigned long from;
	char *end;

	if (!value)
		return false;
	if (raw_streq(value, "off")) {
		*large = (struct large) { NEVER_LARGE,
					  "VGETRANDOM_LARGE=off is in the environment" };
		return true;
	}
	from = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || !from)
		return false;
	*large = (struct large) { from, "VGETRANDOM_LARGE is in the environment" };
	return true;
}

static void decide_core(void)
{
	const char *name = get_setting("VGETRANDOM_CORE");
	const struct core *named = name ? core_named(name) : NULL;

	if (named)
		config.core = named;
	else if (config.way != VGETRANDOM_MODULE)
		config.core = core_best();
}

static struct large decide_large(void)
{
	struct large large;

	if (!config.core)
		return (struct large) { NEVER_LARGE,
					"the library has no ChaCha20 core for this architecture" };
	return read_large(&large) ? large : default_large();
}

/*
 * Maps the slots of threads, and publishes config.fn and config.large_from. Constructors that ran
 * before may have created threads: these use each of the two from its publication on.
 */
static void publish(vdso_fn fn, const struct large *large)
{
	const char *why;

	if (config.way == VGETRANDOM_VDSO)
		pool_open(&thread_states, config.state_size, (int)config.params.mmap_prot,
			  (int)config.params.mmap_flags,
			  large->from == NEVER_LARGE ? NULL : &thread_expansions);
	pool_prefault(&thread_states);
	__atomic_store_n(&config.fn, fn, __ATOMIC_RELEASE);
	if (large->from == NEVER_LARGE)
		return;
	why = atomic_load(&thread_expansions.capacity) ? NULL :
							 pool_open_secret(&thread_expansions);
	if (why)
		config.large_why = why;
	else
		__atomic_store_n(&config.large_from, large->from, __ATOMIC_RELEASE);
}

static void decide_syscall(void)
{
	const char *value = get_setting("VGETRANDOM_SYSCALL");

	config.leave_syscall = value && raw_streq(value, "off");
}

/*
 * Changes the protection of config's page: see config.c. If pages are larger than ARCH_PAGE this
 * fails with -EINVAL, and the page stays writable.
 */
static int protect(int prot)
{
	const uintptr_t page = (uintptr_t)&config & -ARCH_PAGE;

	return (int)raw_syscall(SYS_mprotect, page, ARCH_PAGE, prot);
}

/* Runs as early as possible. The system call serves requests that come before. */
__attribute__((constructor(101)))
static void start(void)
{
	const char *why_no_threads;
	int saved = errno, error;
	struct large large;
	vdso_fn fn = NULL;

	error = protect(PROT_READ | PROT_WRITE);
	if (error && error != -EINVAL)
		return;
	decide_syscall();
	why_no_threads = thread_setup();
	if (why_no_threads)
		config.small_why = why_no_threads;
	else
		fn = decide_small();
	decide_core();
	large = decide_large();
	config.large_why = large.why;
	if (!why_no_threads)
		publish(fn, &large);
	else if (large.from != NEVER_LARGE)
		config.large_why = why_no_threads;
	protect(PROT_READ);
	errno = saved;
}
