// SPDX-License-Identifier: MIT
/*
 * A program that knows nothing of libvgetrandom, and calls all that it takes over. Run
 * with the library preloaded or linked, it checks that the library answers. What it
 * answers, contract does.
 *
 * usage: dropin_calls library | libc | early | small N | reseed N
 *
 * "libc" says that it is libc that should answer: for what the preload does not reach.
 * "early" is for a kernel whose RNG is not seeded yet. "small" makes N small requests of
 * each kind, and does nothing else; "reseed" has the kernel reseed N times, with a
 * request after each.
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

/* musl has none of its own: there they are found with the library, or not at all. */
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

/* Names that old headers lack, and that musl's have no access to. */
#define INSECURE	0x0004		/* GRND_INSECURE */
#ifndef RNDRESEEDCRNG
#define RNDRESEEDCRNG	_IO('R', 0x07)
#endif

static int tap_n, tap_bad;
static bool expect_libc;

#ifndef STATIC
static void verdict(const char *what, bool ok, const char *format, ...)
{
	va_list args;

	printf("%sok %d %s\n", ok ? "" : "not ", ++tap_n, what);
	if (ok)
		return;
	tap_bad++;
	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* Who has the function that calls of this name end in? */
static void bound(const char *name, void *fn)
{
	Dl_info info = { 0 };
	char what[64];
	bool ours;

	snprintf(what, sizeof(what), "%s is %s", name, expect_libc ? "libc's" : "the library's");
	if (!fn) {
		verdict(what, expect_libc, "there is no such function");
		return;
	}
	if (!dladdr(fn, &info) || !info.dli_fname) {
		verdict(what, false, "dladdr() does not know %p", fn);
		return;
	}
	ours = strstr(info.dli_fname, "/libvgetrandom.so");
	verdict(what, ours != expect_libc, "it is in %s", info.dli_fname);
	if (!expect_libc)
		verdict("... and dlsym() finds the same", dlsym(RTLD_DEFAULT, name) == fn,
			"it finds %p, not %p", dlsym(RTLD_DEFAULT, name), fn);
}

static void all_bound(void)
{
	bound("getrandom", getrandom);
	bound("getentropy", getentropy);
	bound("arc4random", arc4random);
	bound("arc4random_buf", arc4random_buf);
	bound("arc4random_uniform", arc4random_uniform);
	bound("syscall", syscall);
}
#else
/* What is in the program, dropin_count sees by what it asks the kernel for. */
static void all_bound(void)
{
}
#endif

/* Is there a run of one byte in it that no random bytes have? */
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

/* Its answers, and that nobody waits. Status 4 if the kernel is seeded already. */
static int early(void)
{
	static uint8_t buf[5000];
	static const size_t lens[] = { 0, 1, 16, 256, 300, sizeof(buf) };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		long kernel = syscall(SYS_getrandom, buf, lens[i], GRND_NONBLOCK);
		ssize_t ours;

		if (kernel != -1 || errno != EAGAIN) {
			printf("the kernel's RNG is seeded already\n");
			return 4;
		}
		errno = 0;
		ours = getrandom(buf, lens[i], GRND_NONBLOCK);
		if (ours != -1 || errno != EAGAIN) {
			printf("not seeded, GRND_NONBLOCK, %zu bytes: %zd (%s), not EAGAIN\n",
			       lens[i], ours, strerror(errno));
			return 1;
		}
		ours = getrandom(buf, lens[i], INSECURE);
		if (ours != (ssize_t)lens[i] || has_hole(buf, lens[i])) {
			printf("not seeded, GRND_INSECURE, %zu bytes: %zd (%s)\n", lens[i], ours,
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
			printf("after a reseed: no bytes, or the same again\n");
			return 1;
		}
		memcpy(last, buf, sizeof(buf));
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	if (argc == 3 && !strcmp(how, "small"))
		return small(strtoul(argv[2], NULL, 0));
	if (argc == 3 && !strcmp(how, "reseed"))
		return reseed(strtoul(argv[2], NULL, 0));
	if (argc == 2 && !strcmp(how, "early"))
		return early();
	expect_libc = !strcmp(how, "libc");
	if (argc != 2 || (!expect_libc && strcmp(how, "library"))) {
		fprintf(stderr,
			"usage: dropin_calls library | libc | early | small N | reseed N\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	all_bound();
	printf("# AT_SECURE is %lu\n", getauxval(AT_SECURE));
	printf("1..%d\n", tap_n);
	return tap_bad > 0;
}
