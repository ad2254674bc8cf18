// SPDX-License-Identifier: MIT
/*
 * Makes calls of one function on request, and says how long they took.
 *
 * usage: server FUNCTION
 *
 * A process of its own for each function that is compared: so each can have another
 * libc, another library preloaded, and another environment, and all take turns. This
 * program asks little of a libc: built once, it runs on glibc 2.36 and on 2.41.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vgetrandom.h>

#include "clock.h"
#include "server.h"
#include "together.h"

#define PAGE_BYTES	4096

/*
 * What is called, by address: libc's or that of a library which has taken its place,
 * with the same cost as a call through the table that the loader fills in.
 */
static union {
	ssize_t	(*getrandom)(void *buffer, size_t len, unsigned int flags);
	void	(*fill)(void *buffer, size_t len);
	int	(*rand_bytes)(unsigned char *buffer, int len);
	ssize_t	(*vdso)(void *buffer, size_t len, unsigned int flags, void *state, size_t size);
	void	*address;
} fn;

/* States of a vDSO, each on a page of its own; and this thread's. */
static struct {
	unsigned char	*pages;
	size_t		size;
} states;

static __thread void *state;

static unsigned int nr_cpus;

static struct hello hello;

static void absent(const char *why)
{
	if (!*hello.absent)
		snprintf(hello.absent, sizeof(hello.absent), "%s", why);
}

/*
 * The loops that are timed: one for each kind of function, so that none pays for being
 * told apart from the others.
 */

static unsigned long run_getrandom(void *buffer, size_t len, unsigned long calls)
{
	unsigned long failed = 0;

	while (calls--)
		failed += fn.getrandom(buffer, len, 0) != (ssize_t)len;
	return failed;
}

static unsigned long run_fill(void *buffer, size_t len, unsigned long calls)
{
	while (calls--)
		fn.fill(buffer, len);
	return 0;
}

static unsigned long run_rand_bytes(void *buffer, size_t len, unsigned long calls)
{
	unsigned long failed = 0;

	while (calls--)
		failed += fn.rand_bytes(buffer, len) != 1;
	return failed;
}

static unsigned long run_vdso(void *buffer, size_t len, unsigned long calls)
{
	unsigned long failed = 0;

	while (calls--)
		failed += fn.vdso(buffer, len, 0, state, states.size) != (ssize_t)len;
	return failed;
}

/* In assembly: libc's syscall() takes its time, and moves errno. */
static unsigned long run_syscall(void *buffer, size_t len, unsigned long calls)
{
	unsigned long failed = 0;
	ssize_t ret;

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
 * Who it is.
 */

/* @library: NULL: what is in the process already. */
static void *symbol(const char *library, const char *name)
{
	void *handle = library ? dlopen(library, RTLD_NOW) : RTLD_DEFAULT;
	void *found = handle || !library ? dlsym(handle, name) : NULL;

	if (!found)
		absent(dlerror());
	return found;
}

static void ask_libc(void)
{
	const char *(*version)(void) = dlsym(RTLD_DEFAULT, "gnu_get_libc_version");

	if (version)
		snprintf(hello.libc, sizeof(hello.libc), "glibc-%s", version());
	else
		strcpy(hello.libc, "musl");
}

/* libvgetrandom, if it is preloaded. */
static bool ask_library(void)
{
	typeof(vgetrandom_info) *get_info = dlsym(RTLD_DEFAULT, "vgetrandom_info");
	const char *core = getenv("VGETRANDOM_CORE");
	struct vgetrandom_info info;

	if (!get_info)
		return false;
	get_info(&info, sizeof(info));
	strcpy(hello.impl, "libvgetrandom");
	hello.large_from = info.large_from;
	if (!info.large_from)
		return true;
	snprintf(hello.core, sizeof(hello.core), "%s", info.core);
	if (core && strcmp(core, info.core))
		absent("this processor, or its kernel, cannot run it");
	return true;
}

static void open_libc(const char *name)
{
	fn.address = symbol(NULL, name);
	if (!ask_library())
		strcpy(hello.impl, hello.libc);
}

static void open_getrandom(void)
{
	open_libc("getrandom");
}

static void open_arc4random(void)
{
	open_libc("arc4random_buf");
}

static void open_vgetrandom(void)
{
	fn.address = symbol(NULL, "vgetrandom");
	ask_library();
}

static void open_libbsd(void)
{
	strcpy(hello.impl, "libbsd");
	fn.address = symbol("libbsd.so.0", "arc4random_buf");
}

static void open_openssl(void)
{
	strcpy(hello.impl, "openssl");
	fn.address = symbol("libcrypto.so.3", "RAND_bytes");
}

static void open_sodium(const char *generator)
{
	int (*set)(void *) = symbol("libsodium.so.23", "randombytes_set_implementation");
	int (*init)(void) = symbol("libsodium.so.23", "sodium_init");
	void *implementation = symbol("libsodium.so.23", generator);

	fn.address = symbol("libsodium.so.23", "randombytes_buf");
	if (!*hello.absent && (set(implementation) || init() < 0))
		absent("sodium_init() fails");
}

/* The generator that it uses unless it is told to. */
static void open_sodium_sysrandom(void)
{
	strcpy(hello.impl, "libsodium");
	open_sodium("randombytes_sysrandom_implementation");
}

static void open_sodium_internal(void)
{
	strcpy(hello.impl, "libsodium-internal");
	open_sodium("randombytes_internal_implementation");
}

/* Has its own, whatever the libc: the limit for all that use it. */
static void open_vdso(void)
{
	struct { unsigned int size, prot, flags, reserved[13]; } params;
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	strcpy(hello.impl, "kernel-vdso");
	fn.address = vdso ? dlsym(vdso, "__vdso_getrandom") : NULL;
	if (!fn.address) {
		absent("the running kernel's vDSO has no getrandom (6.11 and later have)");
		return;
	}
	if (fn.vdso(NULL, 0, 0, &params, ~0UL) || params.size > PAGE_BYTES)
		errx(1, "the vDSO does not say what its states need");
	states.size = params.size;
	states.pages = mmap(NULL, (size_t)nr_cpus * PAGE_BYTES, params.prot, params.flags, -1, 0);
	if (states.pages == MAP_FAILED)
		err(1, "mmap() of states with the flags that the vDSO asks for, %#x",
		    params.flags);
	state = states.pages;
}

/* One and the same state is never another thread's at the same time. */
static void begin_vdso(unsigned int thread)
{
	state = states.pages + (size_t)thread * PAGE_BYTES;
}

static void open_syscall(void)
{
	strcpy(hello.impl, "syscall");
}

static const struct function {
	const char	*name;
	void		(*open)(void);
	struct crowd	crowd;
} functions[] = {
	{ "vgetrandom",		    open_vgetrandom,	   { run_getrandom, NULL } },
	{ "getrandom",		    open_getrandom,	   { run_getrandom, NULL } },
	{ "arc4random_buf",	    open_arc4random,	   { run_fill, NULL } },
	{ "__vdso_getrandom",	    open_vdso,		   { run_vdso, begin_vdso } },
	{ "syscall",		    open_syscall,	   { run_syscall, NULL } },
	{ "libbsd",		    open_libbsd,	   { run_fill, NULL } },
	{ "RAND_bytes",		    open_openssl,	   { run_rand_bytes, NULL } },
	{ "randombytes_buf",	    open_sodium_sysrandom, { run_fill, NULL } },
	{ "randombytes_buf:internal", open_sodium_internal, { run_fill, NULL } },
};

static const struct function *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		if (!strcmp(functions[i].name, name))
			return &functions[i];
	errx(2, "%s: there is no function of this name", name);
}

