// SPDX-License-Identifier: MIT
/*
 * A program that knows nothing of libvgetrandom, and calls all that it takes over. Run
 * with the library preloaded, linked or linked statically, it checks that the library
 * answers, and as the manuals promise.
 *
 * usage: dropin_calls library | libc | any | early | small N | reseed N
 *
 * "libc" says that it is libc that should answer: for what the preload does not reach.
 * "any" does not ask who answers.
 * "early" is for a kernel whose RNG is not seeded yet. "small" makes N small requests of
 * each kind, and does nothing else; "reseed" has the kernel reseed N times, with a
 * request after each.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
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

#define GUARD		64
#define GUARD_BYTE	0xa5
#define LONGEST		5000
#define BIG		(1 << 20)
#define HUGE		(16 << 20)

static int tap_n, tap_bad;
static bool expect_libc;
static bool slow_machine;	/* TEST_SCALE is given: less of everything */
static uint8_t *area;	/* GUARD, up to HUGE bytes, GUARD */

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

/* A test says what is wrong here; the first thing counts. */
static char wrong[256];

#define expect(condition, ...) do {				\
	if (!(condition)) {					\
		snprintf(wrong, sizeof(wrong), __VA_ARGS__);	\
		return;						\
	}							\
} while (0)

static void run(const char *what, void (*test)(void))
{
	wrong[0] = '\0';
	test();
	verdict(what, !wrong[0], "%s", wrong);
}

#ifndef STATIC
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
}
#else
/* What is in the program, dropin_count sees by what it asks the kernel for. */
static void all_bound(void)
{
}
#endif

static void fill_guards(size_t len)
{
	memset(area, GUARD_BYTE, GUARD + len + GUARD);
}

/* Nothing but the @len bytes has been written. */
static bool guards_hold(size_t len)
{
	for (size_t i = 0; i < GUARD; i++)
		if (area[i] != GUARD_BYTE || area[GUARD + len + i] != GUARD_BYTE)
			return false;
	return true;
}

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

static ssize_t by_getrandom(void *buf, size_t len)
{
	return getrandom(buf, len, 0);
}

static ssize_t by_getentropy(void *buf, size_t len)
{
	return getentropy(buf, len) ? -1 : (ssize_t)len;
}

static ssize_t by_arc4random_buf(void *buf, size_t len)
{
	arc4random_buf(buf, len);
	return len;
}

/* Each length: all of it comes, each byte of it is written, and none beside it. */
static void lengths_of(ssize_t (*fn)(void *buf, size_t len), size_t max)
{
	static uint8_t seen[LONGEST];

	for (size_t len = 0; len <= max; len += len < 300 ? 1 : slow_machine ? 577 : 61) {
		memset(seen, 0, len);
		/* A byte may be the guard's by chance; 8 times in a row it is not. */
		for (int i = 0; i < 8; i++) {
			ssize_t ret;

			fill_guards(len);
			errno = 12345;
			ret = fn(area + GUARD, len);
			expect(ret == (ssize_t)len, "of %zu bytes came %zd: %s", len, ret,
			       strerror(errno));
			expect(errno == 12345, "%zu bytes: success, and errno is set", len);
			expect(guards_hold(len), "%zu bytes: wrote beside the buffer", len);
			for (size_t at = 0; at < len; at++)
				seen[at] |= area[GUARD + at] ^ GUARD_BYTE;
		}
		for (size_t at = 0; at < len; at++)
			expect(seen[at], "byte %zu of %zu is never written", at, len);
	}
}

static void getrandom_lengths(void)
{
	lengths_of(by_getrandom, LONGEST);
}

static void getentropy_lengths(void)
{
	lengths_of(by_getentropy, 256);
}

static void arc4random_buf_lengths(void)
{
	lengths_of(by_arc4random_buf, LONGEST);
}

static void getrandom_large(void)
{
	size_t max = slow_machine ? BIG : HUGE;

	for (size_t len = 4096; len <= max; len = len * 4 + 1) {
		ssize_t ret;

		fill_guards(len);
		ret = getrandom(area + GUARD, len, 0);
		expect(ret == (ssize_t)len, "of %zu bytes came %zd: %s", len, ret,
		       strerror(errno));
		expect(guards_hold(len), "%zu bytes: wrote beside the buffer", len);
		expect(!has_hole(area + GUARD, len), "%zu bytes: a part is not random", len);
	}
}

