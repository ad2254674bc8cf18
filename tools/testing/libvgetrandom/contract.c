// SPDX-License-Identifier: MIT
/*
 * vgetrandom(), getrandom(), getentropy() and arc4random() in a process without forks, signals
 * or other threads: results, errors and lengths.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"
#include "test.h"

#define CANARY		0xa5
#define UNTOUCHED	12345	/* an errno that nothing sets */
#define MAX_BYTES	0x7ffff000L

/* Small and large requests, and the lengths next to each boundary. */
static const size_t sizes[] = {
	1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 100, 127, 128, 191, 192, 193, 223,
	224, 225, 255, 256, 257, 319, 320, 321, 511, 512, 513, 1000, 1023, 1024, 1025, 4095,
	4096, 4097, 10000, 65535, 65536, 65537,
};

static uint8_t buffer[1 << 20];

static ssize_t kernel(void *buf, size_t len, unsigned int flags)
{
	ssize_t ret = raw_syscall(SYS_getrandom, buf, len, flags);

	if (ret >= 0)
		return ret;
	errno = (int)-ret;
	return -1;
}

/* A pointer whose value the compiler does not know, so that it does not warn. */
static void *address(uintptr_t value)
{
	asm("" : "+r" (value));
	return (void *)value;
}

/* Results and errors of vgetrandom(), getrandom() and syscall(), against the kernel's. */
static void same_as_kernel(void *buf, size_t len, unsigned int flags)
{
	ssize_t want, got;
	int want_errno;

	errno = UNTOUCHED;
	want = kernel(buf, len, flags);
	want_errno = errno;
	errno = UNTOUCHED;
	got = vgetrandom(buf, len, flags);
	check(got == want && errno == want_errno,
	      "vgetrandom(%p, %zu, %#x): %zd, errno %d; the kernel: %zd, %d", buf, len, flags,
	      got, errno, want, want_errno);
	errno = UNTOUCHED;
	got = getrandom(buf, len, flags);
	check(got == want && errno == want_errno, "getrandom(%p, %zu, %#x): %zd, errno %d",
	      buf, len, flags, got, errno);
	errno = UNTOUCHED;
	/* The kernel ignores the upper 32 bits of the flags. */
	got = syscall(SYS_getrandom, buf, len, flags | 1UL << 32);
	check(got == want && errno == want_errno,
	      "syscall(SYS_getrandom, %p, %zu, %#x): %zd, errno %d", buf, len, flags, got, errno);
}

TEST_ENTERS(a_request_for_0_bytes_succeeds_and_writes_nothing)
{
	same_as_kernel(buffer, 0, 0);
	same_as_kernel(NULL, 0, 0);
	check(vgetrandom(buffer, 0, 0) == 0);
	check(getentropy(buffer, 0) == 0);
	arc4random_buf(buffer, 0);
	for (size_t i = 0; i < 64; i++)
		check(!buffer[i]);
}

TEST_ENTERS(requests_with_valid_flags_return_all_bytes)
{
	static const unsigned int flags[] = {
		0, GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE, GRND_RANDOM | GRND_NONBLOCK,
		GRND_INSECURE | GRND_NONBLOCK,
	};

	for (size_t f = 0; f < ARRAY_SIZE(flags); f++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			same_as_kernel(buffer, sizes[i], flags[f]);
}

static void fail_with_EINVAL(const unsigned int *flags, size_t count)
{
	for (size_t f = 0; f < count; f++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			errno = 0;
			check(vgetrandom(buffer, sizes[i], flags[f]) == -1 && errno == EINVAL);
			same_as_kernel(buffer, sizes[i], flags[f]);
		}
		same_as_kernel(buffer, 0, flags[f]);
		same_as_kernel(NULL, 0, flags[f]);
		same_as_kernel(NULL, 16, flags[f]);
	}
	for (size_t i = 0; i < sizeof(buffer); i++)
		check(!buffer[i], "byte %zu was written to", i);
}

TEST_ENTERS(unknown_flags_fail_with_EINVAL)
{
	static const unsigned int flags[] = { 8, 16, 0x80000000, 0xffffffff, 8 | GRND_NONBLOCK };

	fail_with_EINVAL(flags, ARRAY_SIZE(flags));
}

