// SPDX-License-Identifier: MIT
/*
 * vgetrandom() chooses how a request is served.
 *
 *	request --- small --> the vDSO's function, with the thread's state
 *	        |         |-> or the library's generator, if the module is loaded
 *	        |         `-> or the system call, if there is neither
 *	        `-- large --> a key from one of these, expanded in the process (expand.c)
 *
 *	setup.c		decides, at the library's start, what is available and what is large
 *	vdso.c		finds the vDSO's function
 *	generator.c	maps the module's page; the generator is the vDSO's code, compiled below
 *	thread.c	slots of each thread; thread exit and fork
 *	pool.c		memory for these slots
 *	core.c		the ChaCha20 cores
 *	dropin.c	getrandom() and other libc functions on top of vgetrandom(); syscall() is in
 *			arch/
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uapi/linux/random.h>
#include <unistd.h>

#include "dropin.h"
#include "expand.h"
#include "generator.h"
#include "raw.h"
#include "setup.h"
#include "thread.h"
#include "vgetrandom.h"

#ifdef ARCH_GENERATOR
#include "../../../lib/vdso/getrandom.c"

ssize_t generator_getrandom(void *buf, size_t len, unsigned int flags, void *state,
			    size_t state_size)
{
	return __cvdso_getrandom(buf, len, flags, state, state_size);
}
#endif

/* Longer requests are cut to this length, as the kernel does: MAX_RW_COUNT. */
#define MAX_BYTES	0x7ffff000UL

/*
 * Return: 0 if @buf is neither in the page of NULL nor beyond user addresses. Only the system call
 * can return EFAULT; asking it about every address would cost too much.
 */
static inline uintptr_t is_no_address(const void *buf)
{
	return ((uintptr_t)buf - ARCH_PAGE) >> ARCH_ADDRESS_BITS;
}

__attribute__((cold))
noinline ssize_t vgetrandom_fail(ssize_t error)
{
	errno = (int)-error;
	return -1;
}

static ssize_t result(ssize_t ret)
{
	return likely(ret >= 0) ? ret : vgetrandom_fail(ret);
}

/* Serves a request of this thread by the system call, and counts it. */
static ssize_t system_call(void *buf, size_t len, unsigned int flags)
{
	thread.syscalls++;
	return raw_syscall(SYS_getrandom, buf, len, flags);
}

static noinline ssize_t slow_path(void *buf, size_t len, unsigned int flags)
{
	const unsigned int contradiction = GRND_RANDOM | GRND_INSECURE;
	void *state = thread.state.idle;
	struct expanded expanded;

	/* Also keeps @len below NEVER_LARGE. */
	if (len > MAX_BYTES)
		len = MAX_BYTES;
	/* The system call returns the right error. Linux 6.11's vDSO accepts any flags. */
	if (is_no_address(buf) || (flags & contradiction) == contradiction)
		return result(system_call(buf, len, flags));
	if (config.fn && !state)
		state = thread_get_state();
	/* With other flags, the kernel may return bytes that are not fit for a key. */
	if (len >= config.large_from && flags <= GRND_NONBLOCK) {
		expanded = expand(buf, len, flags, state);
		if (expanded.is_served)
			return result(expanded.ret);
	}
	if (!state)
		return result(system_call(buf, len, flags));
	return result(thread_call(buf, len, flags, state));
}

static __always_inline ssize_t fast_path(void *buf, size_t len, unsigned int flags, void *state)
{
#ifdef ARCH_GENERATOR
	ssize_t ret;

	/* Inlined: a function call would add a fifth to the time of a 4-byte request. */
	if (config.way == VGETRANDOM_MODULE) {
		thread_begin_use(&thread.state);
		ret = __cvdso_getrandom(buf, len, flags, state, sizeof(struct vgetrandom_state));
		thread_end_use(&thread.state);
		return ret;
	}
#endif
	return thread_call(buf, len, flags, state);
}

ssize_t vgetrandom(void *buf, size_t len, unsigned int flags)
{
	void *state = thread.state.idle;

	/* slow_path() checks these one by one; here one jump is saved. 1 is GRND_NONBLOCK. */
	if (likely(state && len < config.large_from && !(is_no_address(buf) | flags >> 1)))
		return result(fast_path(buf, len, flags, state));
	return slow_path(buf, len, flags);
}

ssize_t vgetrandom_for_syscall(void *buf, size_t len, unsigned int flags)
{
	if (config.leave_syscall)
		return result(system_call(buf, len, flags));
	return vgetrandom(buf, len, flags);
}

void *vgetrandom_alloc(void)
{
	void *state;

	if (!config.fn) {
		errno = ENOSYS;
		return NULL;
	}
	state = thread_alloc_state();
	if (!state)
		errno = ENOMEM;
	return state;
}

void vgetrandom_free(void *state)
{
	static const char message[] =
		"vgetrandom_free: not an allocated state; pass only what vgetrandom_alloc() returned, once\n";

	if (!state || thread_free_state(state))
		return;
	raw_syscall(SYS_write, STDERR_FILENO, message, sizeof(message) - 1);
	abort();
}