static void arc4random_buf_large(void)
{
	fill_guards(BIG);
	arc4random_buf(area + GUARD, BIG);
	expect(guards_hold(BIG), "wrote beside the buffer");
	expect(!has_hole(area + GUARD, BIG), "a part is not random");
}

static int cmp16(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* 16 bytes each, of all functions and sizes: none twice. */
static void no_repeats(void)
{
	size_t n = slow_machine ? 4000 : 40000;
	uint8_t (*got)[16] = calloc(n, 16), buf[600];

	expect(got, "no memory");
	for (size_t i = 0; i < n; i++) {
		size_t len = 16 + i % (sizeof(buf) - 16);

		switch (i % 4) {
		case 0:
			getrandom(buf, len, 0);
			break;
		case 1:
			getentropy(buf, len > 256 ? 256 : len);
			break;
		case 2:
			arc4random_buf(buf, len);
			break;
		case 3:
			for (int j = 0; j < 4; j++)
				((uint32_t *)buf)[j] = arc4random();
			break;
		}
		memcpy(got[i], buf, 16);
	}
	qsort(got, n, 16, cmp16);
	for (size_t i = 1; i < n; i++)
		expect(memcmp(got[i - 1], got[i], 16), "16 bytes came twice");
	free(got);
}

/* What the kernel says to a call, and what the library does, are the same. */
static void as_the_kernel(void)
{
	static uint8_t buf[64];
	void *const high = (void *)0xffff800000000000ul, *const last = (void *)-1ul;
	const struct {
		void *buf;
		size_t len;
		unsigned int flags;
	} calls[] = {
		{ buf, 64, 0 }, { buf, 0, 0 }, { NULL, 0, 0 }, { NULL, 16, 0 },
		{ NULL, 0, GRND_NONBLOCK }, { NULL, 5000, 0 }, { NULL, BIG, GRND_NONBLOCK },
		{ buf, 16, GRND_NONBLOCK }, { buf, 16, GRND_RANDOM }, { buf, 16, INSECURE },
		{ buf, 16, GRND_NONBLOCK | GRND_RANDOM }, { buf, 16, GRND_NONBLOCK | INSECURE },
		{ buf, 16, GRND_RANDOM | INSECURE }, { buf, 16, 8 }, { buf, 16, 0x80000000u },
		{ buf, 16, ~0u }, { NULL, 0, 8 }, { NULL, 16, 8 },
		{ NULL, 0, GRND_RANDOM | INSECURE }, { NULL, 16, GRND_RANDOM | INSECURE },
		{ NULL, 16, GRND_RANDOM }, { NULL, 16, INSECURE },
		{ high, 16, 0 }, { high, 0, 0 }, { high, 5000, 0 }, { high, 16, INSECURE },
		{ last, 1, 0 }, { last, 16, 0 }, { last, 16, GRND_NONBLOCK },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		long kernel, ours;
		int kernel_errno;

		errno = 0;
		kernel = syscall(SYS_getrandom, calls[i].buf, calls[i].len, calls[i].flags);
		kernel_errno = errno;
		errno = 0;
		ours = getrandom(calls[i].buf, calls[i].len, calls[i].flags);
		expect(ours == kernel && errno == kernel_errno,
		       "getrandom(%p, %zu, %#x) is %ld (%s), the kernel says %ld (%s)",
		       calls[i].buf, calls[i].len, calls[i].flags, ours, strerror(errno),
		       kernel, strerror(kernel_errno));
	}
}

/*
 * Between the last address of a process and the kernel's first, the library does not
 * look: the kernel says EFAULT there, and the processor faults.
 */
static void no_address(void)
{
	static const uintptr_t addresses[] = { 0x7ffffffff000ul, 0x800000000000ul, 1ul << 62 };

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		pid_t pid = fork();
		int status;

		expect(pid >= 0, "fork: %s", strerror(errno));
		if (!pid) {
			errno = 0;
			_exit(getrandom((void *)addresses[i], 16, 0) != -1 || errno != EFAULT);
		}
		waitpid(pid, &status, 0);
		expect(!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV),
		       "at %#lx: status %#x, not EFAULT and not SIGSEGV", addresses[i], status);
	}
}

