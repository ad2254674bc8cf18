// SPDX-License-Identifier: MIT
/*
 * The ways to get random bytes that are compared.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vdso_host.h>

#include "contenders.h"

#define VDSO_SYMBOL	"__vdso_getrandom"
#define VDSO_VERSION	"LINUX_2.6"
#define PAGE_BYTES	4096UL

/* What a vDSO answers when it is asked what its states need: as in <linux/random.h>. */
struct opaque_params {
	__u32	size_of_opaque_state;
	__u32	mmap_prot;
	__u32	mmap_flags;
	__u32	reserved[13];
};

/*
 * The loops that are timed: one for each kind of call, so that none pays for
 * being told apart from the others.
 */

static unsigned long run_vdso(const struct contender *contender, unsigned int thread,
			      void *buffer, size_t len, unsigned long calls)
{
	void *state = contender->states + thread * PAGE_BYTES;
	const size_t state_size = contender->state_size;
	const vgetrandom_fn fn = contender->fn;
	unsigned long failed = 0;

	while (calls--)
		failed += fn(buffer, len, 0, state, state_size) != (ssize_t)len;
	return failed;
}

static unsigned long run_libc(const struct contender *contender, unsigned int thread,
			      void *buffer, size_t len, unsigned long calls)
{
	unsigned long failed = 0;

	(void)contender;
	(void)thread;
	while (calls--)
		failed += getrandom(buffer, len, 0) != (ssize_t)len;
	return failed;
}

/* In assembly: libc's syscall() takes its time, and moves errno. */
static unsigned long run_syscall(const struct contender *contender, unsigned int thread,
				 void *buffer, size_t len, unsigned long calls)
{
	unsigned long failed = 0;
	ssize_t ret;

	(void)contender;
	(void)thread;
	while (calls--) {
		asm volatile("syscall"
			     : "=a" (ret)
			     : "0" (SYS_getrandom), "D" (buffer), "S" (len), "d" (0)
			     : "rcx", "r11", "memory");
		failed += ret != (ssize_t)len;
	}
	return failed;
}

/*
 * States. A page for each: so none straddles two, and no two threads share a
 * cache line.
 */

