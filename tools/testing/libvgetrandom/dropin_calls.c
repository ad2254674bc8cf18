// SPDX-License-Identifier: MIT
/*
 * A program that is written for libc alone. With libvgetrandom preloaded or linked, it checks
 * that the library provides all functions that it replaces. contract.c checks their results.
 *
 * usage: dropin_calls library | libc | early | small N | reseed N
 *
 *	library		fail unless the library provides the functions
 *	libc		fail unless libc does, because the preload should not work
 *	early		check results before the kernel's RNG is seeded
 *	small N		make N small requests with each function
 *	reseed N	have the kernel reseed N times, with a request after each
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

/* musl does not have these: without the library they are missing. */
#ifndef __GLIBC__
#ifndef STATIC
#pragma weak arc4random
#pragma weak arc4random_buf
#pragma weak arc4random_uniform
#endif
uint32_t arc4random(void);
void arc4random_buf(void *buf, size_t len);
uint32_t arc4random_uniform(uint32_t upper_bound);
#endif

/* Old headers lack these, and the kernel's do not go together with musl's. */
#define INSECURE	0x0004		/* GRND_INSECURE */
#ifndef RNDRESEEDCRNG
#define RNDRESEEDCRNG	_IO('R', 0x07)
#endif

static int tap_n, tap_bad;
static bool expect_libc;

#ifndef STATIC
static void report(const char *title, bool ok, const char *format, ...)
{
	va_list args;

	printf("%sok %d %s\n", ok ? "" : "not ", ++tap_n, title);
	if (ok)
		return;
	tap_bad++;
	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* Check which library provides @name, which this program calls at @fn. */
static void check_function(const char *name, void *fn)
{
	Dl_info info = { 0 };
	char title[64];
	bool is_library;

	snprintf(title, sizeof(title), "%s comes from %s", name,
		 expect_libc ? "libc" : "the library");
	if (!fn) {
		report(title, expect_libc, "there is no such function");
		return;
	}
	if (!dladdr(fn, &info) || !info.dli_fname) {
		report(title, false, "dladdr() does not know %p", fn);
		return;
	}
	is_library = strstr(info.dli_fname, "/libvgetrandom.so");
	report(title, is_library != expect_libc, "it comes from %s", info.dli_fname);
	if (!expect_libc)
		report("... and dlsym() returns the same", dlsym(RTLD_DEFAULT, name) == fn,
		       "dlsym() returns %p, not %p", dlsym(RTLD_DEFAULT, name), fn);
}

static void check_functions(void)
{
	check_function("getrandom", getrandom);
	check_function("getentropy", getentropy);
	check_function("arc4random", arc4random);
	check_function("arc4random_buf", arc4random_buf);
	check_function("arc4random_uniform", arc4random_uniform);
	check_function("syscall", syscall);
}
#else
/* In a static program dropin_count counts the system calls instead. */
static void check_functions(void)
{
}
#endif

/* Whether one byte value is repeated so often that the bytes are not random. */
static bool has_hole(const uint8_t *p, size_t len)
{
	size_t same = 1;

	for (size_t i = 1; i < len; i++) {
		same = p[i] == p[i - 1] ? same + 1 : 1;
		if (same == 12)
			return true;
	}
	return false;
}

static int small(unsigned long n)
{
	uint8_t buf[32];

	for (unsigned long i = 0; i < n; i++) {
		size_t len = i % (sizeof(buf) + 1);

		if (getrandom(buf, len, 0) != (ssize_t)len ||
		    getrandom(buf, len, GRND_NONBLOCK) != (ssize_t)len ||
		    syscall(SYS_getrandom, buf, len, 0) != (ssize_t)len || getentropy(buf, len))
			return 1;
		arc4random_buf(buf, len);
		arc4random();
		arc4random_uniform(1000);
	}
	return 0;
}

/* Requests must fail or succeed at once, as in the kernel. Status 4: it is seeded already. */
static int early(void)
{
	static uint8_t buf[5000];
	static const size_t lens[] = { 0, 1, 16, 256, 300, sizeof(buf) };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		long kernel = syscall(SYS_getrandom, buf, lens[i], GRND_NONBLOCK);
		ssize_t got;

		if (kernel != -1 || errno != EAGAIN) {
			printf("the kernel's RNG is seeded already\n");
			return 4;
		}
		errno = 0;
		got = getrandom(buf, lens[i], GRND_NONBLOCK);
		if (got != -1 || errno != EAGAIN) {
			printf("not seeded, GRND_NONBLOCK, %zu bytes: %zd (%s), not EAGAIN\n",
			       lens[i], got, strerror(errno));
			return 1;
		}
		got = getrandom(buf, lens[i], INSECURE);
		if (got != (ssize_t)lens[i] || has_hole(buf, lens[i])) {
			printf("not seeded, GRND_INSECURE, %zu bytes: %zd (%s)\n", lens[i], got,
			       strerror(errno));
			return 1;
		}
	}
	return 0;
}

static int reseed(unsigned long n)
{
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	uint8_t buf[16], last[16] = { 0 };

	for (unsigned long i = 0; i < n; i++) {
		if (fd < 0 || ioctl(fd, RNDRESEEDCRNG)) {
			perror("/dev/urandom: reseeding");
			return 1;
		}
		if (getrandom(buf, sizeof(buf), 0) != sizeof(buf) || !memcmp(buf, last, 16)) {
			printf("after a reseed: no bytes, or the same as before\n");
			return 1;
		}
		memcpy(last, buf, sizeof(buf));
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (argc == 3 && !strcmp(mode, "small"))
		return small(strtoul(argv[2], NULL, 0));
	if (argc == 3 && !strcmp(mode, "reseed"))
		return reseed(strtoul(argv[2], NULL, 0));
	if (argc == 2 && !strcmp(mode, "early"))
		return early();
	expect_libc = !strcmp(mode, "libc");
	if (argc != 2 || (!expect_libc && strcmp(mode, "library"))) {
		fprintf(stderr,
			"usage: dropin_calls library | libc | early | small N | reseed N\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	check_functions();
	printf("# AT_SECURE is %lu\n", getauxval(AT_SECURE));
	printf("1..%d\n", tap_n);
	return tap_bad > 0;
}