static void getentropy_errors(void)
{
	/* The compiler knows getentropy(), and would not let these calls pass. */
	int (*volatile getentropy_fn)(void *buf, size_t len) = getentropy;
	static uint8_t buf[BIG];

	for (size_t len = 257; len < BIG; len *= 3) {
		buf[0] = GUARD_BYTE;
		errno = 0;
		expect(getentropy_fn(buf, len) == -1 && errno == EIO, "%zu bytes: %s, not EIO",
		       len, strerror(errno));
		expect(buf[0] == GUARD_BYTE, "%zu bytes: EIO, and it has written", len);
	}
	errno = 0;
	expect(getentropy_fn(buf, -1ul) == -1 && errno == EIO, "-1 bytes: %s", strerror(errno));
	errno = 0;
	expect(getentropy_fn(NULL, 16) == -1 && errno == EFAULT, "NULL: %s", strerror(errno));
	errno = 0;
	expect(getentropy_fn(NULL, 257) == -1 && errno == EIO, "NULL, 257: %s", strerror(errno));
	expect(!getentropy_fn(NULL, 0), "no bytes at NULL: %s", strerror(errno));
	expect(!getentropy_fn(buf, 256), "256 bytes: %s", strerror(errno));
}

static void uniform_small(void)
{
	static const uint32_t bounds[] = { 0, 1, 2, 3, 5, 255, 256, 257, 65535, 65537,
		1u << 31, (1u << 31) + 1, ~0u - 1, ~0u };

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		uint32_t max = 0;

		for (int n = 0; n < 3000; n++) {
			uint32_t value = arc4random_uniform(bounds[i]);

			expect(value < bounds[i] || (!value && bounds[i] < 2),
			       "below %u came %u", bounds[i], value);
			if (value > max)
				max = value;
		}
		/* 3000 draws get as near to the bound as this, but for 1 in e^46. */
		if (bounds[i] > 1)
			expect(max >= bounds[i] - 1 - bounds[i] / 64, "below %u nothing above %u",
			       bounds[i], max);
	}
}

/*
 * Of 3 * 2^30 values, those that a plain modulo has twice are the lower third: they
 * would be half of all. And 6 values, each as often as the others.
 */
static void uniform_bias(void)
{
	enum { N = 60000 };
	unsigned long low = 0, count[6] = { 0 };
	double chi2 = 0;

	for (int i = 0; i < N; i++) {
		low += arc4random_uniform(3u << 30) < 1u << 30;
		count[arc4random_uniform(6)]++;
	}
	/* sigma is 115: 8 of them */
	expect(low > N / 3 - 920 && low < N / 3 + 920, "%lu of %d are in the lower third", low, N);
	for (int i = 0; i < 6; i++)
		chi2 += (count[i] - N / 6.0) * (count[i] - N / 6.0) / (N / 6.0);
	/* 5 degrees of freedom: less than 1 in 10^12 */
	expect(chi2 < 65, "of six values some come more often: chi2 %.1f", chi2);
}

static void bits(void)
{
	enum { N = 20000 };
	unsigned long ones[32] = { 0 };

	for (int i = 0; i < N; i++)
		for (uint32_t value = arc4random(), b = 0; b < 32; b++)
			ones[b] += value >> b & 1;
	for (int b = 0; b < 32; b++)
		expect(ones[b] > N / 2 - 600 && ones[b] < N / 2 + 600,
		       "bit %d is set %lu times of %d", b, ones[b], N);
}

static volatile sig_atomic_t signals;

static void on_alarm(int sig)
{
	(void)sig;
	signals = signals + 1;
}

/*
 * Signals in the middle of large requests, without SA_RESTART: some bytes come, more
 * than 256 of them, all of those are random, and none is written after them.
 */
