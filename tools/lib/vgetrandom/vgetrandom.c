// SPDX-License-Identifier: MIT
/*
 * vgetrandom(): which of the ways a request goes.
 *
 *	request --- small --> the vDSO's function, with the thread's state
 *	        |         |-> or the library's generator, if the module publishes its page
 *	        |         `-> the system call, if there is neither
 *	        `-- large --> a key from any, expanded (expand.c)
 *
 *	setup.c		what is small, and which ways there are, decided at the start
 *	vdso.c		finds the vDSO's function
 *	generator.c	the module's page, for the generator: the vDSO's, compiled into here
 *	thread.c	what each thread has; exit and fork
 *	pool.c		where it has that from
 *	core.c		the ChaCha20 cores
 *	dropin.c	getrandom() and its like on top of this; syscall() is in arch/
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

/* A request is cut to this, as by the kernel: MAX_RW_COUNT. */
#define MOST_BYTES	0x7ffff000UL

/*
 * 0, if it is neither in the page of NULL nor beyond what processes have. Only the system
 * call can say EFAULT; it costs too much to ask it about each address.
 */
static inline uintptr_t beyond_addresses(const void *buf)
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

/* The system call serves a request of this thread. */
static ssize_t system_call(void *buf, size_t len, unsigned int flags)
{
	thread.syscalls++;
	return raw_syscall(SYS_getrandom, buf, len, flags);
}

static noinline ssize_t slow_path(void *buf, size_t len, unsigned int flags)
{
	const unsigned int contradiction = GRND_RANDOM | GRND_INSECURE;
	void *state = thread.state;
	ssize_t ret = 0;

	/* Otherwise the largest number would be large where nothing is. */
	if (len > MOST_BYTES)
		len = MOST_BYTES;
	/* What is wrong, the system call says. Linux 6.11's vDSO accepts all flags at once. */
	if (beyond_addresses(buf) || (flags & contradiction) == contradiction)
		return result(system_call(buf, len, flags));
	if (config.fn && !state)
		state = thread_get_state();
	/* With other flags the kernel may give what no key should be made of. */
	if (len >= config.large_from && flags <= GRND_NONBLOCK)
		ret = expand(buf, len, flags, state);
	if (ret)
		return result(ret);
	if (!state)
		return result(system_call(buf, len, flags));
	return result(thread_call(config.fn, buf, len, flags, state, config.state_size));
}

/* The generator is inlined: a call would take a fifth of the time for 4 bytes. */
static __always_inline ssize_t fast_path(void *buf, size_t len, unsigned int flags, void *state)
{
#ifdef ARCH_GENERATOR
	if (config.way == VGETRANDOM_MODULE)
		return thread_call(__cvdso_getrandom, buf, len, flags, state,
				   sizeof(struct vgetrandom_state));
#endif
	return thread_call(config.fn, buf, len, flags, state, config.state_size);
}

ssize_t vgetrandom(void *buf, size_t len, unsigned int flags)
{
	void *state = thread.state;

	/* What slow_path() looks at one by one, with a jump less: 1 is GRND_NONBLOCK. */
	if (likely(state && len < config.large_from &&
		   !(beyond_addresses(buf) | flags >> 1)))
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
		"vgetrandom_free(): this is not a state that vgetrandom_alloc() has handed out\n";

	if (!state || thread_free_state(state))
		return;
	raw_syscall(SYS_write, STDERR_FILENO, message, sizeof(message) - 1);
	abort();
}