/* Only that something comes, and not the same twice: other tests are for the rest. */
static void check(const struct function *function)
{
	static unsigned char out[4096];
	size_t i, j;

	if (function->crowd.run(out, sizeof(out), 1))
		errx(1, "%s: a call for %zu bytes falls short", function->name, sizeof(out));
	for (i = 0; i < sizeof(out); i += 16)
		for (j = 0; j < i; j += 16)
			if (!memcmp(out + i, out + j, 16))
				errx(1, "%s: the same 16 bytes come twice", function->name);
}

static void stay_on(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "cannot run on processor %d", cpu);
}

/* Alone in this process: no other thread has been there, or is. */
static struct answer run_alone(const struct function *function, const struct request *request)
{
	/* Not at its page's start, as states are: see measure_open() for why. */
	static unsigned char buffers[MAX_REQUEST + PAGE_BYTES]
		__attribute__((aligned(PAGE_BYTES)));
	unsigned char *buffer = buffers + PAGE_BYTES / 2;
	struct answer answer;
	double start;

	if (!*buffers)
		memset(buffers, 1, sizeof(buffers));
	stay_on(request->cpu);
	/* The caches are still full of what others have called. */
	function->crowd.run(buffer, request->bytes, request->calls / 8 + 1);
	start = now();
	answer.failed = function->crowd.run(buffer, request->bytes, request->calls);
	answer.ns = now() - start;
	answer.thread_ns = answer.ns;
	return answer;
}

static void send(const void *data, size_t size)
{
	if (write(STDOUT_FILENO, data, size) != (ssize_t)size)
		err(1, "cannot answer");
}

int main(int argc, char **argv)
{
	const struct function *function;
	struct request request;
	struct answer answer;

	if (argc != 2 || isatty(STDOUT_FILENO))
		errx(2, "this is not for people: see bench/libraries.c");
	function = find(argv[1]);
	ask_libc();
	nr_cpus = together_open();
	function->open();
	if (!*hello.absent)
		check(function);
	send(&hello, sizeof(hello));

	while (read(STDIN_FILENO, &request, sizeof(request)) == sizeof(request)) {
		if (request.bytes > MAX_REQUEST)
			errx(1, "%zu bytes are more than there is room for", request.bytes);
		answer = request.threads > 1 ? together_run(&function->crowd, &request) :
			 run_alone(function, &request);
		send(&answer, sizeof(answer));
	}
	return 0;
}
