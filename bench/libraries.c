// SPDX-License-Identifier: MIT
/*
 * The functions that programs call today for random bytes, and libvgetrandom instead.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vgetrandom.h>

#include "../module/page.h"

#include "worker.h"

CALLS(run_getrandom, fn.getrandom(buffer, len, 0) == (ssize_t)len)
CALLS(run_fill, (fn.fill(buffer, len), true))
CALLS(run_rand_bytes, fn.rand_bytes(buffer, len) == 1)

/* Fills in hello if libvgetrandom is preloaded. */
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
		absent("the processor or the kernel does not support it");
	return true;
}

/* libc's function, or that of a preloaded library. */
static void open_libc(const char *name)
{
	fn.address = symbol(NULL, name);
	if (!ask_library())
		strcpy(hello.impl, hello.libc);
}

static void open_getrandom(const char *argument)
{
	(void)argument;
	open_libc("getrandom");
}

static void open_arc4random(const char *argument)
{
	(void)argument;
	open_libc("arc4random_buf");
}

CONTENDER(libc_getrandom, .name = "getrandom", .open = open_getrandom, .run = run_getrandom,
	  .is_random = true);
CONTENDER(libc_arc4random, .name = "arc4random_buf", .open = open_arc4random, .run = run_fill,
	  .is_random = true);

static void open_vgetrandom(const char *argument)
{
	(void)argument;
	fn.address = symbol(NULL, "vgetrandom");
	ask_library();
}

CONTENDER(preloaded, .name = "vgetrandom", .open = open_vgetrandom, .run = run_getrandom,
	  .is_random = true);

/* The number of a core in the page's table. */
static unsigned int core_number(const char *core, const struct vgetrandom_page *page)
{
	const char *at = page->cores;
	unsigned int number = 0;

	for (; *at; at += strcspn(at, " ") + 1, number++)
		if (strcspn(at, " ") == strlen(core) && !strncmp(at, core, strlen(core)))
			return number;
	errx(1, "core %s is not in the core table of the module's page", core);
}

/*
 * libvgetrandom with the module's page, which with_vdso has created. Writes to the page the
 * number of the core that the library would use elsewhere.
 */
static void open_module(const char *argument)
{
	const char *path = getenv("TEST_PAGE"), *core = getenv("VGETRANDOM_CORE");
	typeof(vgetrandom_info) *get_info;
	struct vgetrandom_info info;
	struct vgetrandom_page page;
	__u8 number;
	int fd;

	(void)argument;
	fn.address = symbol(NULL, "getrandom");
	get_info = symbol(NULL, "vgetrandom_info");
	if (!get_info)
		return;
	get_info(&info, sizeof(info));
	if (info.small != VGETRANDOM_MODULE)
		errx(1, "libvgetrandom does not use the module's page: %s", info.module_why);
	strcpy(hello.impl, "libvgetrandom");
	snprintf(hello.core, sizeof(hello.core), "%s", info.core);
	if (core && strcmp(core, info.core)) {
		absent("the processor or the kernel does not support it");
		return;
	}
	fd = open(path ?: "", O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, &page, sizeof(page), 0) != sizeof(page))
		err(1, "the module's page, '%s'", path);
	number = core_number(hello.core, &page);
	if (pwrite(fd, &number, 1, offsetof(struct vgetrandom_page, rng.core)) != 1)
		err(1, "%s", path);
	close(fd);
}

CONTENDER(module, .name = "module", .open = open_module, .run = run_getrandom,
	  .is_random = true);

/* In assembly: libc's syscall() adds time and sets errno. */
static inline ssize_t system_call(void *buffer, size_t len)
{
	ssize_t ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "0" (SYS_getrandom), "D" (buffer), "S" (len), "d" (0)
		     : "rcx", "r11", "memory");
	return ret;
}

CALLS(run_syscall, system_call(buffer, len) == (ssize_t)len)

static void open_syscall(const char *argument)
{
	(void)argument;
	strcpy(hello.impl, "syscall");
}

CONTENDER(syscalls, .name = "syscall", .open = open_syscall, .run = run_syscall,
	  .is_random = true);

/* Another system call through syscall(): libc's or the preloaded library's. */
CALLS(run_other, fn.syscall(SYS_getpid) > 0)

static void open_other(const char *argument)
{
	(void)argument;
	open_libc("syscall");
}

CONTENDER(other_syscall, .name = "other-syscall", .open = open_other, .run = run_other);

static void open_libbsd(const char *argument)
{
	(void)argument;
	strcpy(hello.impl, "libbsd");
	fn.address = symbol("libbsd.so.0", "arc4random_buf");
}

CONTENDER(libbsd, .name = "libbsd", .open = open_libbsd, .run = run_fill, .is_random = true);

static void open_openssl(const char *argument)
{
	(void)argument;
	strcpy(hello.impl, "openssl");
	fn.address = symbol("libcrypto.so.3", "RAND_bytes");
}

CONTENDER(openssl, .name = "RAND_bytes", .open = open_openssl, .run = run_rand_bytes,
	  .is_random = true);

/* @generator: "sysrandom", libsodium's default, or "internal". */
static void open_sodium(const char *generator)
{
	int (*set)(void *) = symbol("libsodium.so.23", "randombytes_set_implementation");
	int (*init)(void) = symbol("libsodium.so.23", "sodium_init");
	char name[64];
	void *found;

	snprintf(name, sizeof(name), "randombytes_%s_implementation", generator);
	found = symbol("libsodium.so.23", name);
	strcpy(hello.impl, strcmp(generator, "internal") ? "libsodium" : "libsodium-internal");
	fn.address = symbol("libsodium.so.23", "randombytes_buf");
	if (!*hello.absent && (set(found) || init() < 0))
		absent("sodium_init() fails");
}

CONTENDER(sodium, .name = "randombytes_buf", .open = open_sodium, .run = run_fill,
	  .is_random = true);
