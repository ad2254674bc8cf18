// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parts of the testbed that differ if the hosted vDSO is libvgetrandom: locked states
 * (VDSO_STATES), calls through vgetrandom() (VDSO_ENTRY), and no ranges (VDSO_HOOK).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../lib/vgetrandom/pool.h"
#include "../../lib/vgetrandom/setup.h"
#include "../../lib/vgetrandom/thread.h"
#include "../libvgetrandom/filter_droppable.h"
#include "lock_limit.h"
#include "testbed.h"

/* The memory of locked states. */
static struct {
	char *memory;
	size_t len;
	unsigned long word;		/* *pool->lock of a process that has locked it */
	uint8_t copy[PAGE];
} locked;

/* Refuse MAP_DROPPABLE, as an older kernel does, and let RLIMIT_MEMLOCK apply. */
static bool emulate_old_kernel(void)
{
	return apply_lock_limit() && filter_droppable();
}

/* The bytes of memory that this process has locked. */
static size_t get_locked_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "VmLck: %zu", &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib * 1024;
}

bool testbed_may_hold_keys(void)
{
	return !testbed.pool || get_locked_bytes() >= locked.len;
}

void testbed_limit_locking(bool limited)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
	limit.rlim_cur = limited ? 0 : limit.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
}

static void lock_again(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
	testbed_limit_locking(false);
	if (syscall(SYS_mlock2, locked.memory, locked.len, MLOCK_ONFAULT) ||
	    setrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
}

void testbed_drop(void)
{
	if (!testbed.pool) {
		memset(testbed.state, 0, testbed.state_size);
		return;
	}
	memset(locked.memory, 0, PAGE);
	testbed_place_at(testbed.state);
	if (munlock(locked.memory, locked.len))
		abort();
}

void testbed_restore(void)
{
	if (!testbed.pool)
		return;
	testbed_limit_locking(false);
	lock_again();
	*testbed.pool->lock = locked.word;
}

pid_t testbed_fork(void)
{
	const unsigned long word = testbed.pool ? *testbed.pool->lock : 0;
	const bool was_locked = testbed.pool && testbed_may_hold_keys();
	pid_t pid;

	if (testbed.pool)
		memcpy(locked.copy, testbed.page, PAGE);
	pid = fork();
	if (!pid && testbed.pool) {
		/* The child's states must be wiped and unlocked, as the library promises. */
		for (size_t i = 0; i < PAGE; i++)
			if (testbed.page[i])
				abort();
		if (*testbed.pool->lock || get_locked_bytes())
			abort();
		if (was_locked)
			lock_again();
		memcpy(testbed.page, locked.copy, PAGE);
		*testbed.pool->lock = word;
	}
	return pid;
}

/* Use the second page of the pool: the first one also holds *pool->lock. */
static bool open_locked(void)
{
	const char *(*open_secret)(struct pool *pool);
	const char *why;

	testbed.pool = vdso_host_sym(testbed.host, "thread_states");
	open_secret = (typeof(open_secret))vdso_host_sym(testbed.host, "pool_open_secret");
	if (!testbed.pool || !open_secret) {
		fprintf(stderr, "VDSO_STATES=locked: VDSO_IMAGE is not libvgetrandom\n");
		return false;
	}
	if (!emulate_old_kernel()) {
		fprintf(stderr, "cannot emulate an older kernel: %s\n", strerror(errno));
		return false;
	}
	memset(testbed.pool, 0, sizeof(*testbed.pool));
	why = open_secret(testbed.pool);
	locked.len = get_locked_bytes();
	if (why || !testbed.pool->lock || locked.len < 2 * PAGE) {
		fprintf(stderr, "the library does not lock its states: %s\n", why ?: "no error");
		return false;
	}
	locked.memory = testbed.pool->chunks[0];
	locked.word = *testbed.pool->lock;
	testbed.page = (uint8_t *)locked.memory + PAGE;
	testbed.state_size = STATE_SIZE;
	testbed_place(MIDDLE_OF_PAGE);
	return !mprotect(testbed.page + PAGE, locked.len - 2 * PAGE, PROT_NONE);
}

void testbed_use_state(void *state)
{
	if (!testbed.thread)
		return;
	testbed.thread->state.idle = state;
	testbed.thread->state.own = state;
}

bool testbed_thread_in_use(void)
{
	return testbed.thread && !testbed.thread->state.idle;
}

#ifdef __x86_64__
/* As compilers call it, with the number of a module and an offset. */
void *__tls_get_addr(size_t index[2]);

/* The library's thread-local variable @name of this thread. */
static void *thread_local_sym(const char *name)
{
	struct link_map *library = dlopen(testbed_image(), RTLD_NOW | RTLD_NOLOAD);
	char *symbol = vdso_host_sym(testbed.host, name);
	size_t index[2];

	if (!library || !symbol || dlinfo(library, RTLD_DI_TLS_MODID, &index[0]))
		return NULL;
	index[1] = symbol - (char *)library->l_addr;
	return __tls_get_addr(index);
}

/* Configure the library as it does at its start if the module is loaded. */
static bool open_vgetrandom(void)
{
	struct config *config = vdso_host_sym(testbed.host, "config");
	void *page = (void *)((uintptr_t)config & -PAGE);

	testbed.thread = thread_local_sym("thread");
	if (!testbed.thread || !config || mprotect(page, PAGE, PROT_READ | PROT_WRITE)) {
		fprintf(stderr, "VDSO_ENTRY=vgetrandom: VDSO_IMAGE is not libvgetrandom\n");
		return false;
	}
	*config = (struct config) {
		.fn = (vdso_fn)testbed.fn, .way = VGETRANDOM_MODULE, .state_size = STATE_SIZE,
		.large_from = NEVER_LARGE,
	};
	testbed.fn = (vgetrandom_fn)vdso_host_sym(testbed.host, "vgetrandom");
	return !mprotect(page, PAGE, PROT_READ);
}
#else
static bool open_vgetrandom(void)
{
	return false;
}
#endif

/* Is @name in the environment @value? */
static bool env_is(const char *name, const char *value)
{
	const char *is = getenv(name);

	return is && !strcmp(is, value);
}

bool testbed_open_library(void)
{
	struct pool *pool = vdso_host_sym(testbed.host, "thread_states");

	if (!env_is("VDSO_HOOK", "0"))
		testbed.ranges = vdso_host_sym(testbed.host, "vgetrandom_ranges");
	if (env_is("VDSO_ENTRY", "vgetrandom") && !open_vgetrandom())
		return false;
	if (env_is("VDSO_STATES", "locked"))
		return open_locked();
	/* The library may have locked states at its start: use droppable ones. */
	if (pool)
		pool->lock = NULL;
	return true;
}