TEST_ENTERS(contradictory_flags_fail_with_EINVAL)
{
	static const unsigned int flags[] = {
		GRND_RANDOM | GRND_INSECURE, GRND_RANDOM | GRND_INSECURE | GRND_NONBLOCK,
	};

	fail_with_EINVAL(flags, ARRAY_SIZE(flags));
}

TEST_ENTERS(an_invalid_address_fails_with_EFAULT)
{
	static const uintptr_t bad[] = {
		0, 1, 64, 4095, 0xffff800000000000, 0xffffffff81000000, -4096UL, -1UL,
		0x8000000000000000,
	};

	for (size_t a = 0; a < ARRAY_SIZE(bad); a++) {
		same_as_kernel(address(bad[a]), 0, 0);
		same_as_kernel(address(bad[a]), 16, GRND_RANDOM);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			same_as_kernel(address(bad[a]), sizes[i], 0);
			same_as_kernel(address(bad[a]), sizes[i], GRND_NONBLOCK);
			same_as_kernel(address(bad[a]), sizes[i], GRND_INSECURE);
			errno = 0;
			check(vgetrandom(address(bad[a]), sizes[i], 0) == -1 && errno == EFAULT);
		}
		errno = 0;
		check(getentropy(address(bad[a]), 16) == -1 && errno == EFAULT);
	}
}

/* Addresses of neither user space nor the kernel, with 4 or 5 levels of page tables. */
TEST_ENTERS(a_noncanonical_address_fails_with_EFAULT)
{
	static const uintptr_t bad[] = { 1UL << 56, 1UL << 57, 1UL << 62, 0x7ffffffffffff000 };

	for (size_t a = 0; a < ARRAY_SIZE(bad); a++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			same_as_kernel(address(bad[a]), sizes[i], 0);
}

/*
 * The first address above user space: the system call fails with EFAULT, a store by the vDSO
 * faults.
 */
static void request_above_user_addresses(void)
{
	errno = 0;
	_exit(getrandom(address(0x7ffffffff000), 16, 0) != -1 || errno != EFAULT);
}

TEST(a_buffer_above_user_addresses_fails_with_EFAULT_or_SIGSEGV)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		request_above_user_addresses();
	status = test_wait(pid);
	check(!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV), "%#x", status);
}

/*
 * The functions, as functions of one type.
 */
typedef ssize_t (*fill_fn)(void *buf, size_t len);

