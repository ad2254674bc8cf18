// SPDX-License-Identifier: MIT
/*
 * vDSO functions: this project's, from an image that this process hosts, and the running
 * kernel's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vdso_host.h>

#include "step.h"

/* A vDSO's parameters for states, as in <linux/random.h>. */
static struct opaque_params {
	__u32	size_of_opaque_state;
	__u32	mmap_prot;
	__u32	mmap_flags;
	__u32	reserved[13];
} params;

static struct vdso_host *host;
static unsigned char *states;	/* one page for each thread */
static __thread void *state;	/* this thread's state */

CALLS(run_vdso, fn.vdso(buffer, len, 0, state, hello.state_size) == (ssize_t)len)

/* One page each, so that no state crosses a page and no two share a cache line. */
static unsigned char *map_states(size_t nr)
{
	void *found = mmap(NULL, nr * PAGE_BYTES, params.mmap_prot, params.mmap_flags, -1, 0);

	/* A kernel without MAP_DROPPABLE; the time of a call is the same. */
	if (found == MAP_FAILED && host)
		found = mmap(NULL, nr * PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (found == MAP_FAILED)
		err(1, "%s: mmap() of states with flags %#x", hello.impl,
		    params.mmap_flags);
	return found;
}

static void begin_vdso(unsigned int thread)
{
	state = states + thread * PAGE_BYTES;
}

static void open_states(void)
{
	static const unsigned char zeros[PAGE_BYTES];
	char byte;

	/* Until the kernel's RNG is ready, every vDSO uses the system call. */
	if (syscall(SYS_getrandom, &byte, 1, 0) != 1)
		err(1, "getrandom system call");
	if (fn.vdso(NULL, 0, 0, &params, ~0UL) || !params.size_of_opaque_state ||
	    params.size_of_opaque_state > PAGE_BYTES)
		errx(1, "%s: invalid parameters for states", hello.impl);
	hello.state_size = params.size_of_opaque_state;
	/* One more than the timed threads: see registers.c. */
	states = map_states(nr_threads() + 1);
	begin_vdso(0);
	/* Otherwise the figures would be those of the system call. */
	if (run_vdso(&byte, 1, 1) || !memcmp(states, zeros, hello.state_size))
		errx(1, "%s: it does not use its state, but the system call", hello.impl);
}

static void open_hosted(const char *image, const char *core)
{
	char name[64], byte;
	const char *error;
	void *function;

	host = vdso_host_open(image);
	if (!host)
		errx(1, "%s", vdso_host_error());
	snprintf(hello.core, sizeof(hello.core), "%s", core);
	error = vdso_host_set_core(host, core);
	if (error) {
		absent(error);
		return;
	}
	fn.address = vdso_host_sym(host, "__vdso_getrandom");
	snprintf(name, sizeof(name), "vgetrandom_chacha20_%s", core);
	function = vdso_host_sym(host, name);
	if (!fn.address || !function)
		errx(1, "%s: no symbol %s", image, fn.address ? name : "__vdso_getrandom");
	open_states();
	/* A new state, so this call needs a refill. */
	begin_vdso(nr_threads());
	if (!step_call(run_vdso, &byte, 1, function).saw)
		errx(1, "core %s is selected, but the vDSO uses another one", core);
}

/* @argument: CORE:IMAGE */
static void open_this_project(const char *argument)
{
	char core[16];
	int len = 0;

	strcpy(hello.impl, "vdso");
	if (sscanf(argument, "%15[^:]:%n", core, &len) != 1 || !len)
		errx(2, "'%s' is not CORE:IMAGE", argument);
	open_hosted(argument + len, core);
	if (host && !*hello.absent && hello.state_size != sizeof(struct vgetrandom_state))
		errx(1, "%s: states have %zu bytes, expected %zu; rebuild it from these sources",
		     argument + len, hello.state_size, sizeof(struct vgetrandom_state));
}

static size_t left(void)
{
	return ((struct vgetrandom_state *)state)->available;
}

CONTENDER(this_project, .name = "vdso", .open = open_this_project, .run = run_vdso,
	  .begin = begin_vdso, .left = left, .is_random = true);

/* The loader lists the kernel's vDSO as a library. */
static void open_running(const char *argument)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	strcpy(hello.impl, "kernel-vdso");
	(void)argument;
	fn.address = vdso ? dlsym(vdso, "__vdso_getrandom") : NULL;
	if (fn.address)
		open_states();
	else
		absent("the running kernel's vDSO has no getrandom (6.11 and later have)");
}

CONTENDER(running, .name = "kernel-vdso", .open = open_running, .run = run_vdso,
	  .begin = begin_vdso, .is_random = true);

/*
 * Like the first call of a thread: with a state without a key, on a page that is not present.
 */
static double first_call(const struct contender *contender, void *buffer, size_t bytes)
{
	enum { PAGES = 64 };
	unsigned long failed = 0;
	unsigned char *fresh;
	double start, end;
	unsigned int i;

	if (!states)
		return NAN;
	fresh = map_states(PAGES);
	start = now();
	for (i = 0; i < PAGES; i++) {
		state = fresh + i * PAGE_BYTES;
		failed += contender->run(buffer, bytes, 1);
	}
	end = now();
	munmap(fresh, PAGES * PAGE_BYTES);
	begin_vdso(0);
	return failed ? NAN : (end - start) / PAGES;
}

QUESTION(first, .name = "first-call", .ask = first_call);

/* Not for the running kernel: no program can make it reseed. */
static double reseeded_call(const struct contender *contender, void *buffer, size_t bytes)
{
	enum { CALLS_MADE = 500 };
	struct vdso_rng_data *rng;
	unsigned long failed = 0;
	double start;
	int i;

	if (!host)
		return NAN;
	rng = vdso_host_rng(host);
	start = now();
	for (i = 0; i < CALLS_MADE; i++) {
		__atomic_store_n(&rng->generation, rng->generation + 1, __ATOMIC_RELEASE);
		failed += contender->run(buffer, bytes, 1);
	}
	return failed ? NAN : (now() - start) / CALLS_MADE;
}

QUESTION(reseeded, .name = "reseeded-call", .ask = reseeded_call);