static void partial(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval every = { { 0, 700 }, { 0, 700 } }, never = { 0 };
	const ssize_t len = slow_machine ? HUGE / 64 : HUGE / 8;
	const int wanted = slow_machine ? 5 : 20;
	int rounds = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while (signals < wanted && rounds++ < 2000) {
		ssize_t ret;

		fill_guards(len);
		ret = getrandom(area + GUARD, len, 0);
		if (ret <= 256 || ret > len || has_hole(area + GUARD, ret) ||
		    (ret < len && !has_hole(area + GUARD + ret, GUARD)) || !guards_hold(len)) {
			snprintf(wrong, sizeof(wrong), "a request for %zd bytes: %zd; %s",
				 len, ret, ret < 0 ? strerror(errno) : "wrong bytes");
			break;
		}
	}
	/* And arc4random_buf() knows nothing of partial results. */
	for (int i = 0; i < wanted && !wrong[0]; i++) {
		fill_guards(len);
		arc4random_buf(area + GUARD, len);
		if (has_hole(area + GUARD, len) || !guards_hold(len))
			snprintf(wrong, sizeof(wrong), "arc4random_buf: a part is not random");
	}
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	expect(wrong[0] || signals, "there were no signals: this has shown nothing");
}

static void *draw16(void *out)
{
	return getrandom(out, 16, 0) == 16 ? out : NULL;
}

static void threads(void)
{
	enum { N = 16 };
	pthread_t ids[N];
	uint8_t out[N][16];

	memset(out, 0, sizeof(out));
	for (int i = 0; i < N; i++)
		expect(!pthread_create(&ids[i], NULL, draw16, out[i]), "pthread_create");
	for (int i = 0; i < N; i++) {
		void *ret;

		pthread_join(ids[i], &ret);
		expect(ret, "a request in a thread fails");
	}
	qsort(out, N, 16, cmp16);
	for (int i = 1; i < N; i++)
		expect(memcmp(out[i - 1], out[i], 16), "two threads got the same");
}

static void forks(void)
{
	uint8_t parent[64], child[64];
	int fds[2], status;
	pid_t pid;

	expect(!pipe(fds), "pipe: %s", strerror(errno));
	getrandom(parent, 8, 0);
	pid = fork();
	expect(pid >= 0, "fork: %s", strerror(errno));
	getrandom(parent, sizeof(parent), 0);
	if (!pid)
		_exit(write(fds[1], parent, sizeof(parent)) != sizeof(parent));
	expect(read(fds[0], child, sizeof(child)) == sizeof(child), "the child says nothing");
	waitpid(pid, &status, 0);
	expect(!status && memcmp(parent, child, sizeof(child)), "parent and child get the same");
	close(fds[0]);
	close(fds[1]);
}

static int small(unsigned long n)
{
	uint8_t buf[32];

	for (unsigned long i = 0; i < n; i++) {
		size_t len = i % (sizeof(buf) + 1);

		if (getrandom(buf, len, 0) != (ssize_t)len ||
		    getrandom(buf, len, GRND_NONBLOCK) != (ssize_t)len || getentropy(buf, len))
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
	if (argc != 2 || (!expect_libc && strcmp(how, "library") && strcmp(how, "any"))) {
		fprintf(stderr,
			"usage: dropin_calls library | libc | any | early | small N | reseed N\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	slow_machine = getenv("TEST_SCALE");
	if (strcmp(how, "any"))
		all_bound();
	if (expect_libc) {
		printf("# AT_SECURE is %lu\n", getauxval(AT_SECURE));
		printf("1..%d\n", tap_n);
		return tap_bad > 0;
	}
	area = mmap(NULL, HUGE + 2 * GUARD, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED) {
		perror("dropin_calls: mmap");
		return 2;
	}
	run("getrandom: every length, and nothing beside the buffer", getrandom_lengths);
	run("getentropy: every length, and nothing beside the buffer", getentropy_lengths);
	run("arc4random_buf: every length, and nothing beside the buffer",
	    arc4random_buf_lengths);
	run("getrandom: large requests", getrandom_large);
	run("arc4random_buf: a large request", arc4random_buf_large);
	run("no 16 bytes come twice", no_repeats);
	run("getrandom says to odd calls what the kernel says", as_the_kernel);
	run("getrandom says EFAULT, or faults, where there is no memory", no_address);
	run("getentropy: EIO above 256 bytes, EFAULT", getentropy_errors);
	run("arc4random: each bit", bits);
	run("arc4random_uniform: below the bound, and up to it", uniform_small);
	run("arc4random_uniform: no modulo bias", uniform_bias);
	run("large requests and signals", partial);
	run("threads get different bytes", threads);
	run("parent and child get different bytes", forks);
	printf("1..%d\n", tap_n);
	return tap_bad > 0;
}