static ssize_t by_vgetrandom(void *buf, size_t len)
{
	return vgetrandom(buf, len, 0);
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

/* A byte that differs from CANARY in any round has been written. */
static void fills_exactly(fill_fn fill, size_t len, size_t at)
{
	enum { ROUNDS = 6, MARGIN = 128 };
	static uint8_t changed[1 << 17];
	uint8_t *area = buffer, *out = area + MARGIN + at;

	check(at < MARGIN && len <= sizeof(changed));
	memset(changed, 0, len);
	for (int round = 0; round < ROUNDS; round++) {
		memset(area, CANARY, len + at + 2 * MARGIN);
		errno = UNTOUCHED;
		check(fill(out, len) == (ssize_t)len, "len %zu", len);
		check(errno == UNTOUCHED);
		for (size_t i = 0; i < len; i++)
			changed[i] |= out[i] ^ CANARY;
		for (uint8_t *p = area; p < out; p++)
			check(*p == CANARY, "len %zu: wrote %td bytes before the buffer", len,
			      out - p);
		for (uint8_t *p = out + len; p < out + len + MARGIN; p++)
			check(*p == CANARY, "len %zu: wrote %td bytes past the end", len,
			      p - out - len + 1);
	}
	for (size_t i = 0; i < len; i++)
		check(changed[i], "len %zu: byte %zu is not written", len, i);
}

TEST(every_length_from_1_to_5000_is_filled_exactly)
{
	for (size_t len = 1; len <= 5000; len++)
		fills_exactly(by_vgetrandom, len, len * 7 % 64);
}

TEST(getrandom_fills_every_length_exactly)
{
	for (size_t len = 1; len <= 5000; len += len < 300 ? 1 : 61)
		fills_exactly(by_getrandom, len, len * 7 % 64);
}

TEST(every_alignment_is_filled_exactly)
{
	for (size_t at = 0; at < 65; at++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			if (sizes[i] < 3000)
				fills_exactly(by_vgetrandom, sizes[i], at);
}

/* Between two inaccessible pages. */
TEST(a_buffer_may_border_on_inaccessible_pages)
{
	const size_t room = 80 << 10;
	uint8_t *area = mmap(NULL, room + 2 * PAGE_BYTES, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(area != MAP_FAILED);
	area += PAGE_BYTES;
	check(!mprotect(area, room, PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t len = sizes[i];

		check(vgetrandom(area, len, 0) == (ssize_t)len);
		check(vgetrandom(area + room - len, len, 0) == (ssize_t)len);
	}
	for (size_t len = 1; len < 2500; len++)
		check(vgetrandom(area + room - len, len, 0) == (ssize_t)len);
}

/* Checks the counts of byte values, and that no 8 bytes occur twice. */
static void looks_random(const uint8_t *out, size_t len)
{
	const size_t slots = 1 << 22;
	uint64_t *table = calloc(slots, sizeof(*table)), word;
	unsigned long count[256] = { 0 };
	double expected = len / 256.0, chi = 0;

	check(table && len / 8 < slots / 2);
	for (size_t i = 0; i < len; i++)
		count[out[i]]++;
	for (int i = 0; i < 256; i++)
		chi += (count[i] - expected) * (count[i] - expected) / expected;
	/* 255 degrees of freedom: 7 standard deviations around the mean. */
	check(chi > 97 && chi < 413, "chi-square %.1f for %zu bytes", chi, len);
	for (size_t i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, out + i, sizeof(word));
		for (size_t slot = word % slots;; slot = (slot + 1) % slots) {
			check(table[slot] != word, "8 bytes occur twice in %zu", len);
			if (!table[slot]) {
				table[slot] = word;
				break;
			}
		}
	}
	free(table);
}

TEST(megabytes_look_random_and_repeat_nothing)
{
	const size_t len = (9 << 20) + 5;
	uint8_t *out = malloc(len);

	check(out);
	check(vgetrandom(out, len, 0) == (ssize_t)len);
	looks_random(out, len);
	/* Now with requests of many sizes. */
	for (size_t done = 0, n = 0; done < len; n++) {
		size_t part = sizes[n % ARRAY_SIZE(sizes)];

		if (part > len - done)
			part = len - done;
		check(vgetrandom(out + done, part, 0) == (ssize_t)part);
		done += part;
	}
	looks_random(out, len);
	free(out);
}

/* The whole range maps the same few pages, and the memory after it is inaccessible. */
TEST(a_length_beyond_2_GiB_is_clipped_as_the_kernel_clips_it)
{
	const size_t chunk = 8 << 20, range = 1UL << 31;
	int fd = syscall(SYS_memfd_create, "pages", 0);
	uint8_t *area;

	check(fd >= 0 && !ftruncate(fd, chunk));
	area = mmap(NULL, range + chunk, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(area != MAP_FAILED);
	for (size_t at = 0; at < range; at += chunk)
		check(mmap(area + at, chunk, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) != MAP_FAILED);
	check(vgetrandom(area, 3UL << 30, 0) == MAX_BYTES);
	looks_random(area, chunk);
}

TEST(errno_is_unchanged_on_success)
{
	struct vgetrandom_info info;
	void *state;

	errno = UNTOUCHED;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		check(vgetrandom(buffer, sizes[i], 0) == (ssize_t)sizes[i]);
		check(errno == UNTOUCHED);
		check(getrandom(buffer, sizes[i], GRND_NONBLOCK) == (ssize_t)sizes[i]);
		check(errno == UNTOUCHED);
		arc4random_buf(buffer, sizes[i]);
		check(errno == UNTOUCHED);
	}
	check(!getentropy(buffer, 256) && errno == UNTOUCHED);
	arc4random();
	arc4random_uniform(1000);
	check(errno == UNTOUCHED);
	vgetrandom_info(&info, sizeof(info));
	check(errno == UNTOUCHED);
	state = vgetrandom_alloc();
	if (state)
		check(errno == UNTOUCHED);
	errno = UNTOUCHED;
	vgetrandom_free(state);
	check(errno == UNTOUCHED);
}

TEST(getentropy_returns_at_most_256_bytes)
{
	for (size_t len = 1; len <= 256; len++)
		fills_exactly(by_getentropy, len, len * 7 % 64);
	memset(buffer, CANARY, 512);
	errno = 0;
	check(getentropy(buffer, 257) == -1 && errno == EIO);
	errno = 0;
	check(getentropy(buffer, (size_t)address(SIZE_MAX)) == -1 && errno == EIO);
	for (size_t i = 0; i < 512; i++)
		check(buffer[i] == CANARY);
}

TEST(arc4random_buf_fills_the_whole_buffer)
{
	for (size_t len = 1; len < 300; len++)
		fills_exactly(by_arc4random_buf, len, len * 7 % 64);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		fills_exactly(by_arc4random_buf, sizes[i], 1);
}

TEST(bytes_never_repeat_across_the_functions_of_libc)
{
	static const fill_fn fill[] = {
		by_getrandom, by_getentropy, by_arc4random_buf,
	};
	uint32_t numbers[4];

	test_unseen_init();
	for (size_t i = 0; i < test_rounds(40000); i++) {
		size_t len = 16 + i % 580;
		fill_fn fn = fill[i % ARRAY_SIZE(fill)];

		if (fn == by_getentropy && len > 256)
			len = 256;
		check(fn(buffer, len) == (ssize_t)len);
		test_unseen(buffer, 16);
		for (int n = 0; n < 4; n++)
			numbers[n] = arc4random();
		test_unseen(numbers, sizeof(numbers));
	}
}

TEST(arc4random_sets_every_bit_half_of_the_time)
{
	const int rounds = 100000;
	int ones[32] = { 0 };

	for (int i = 0; i < rounds; i++) {
		uint32_t number = arc4random();

		for (int bit = 0; bit < 32; bit++)
			ones[bit] += number >> bit & 1;
	}
	/* Six standard deviations. */
	for (int bit = 0; bit < 32; bit++)
		check(abs(ones[bit] - rounds / 2) < 6 * 158, "bit %d: %d times", bit, ones[bit]);
}

TEST(arc4random_uniform_handles_extreme_bounds)
{
	static const uint32_t bounds[] = {
		3, 5, 255, 256, 257, 65535, 65537, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff,
	};
	int ones = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		uint32_t number, max = 0;

		for (int n = 0; n < 3000; n++) {
			number = arc4random_uniform(bounds[i]);
			check(number < bounds[i], "bound %u: got %u", bounds[i], number);
			if (number > max)
				max = number;
		}
		/* The largest is less than this with a probability of e^-46. */
		check(max >= bounds[i] - 1 - bounds[i] / 64, "bound %u: got at most %u", bounds[i],
		      max);
	}
	for (int i = 0; i < 1000; i++) {
		check(arc4random_uniform(0) == 0);
		check(arc4random_uniform(1) == 0);
		check(arc4random_uniform(2) < 2);
		ones += arc4random_uniform(2);
	}
	check(ones > 400 && ones < 600, "bound 2: got 1 in %d of 1000", ones);
}

/*
 * The bound 3 * 2^30 shows both biased methods. With the remainder of a division, the lowest
 * third is as likely as the other two together; with a multiplication, the multiples of 3 are.
 */
TEST(arc4random_uniform_is_unbiased)
{
	const int rounds = 100000;
	int low = 0, multiple = 0, upper = 0;

	for (int i = 0; i < rounds; i++) {
		uint32_t number = arc4random_uniform(3U << 30);

		check(number < 3U << 30);
		low += number < 1U << 30;
		multiple += number % 3 == 0;
		upper += arc4random_uniform(0x80000001) > 0x40000000;
	}
	check(abs(low - rounds / 3) < 6 * 149, "the lowest third: %d of %d", low, rounds);
	check(abs(multiple - rounds / 3) < 6 * 149, "multiples of 3: %d of %d", multiple, rounds);
	check(abs(upper - rounds / 2) < 6 * 158, "the upper half: %d of %d", upper, rounds);
}

TEST(arc4random_uniform_returns_each_value_equally_often)
{
	for (uint32_t bound = 2; bound <= 64; bound++) {
		const int rounds = 200;
		int count[64] = { 0 };
		double chi = 0;

		for (uint32_t i = 0; i < rounds * bound; i++) {
			uint32_t number = arc4random_uniform(bound);

			check(number < bound);
			count[number]++;
		}
		for (uint32_t i = 0; i < bound; i++)
			chi += (count[i] - rounds) * (double)(count[i] - rounds) / rounds;
		/* Six standard deviations, and 15 for the skew of small bounds. */
		check(chi < bound + 6 * sqrt(2.0 * bound) + 15, "bound %u: chi-square %.1f", bound,
		      chi);
	}
}

TEST(info_writes_no_more_than_the_given_size)
{
	struct {
		struct vgetrandom_info	info;
		uint8_t			more[64];
	} large;
	struct vgetrandom_info info = test_info();

	for (size_t size = 0; size <= sizeof(large); size++) {
		const uint8_t *bytes = memset(&large, CANARY, sizeof(large));

		vgetrandom_info(&large.info, size);
		for (size_t i = 0; i < sizeof(large); i++) {
			uint8_t want = i >= size ? CANARY :
				       i < sizeof(info) ? ((uint8_t *)&info)[i] : 0;

			check(bytes[i] == want, "size %zu, byte %zu", size, i);
		}
	}
}

static bool is_core(const char *name)
{
	static const char cores[][16] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	{ #name },
#include <asm/vdso/getrandom-cores.h>
		{ "" }
	};

	for (size_t i = 0; *cores[i]; i++)
		if (!strcmp(name, cores[i]))
			return true;
	return false;
}

TEST(info_is_consistent)
{
	struct vgetrandom_info info = test_info();

	check(info.version && *info.version);
	check(info.small_why && *info.small_why && !strchr(info.small_why, '\n'));
	check(info.large_why && *info.large_why && !strchr(info.large_why, '\n'));
	/* An architecture may have no core. */
	check(!info.core || is_core(info.core));
	check(info.core || info.large != VGETRANDOM_EXPAND);
	check(info.small != VGETRANDOM_EXPAND);
	if (info.vdso) {
		check(info.state_size);
		check(info.state_prot && info.state_flags);
	} else {
		check(info.small == VGETRANDOM_SYSCALL);
		check(!info.state_size && !info.states && !info.droppable);
	}
	if (info.small != VGETRANDOM_SYSCALL)
		check(info.vdso && info.states);
	if (info.small == VGETRANDOM_VDSO)
		check(info.droppable && info.module_why && *info.module_why);
	if (info.small == VGETRANDOM_MODULE)
		check(info.droppable == test_has_droppable() && !info.module_why);
	if (info.large == VGETRANDOM_EXPAND)
		check(info.large_from);
	else
		check(info.large == info.small && !info.large_from);
}

TEST_ENTERS(info_counts_requests_that_the_system_call_serves)
{
	unsigned long before = test_info().syscalls;
	bool large = test_info().large == VGETRANDOM_SYSCALL;
	bool small = test_info().small == VGETRANDOM_SYSCALL;

	check(vgetrandom(buffer, 16, 0) == 16);
	check(test_info().syscalls == before + small);
	check(vgetrandom(buffer, 100000, 0) > 0);
	check(test_info().syscalls == before + small + large);
	check(vgetrandom(buffer, 16, GRND_RANDOM | GRND_INSECURE) == -1);
	check(test_info().syscalls == before + small + large + 1);
}

/* The first request of a process works as any other, whatever its kind. */
TEST(the_first_request_may_be_small)
{
	fills_exactly(by_vgetrandom, 16, 0);
}

TEST(the_first_request_may_be_large)
{
	fills_exactly(by_vgetrandom, 100000, 1);
}

TEST_ENTERS(the_first_request_may_be_invalid)
{
	check(vgetrandom(buffer, 16, 8) == -1 && errno == EINVAL);
	check(vgetrandom(address(0), 16, 0) == -1 && errno == EFAULT);
	check(vgetrandom(address(0), 65536, 0) == -1 && errno == EFAULT);
	fills_exactly(by_vgetrandom, 16, 0);
	fills_exactly(by_vgetrandom, 100000, 1);
}