static void map_states(struct contender *contender, unsigned int nr_threads, bool hosted)
{
	struct opaque_params params;
	ssize_t ret;
	void *states;

	ret = contender->fn(NULL, 0, 0, &params, ~0UL);
	if (ret)
		errx(1, "%s: the query for the parameters of its states returns %zd, not 0",
		     contender->impl, ret);
	if (!params.size_of_opaque_state || params.size_of_opaque_state > PAGE_BYTES)
		errx(1, "%s: its states are of %u bytes; they must fit on a page",
		     contender->impl, params.size_of_opaque_state);

	states = mmap(NULL, nr_threads * PAGE_BYTES, params.mmap_prot, params.mmap_flags, -1, 0);
	if (states == MAP_FAILED && hosted) {
		/* A kernel from before MAP_DROPPABLE; the time of a call is the same. */
		fprintf(stderr,
			"bench: %s: this kernel has no MAP_DROPPABLE; its states are in ordinary memory\n",
			contender->impl);
		states = mmap(NULL, nr_threads * PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	if (states == MAP_FAILED)
		err(1, "%s: mmap() of states with the flags it asks for, %#x",
		    contender->impl, params.mmap_flags);
	contender->states = states;
	contender->state_size = params.size_of_opaque_state;
}

/* Whatever is measured as "vdso" ends up in the results under our name. */
static void check_ours(const struct contender *ours)
{
	if (ours->state_size != sizeof(struct vgetrandom_state))
		errx(1,
		     "vdso: its states are of %zu bytes, ours are of %zu: this is another kernel's, or built from other sources than this benchmark",
		     ours->state_size, sizeof(struct vgetrandom_state));
}

static void open_hosted(struct contender *contender, const char *image)
{
	struct vdso_host *host = vdso_host_open(image);

	if (!host)
		errx(1, "%s", vdso_host_error());
	contender->fn = (vgetrandom_fn)vdso_host_sym(host, VDSO_SYMBOL);
	if (!contender->fn)
		errx(1, "%s: no symbol " VDSO_SYMBOL, image);
}

/* The loader keeps the vDSO, which the kernel maps, in its list of libraries. */
static void open_running(struct contender *contender)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	if (!getauxval(AT_SYSINFO_EHDR) || !vdso)
		contender->absent = "the running kernel gives this process no vDSO";
	else
		contender->fn = (vgetrandom_fn)dlvsym(vdso, VDSO_SYMBOL, VDSO_VERSION);
	if (!contender->absent && !contender->fn)
		contender->absent =
			"the running kernel's vDSO has no getrandom (6.11 and later have)";
}

/*
 * The check before the measurement.
 */

#define CHECK_BYTES	256U
#define CHUNK		16U	/* long enough that no two are ever alike by chance */

static bool is_zero(const unsigned char *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

static void check_call(const struct contender *contender, unsigned int thread,
		       unsigned char *out, size_t len)
{
	if (contender->run(contender, thread, out, len, 1))
		errx(1, "%s: a call for %zu bytes does not return %zu",
		     contender->impl, len, len);
}

static void check_output(const struct contender *contender, unsigned int thread)
{
	unsigned char out[2 * CHECK_BYTES];
	size_t i, j;

	memset(out, 0, sizeof(out));
	check_call(contender, thread, out, CHECK_BYTES);
	check_call(contender, thread, out + CHECK_BYTES, CHECK_BYTES);

	for (i = 0; i < sizeof(out); i += CHUNK) {
		if (is_zero(out + i, CHUNK))
			errx(1, "%s: a call leaves 16 bytes of its buffer zero", contender->impl);
		for (j = 0; j < i; j += CHUNK)
			if (!memcmp(out + i, out + j, CHUNK))
				errx(1, "%s: the same 16 bytes come twice", contender->impl);
	}

	/* Byte by byte, which takes another way through a generator. */
	memset(out, 0, sizeof(out));
	for (i = 0; i < 2 * CHUNK; i++)
		check_call(contender, thread, out + i, 1);
	if (is_zero(out, CHUNK) || is_zero(out + CHUNK, CHUNK) ||
	    !memcmp(out, out + CHUNK, CHUNK))
		errx(1, "%s: calls for one byte give zeros, or the same twice", contender->impl);
}

static void check(const struct contender *contender, unsigned int nr_threads)
{
	unsigned int i;

	for (i = 0; i < nr_threads; i++) {
		check_output(contender, i);
		/* It would be the system call's time under another name. */
		if (contender->states &&
		    is_zero(contender->states + i * PAGE_BYTES, contender->state_size))
			errx(1, "%s: it leaves its state alone, and makes the system call",
			     contender->impl);
	}
}

void contenders_open(struct contender *contenders, const char *image,
		     unsigned int nr_threads)
{
	const struct contender all[NR_CONTENDERS] = {
		{ .impl = "vdso",	 .core = "sse2", .run = run_vdso },
		{ .impl = "kernel-vdso", .core = "",	 .run = run_vdso },
		{ .impl = "libc",	 .core = "",	 .run = run_libc },
		{ .impl = "syscall",	 .core = "",	 .run = run_syscall },
	};
	struct contender *ours = &contenders[0], *theirs = &contenders[1];
	unsigned int i;
	char byte;

	/* Until the kernel's RNG is ready, every vDSO makes the system call. */
	if (syscall(SYS_getrandom, &byte, 1, 0) != 1)
		err(1, "getrandom: the system call");

	memcpy(contenders, all, sizeof(all));
	if (image) {
		open_hosted(ours, image);
		open_running(theirs);
	} else {
		open_running(ours);
		if (ours->absent)
			errx(1, "vdso: %s; is this our kernel, with CONFIG_VDSO_GETRANDOM=y?",
			     ours->absent);
		theirs->absent = "the running kernel's vDSO is ours: see \"vdso\"";
	}

	for (i = 0; i < NR_CONTENDERS; i++) {
		if (contenders[i].absent)
			continue;
		if (contenders[i].fn)
			map_states(&contenders[i], nr_threads, image && &contenders[i] == ours);
		if (&contenders[i] == ours)
			check_ours(ours);
		check(&contenders[i], nr_threads);
	}
}
