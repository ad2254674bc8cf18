// SPDX-License-Identifier: MIT
/*
 * The ways to get random bytes that are compared.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vdso_host.h>

#include "check.h"
#include "contenders.h"
#include "openssl.h"

#define VDSO_SYMBOL	"__vdso_getrandom"
#define VDSO_VERSION	"LINUX_2.6"

const struct core cores[NR_CORES] = {
	{ "avx512",	16,	ENCODING_ZMM },
	{ "avx512vl",	16,	ENCODING_EVEX },
	{ "avx2",	8,	ENCODING_VEX },
	{ "sse2",	8,	ENCODING_LEGACY },	/* twice four */
};

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

static void describe_vdso(const struct contender *contender, void *buffer, size_t len,
			  struct call *call)
{
	*call = (struct call) {
		.fn = contender->fn,
		.arguments = { (long)buffer, len, 0, (long)contender->states,
			       contender->state_size },
	};
}

/*
 * States. A page for each: so none straddles two, and no two threads share a
 * cache line.
 */

static void query_states(struct contender *contender)
{
	struct opaque_params params;
	ssize_t ret;

	ret = contender->fn(NULL, 0, 0, &params, ~0UL);
	if (ret)
		errx(1, "%s: the query for the parameters of its states returns %zd, not 0",
		     contender->impl, ret);
	if (!params.size_of_opaque_state || params.size_of_opaque_state > PAGE_BYTES)
		errx(1, "%s: its states are of %u bytes; they must fit on a page",
		     contender->impl, params.size_of_opaque_state);
	contender->state_size = params.size_of_opaque_state;
	contender->state_prot = params.mmap_prot;
	contender->state_flags = params.mmap_flags;
}

unsigned char *contenders_map_states(const struct contender *contender, unsigned int nr)
{
	static bool told;
	void *states = mmap(NULL, nr * PAGE_BYTES, contender->state_prot,
			    contender->state_flags, -1, 0);

	if (states == MAP_FAILED && contender->host) {
		/* A kernel from before MAP_DROPPABLE; the time of a call is the same. */
		if (!told)
			fprintf(stderr,
				"bench: %s: this kernel has no MAP_DROPPABLE; its states are in ordinary memory\n",
				contender->impl);
		told = true;
		states = mmap(NULL, nr * PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	if (states == MAP_FAILED)
		err(1, "%s: mmap() of states with the flags it asks for, %#x",
		    contender->impl, contender->state_flags);
	return states;
}

/* Whatever is measured as "vdso" ends up in the results under our name. */
static void check_ours(const struct contender *ours)
{
	if (ours->state_size != sizeof(struct vgetrandom_state))
		errx(1,
		     "vdso: its states are of %zu bytes, ours are of %zu: this is another kernel's, or built from other sources than this benchmark",
		     ours->state_size, sizeof(struct vgetrandom_state));
}

/* Why @core cannot be used; NULL if it can. */
static const char *open_hosted(struct contender *contender, const char *image,
			       const struct core *core)
{
	const char *why;

	*contender = (struct contender) {
		.impl = "vdso", .core = core->name, .width = core->width,
		.max_threads = ~0U, .run = run_vdso, .describe = describe_vdso,
	};
	contender->host = vdso_host_open(image);
	if (!contender->host)
		errx(1, "%s", vdso_host_error());
	why = vdso_host_set_core(contender->host, core->name);
	if (why)
		return why;
	contender->fn = (vgetrandom_fn)vdso_host_sym(contender->host, VDSO_SYMBOL);
	if (!contender->fn)
		errx(1, "%s: no symbol " VDSO_SYMBOL, image);
	query_states(contender);
	check_ours(contender);
	return NULL;
}

/* The loader keeps the vDSO, which the kernel maps, in its list of libraries. */
static void open_running(struct contender *contender, const char *impl)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	*contender = (struct contender) {
		.impl = impl, .core = "", .max_threads = ~0U,
		.run = run_vdso, .describe = describe_vdso,
	};
	if (!getauxval(AT_SYSINFO_EHDR) || !vdso)
		contender->absent = "the running kernel gives this process no vDSO";
	else
		contender->fn = (vgetrandom_fn)dlvsym(vdso, VDSO_SYMBOL, VDSO_VERSION);
	if (!contender->absent && !contender->fn)
		contender->absent =
			"the running kernel's vDSO has no getrandom (6.11 and later have)";
	if (!contender->absent)
		query_states(contender);
}

void contenders_open_core(struct contender *contender, const char *image, const char *core)
{
	const struct core *found = cores;
	const char *why;

	while (found < cores + NR_CORES && strcmp(found->name, core))
		found++;
	if (found == cores + NR_CORES)
		errx(2, "%s: there is no core of this name", core);
	why = open_hosted(contender, image, found);
	if (why)
		errx(1, "%s: %s", core, why);
	contender->states = contenders_map_states(contender, 1);
}

void contenders_open_running(struct contender *contender)
{
	open_running(contender, "kernel-vdso");
	if (!contender->absent)
		contender->states = contenders_map_states(contender, 1);
}

static struct contender *add(struct contenders *contenders)
{
	if (contenders->nr == MAX_CONTENDERS)
		errx(1, "more than %d contenders", MAX_CONTENDERS);
	return &contenders->list[contenders->nr++];
}

static void add_vdsos(struct contenders *contenders, const char *image)
{
	struct contender *contender;
	size_t i;

	if (image) {
		for (i = 0; i < NR_CORES; i++) {
			contender = add(contenders);
			contender->absent = open_hosted(contender, image, &cores[i]);
		}
		open_running(add(contenders), "kernel-vdso");
		return;
	}
	contender = add(contenders);
	open_running(contender, "vdso");
	if (contender->absent)
		errx(1, "vdso: %s; is this our kernel, with CONFIG_VDSO_GETRANDOM=y?",
		     contender->absent);
	check_ours(contender);
	*add(contenders) = (struct contender) {
		.impl = "kernel-vdso", .core = "",
		.absent = "the running kernel's vDSO is ours: see \"vdso\"",
	};
}

void contenders_open(struct contenders *contenders, const char *image,
		     unsigned int nr_threads)
{
	struct contender *contender;
	size_t i;
	char byte;

	/* Until the kernel's RNG is ready, every vDSO makes the system call. */
	if (syscall(SYS_getrandom, &byte, 1, 0) != 1)
		err(1, "getrandom: the system call");

	contenders->nr = 0;
	add_vdsos(contenders, image);
	*add(contenders) = (struct contender) {
		.impl = "libc", .core = "", .max_threads = ~0U, .run = run_libc,
	};
	*add(contenders) = (struct contender) {
		.impl = "syscall", .core = "", .max_threads = ~0U, .run = run_syscall,
	};
	for (i = 0; i < contenders->nr; i++) {
		contender = &contenders->list[i];
		if (contender->absent)
			continue;
		if (contender->fn)
			contender->states = contenders_map_states(contender, nr_threads);
		if (!strcmp(contender->impl, "vdso"))
			check_core(contender);
		check_output(contender, nr_threads);
	}
	for (i = 0; i < openssl_nr(); i++)
		openssl_open(add(contenders), i, image);
}

const struct contender *contenders_find(const struct contenders *contenders,
					const char *impl, const char *core)
{
	const struct contender *contender = contenders->list;

	for (; contender < contenders->list + contenders->nr; contender++)
		if (!contender->absent && !strcmp(contender->impl, impl) &&
		    (!core || !strcmp(contender->core, core)))
			return contender;
	return NULL;
}
