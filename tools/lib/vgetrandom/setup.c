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
 * The size of a state tells whose generator it is. Linux 6.11's has 144 bytes and makes
 * a block at a time; ours has wide cores itself. What is neither is left to itself.
 */
#define STATE_SIZE_OF_6_11	144

/* secure_getenv(), which is in a page of libc that few processes have by now. */
static const char *setting(const char *name)
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

/* The best way for small requests: its function. */
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

static size_t default_large_from(void)
{
	if (!config.state_size) {
		config.large_why = "the system call makes a block at a time";
		return config.core->instead_of_syscall;
	}
	if (config.state_size == STATE_SIZE_OF_6_11) {
		config.large_why = "the vDSO's generator makes a block at a time";
		return config.core->instead_of_vdso;
	}
	if (config.state_size == sizeof(struct vgetrandom_state))
		config.large_why = config.way == VGETRANDOM_MODULE ?
			"the library's generator is as wide itself" :
			"the vDSO's generator is as wide itself";
	else
		config.large_why = "the vDSO's generator is not one that this library knows";
	return NEVER_LARGE;
}

/* What the environment says of where requests are large; 0 if nothing or nonsense. */
static size_t user_large_from(void)
{
	const char *value = setting("VGETRANDOM_LARGE");
	unsigned long from;
	char *end;

	if (!value)
		return 0;
	if (raw_same(value, "off")) {
		config.large_why = "VGETRANDOM_LARGE=off is in the environment";
		return NEVER_LARGE;
	}
	from = strtoul(value, &end, 10);
	/* `vgetrandom info` says so; the reason is that of any other program. */
	if (*value < '0' || *value > '9' || *end || !from)
		return 0;
	config.large_why = "VGETRANDOM_LARGE is in the environment";
	return from;
}

static void decide_core(void)
{
	const char *name = setting("VGETRANDOM_CORE");
	const struct core *named = name ? core_named(name) : NULL;

	if (named)
		config.core = named;
	else if (config.way != VGETRANDOM_MODULE)
		config.core = core_best();
}

/* From where on requests are large. */
static size_t decide_large(void)
{
	const char *why;
	size_t from;

	decide_core();
	if (!config.core) {
		config.large_why = "the library has no ChaCha20 core for this architecture";
		return NEVER_LARGE;
	}
	from = user_large_from();
	why = config.large_why;
	if (!from)
		from = default_large_from();
	if (why)
		config.large_why = why;
	return from;
}

/*
 * There may be threads already, of constructors that ran before. They go the way of small
 * requests from the moment that its function is there, and likewise that of large ones.
 */
static void open_ways(vdso_fn fn, size_t large_from)
{
	const char *why;

	if (config.way == VGETRANDOM_VDSO)
		pool_open(&thread_states, config.state_size, (int)config.params.mmap_prot,
			  (int)config.params.mmap_flags,
			  large_from == NEVER_LARGE ? NULL : &thread_expansions);
	pool_prefault(&thread_states);
	__atomic_store_n(&config.fn, fn, __ATOMIC_RELEASE);
	if (large_from == NEVER_LARGE)
		return;
	why = atomic_load(&thread_expansions.capacity) ? NULL :
							 pool_open_secret(&thread_expansions);
	if (why)
		config.large_why = why;
	else
		__atomic_store_n(&config.large_from, large_from, __ATOMIC_RELEASE);
}

static void decide_syscall(void)
{
	const char *value = setting("VGETRANDOM_SYSCALL");

	config.leave_syscall = value && raw_same(value, "off");
}

/* Its page: see config.c. Where pages are larger this is -EINVAL, and it stays writable. */
static int protect(int prot)
{
	const uintptr_t page = (uintptr_t)&config & -ARCH_PAGE;

	return (int)raw_syscall(SYS_mprotect, page, ARCH_PAGE, prot);
}

/* As early as may be. Who comes earlier still is served by the system call. */
__attribute__((constructor(101)))
static void decide(void)
{
	const char *why_no_threads;
	int saved = errno, error;
	size_t large_from;
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
	large_from = decide_large();
	if (!why_no_threads)
		open_ways(fn, large_from);
	else if (large_from != NEVER_LARGE)
		config.large_why = why_no_threads;
	protect(PROT_READ);
	errno = saved;
}
