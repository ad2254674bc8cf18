// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests the contract of __vdso_getrandom(), one undisturbed call at a time, on the hosted
 * vDSO: arguments and errors, when it falls back to the system call, and the bytes and the
 * state that a call leaves, which are compared with an oracle's. inject_test.c and
 * step_test.c test events during a call, process_residue_test.c what a call leaves behind.
 *
 * VDSO_IMAGE in the environment names the image to test, VDSO_CORE the core.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/random.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "machine/machine.h"
#include "testbed.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif

#define MAX_LEN		0x7ffff000UL	/* of a system call: INT_MAX & PAGE_MASK */

/* Requests up to this length include every kind: from a batch, and of several iterations. */
#define MAX_LEN_OF_INTEREST (BATCH + 2 * ITERATION_SIZE + 100)

struct params {
	uint32_t size_of_opaque_state, mmap_prot, mmap_flags, reserved[13];
};

FIXTURE(calls) {
	uint8_t out[MAX_REPLAY];
};

FIXTURE_SETUP(calls)
{
	ASSERT_TRUE(testbed_open());
	memset(self->out, 0, sizeof(self->out));
}

FIXTURE_TEARDOWN(calls)
{
	EXPECT_TRUE(testbed_canaries_ok())
		TH_LOG("bytes of the page outside of the state changed");
}

/*
 * Make the call. Returns true if it makes exactly one system call, with the same arguments,
 * and returns the system call's result and bytes.
 */
static bool falls_back(void *buffer, size_t len, unsigned int flags, void *state,
		       size_t state_len)
{
	unsigned int before = mock_count();
	struct mock_request *r;
	ssize_t ret;

	ret = testbed.fn(buffer, len, flags, state, state_len);
	r = testbed_only_request(before, mock_count(), getpid());
	return r && r->buffer == buffer && r->len == len && r->flags == flags &&
	       ret == (mock->refuse_with ? mock->refuse_with : (ssize_t)len) &&
	       (mock->refuse_with || len > sizeof(r->bytes) ||
		!memcmp(buffer, r->bytes, len));
}

/* Make the call. Returns true if it asks the kernel for keys only, and all bytes are right. */
static bool is_served(uint8_t *out, size_t len, unsigned int flags, struct oracle *o)
{
	unsigned int before = mock_count();

	return testbed_call(out, len, flags) == (ssize_t)len &&
	       testbed_replay(o, out, len, before, mock_count(), getpid()) &&
	       oracle_agrees(o, testbed.state) && !testbed.state->owner;
}

TEST_F(calls, query_returns_parameters)
{
	unsigned int before = mock_count();
	struct params p;

	memset(&p, 0xff, sizeof(p));
	ASSERT_EQ(0, testbed.fn(NULL, 0, 0, &p, ~0UL));
	EXPECT_EQ(STATE_SIZE, p.size_of_opaque_state);
	EXPECT_EQ(PROT_READ | PROT_WRITE, p.mmap_prot);
	EXPECT_EQ(MAP_DROPPABLE | MAP_ANONYMOUS, p.mmap_flags);
	for (size_t i = 0; i < ARRAY_SIZE(p.reserved); i++)
		EXPECT_EQ(0, p.reserved[i]);
	EXPECT_EQ(before, mock_count());
}

/* The query works before the kernel's RNG is ready, too. */
TEST_F(calls, query_before_rng_is_ready)
{
	struct params p;

	vdso_host_set_rng(testbed.host, 0, false);
	EXPECT_EQ(0, testbed.fn(NULL, 0, 0, &p, ~0UL));
	EXPECT_EQ(STATE_SIZE, p.size_of_opaque_state);
}

/* With any other argument it is no query but a call with a wrong state size. */
TEST_F(calls, query_takes_no_other_arguments)
{
	struct params p = { 0 }, untouched = { 0 };

	EXPECT_TRUE(falls_back(self->out, 0, 0, &p, ~0UL));
	EXPECT_TRUE(falls_back(self->out, 16, 0, &p, ~0UL));
	EXPECT_TRUE(falls_back(NULL, 0, GRND_NONBLOCK, &p, ~0UL));
	EXPECT_EQ(0, memcmp(&p, &untouched, sizeof(p)));
}

TEST_F(calls, state_across_pages_fails)
{
	uint8_t *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *zero = calloc(2, PAGE);
	unsigned int before = mock_count();

	ASSERT_NE(MAP_FAILED, two);
	ASSERT_NE(NULL, zero);
	for (size_t over = 1; over < STATE_SIZE; over++)
		EXPECT_EQ(-EFAULT, testbed.fn(self->out, 16, 0,
					      two + PAGE - STATE_SIZE + over, STATE_SIZE));
	EXPECT_EQ(before, mock_count());
	EXPECT_EQ(0, memcmp(two, zero, 2 * PAGE));
	EXPECT_EQ(0, memcmp(self->out, zero, 16));

	EXPECT_EQ(16, testbed.fn(self->out, 16, 0, two + PAGE - STATE_SIZE, STATE_SIZE));
	EXPECT_EQ(16, testbed.fn(self->out, 16, 0, two + PAGE, STATE_SIZE));
}

TEST_F(calls, other_flags_use_syscall)
{
	unsigned int bad[32], n = 0;

	for (unsigned int bit = 3; bit < 32; bit++)
		bad[n++] = 1U << bit | (bit & GRND_NONBLOCK);
	bad[n++] = GRND_RANDOM | GRND_INSECURE;
	bad[n++] = GRND_RANDOM | GRND_INSECURE | GRND_NONBLOCK;
	bad[n++] = ~0U;

	mock->refuse_with = -EINVAL;
	for (unsigned int i = 0; i < n; i++) {
		EXPECT_TRUE(falls_back(self->out, 16, bad[i], testbed.state, STATE_SIZE))
			TH_LOG("flags %#x", bad[i]);
		EXPECT_TRUE(falls_back(self->out, 0, bad[i], testbed.state, STATE_SIZE))
			TH_LOG("flags %#x, length 0", bad[i]);
	}
}

TEST_F(calls, valid_flags_are_served)
{
	static const unsigned int good[] = {
		0, GRND_NONBLOCK, GRND_RANDOM, GRND_RANDOM | GRND_NONBLOCK,
		GRND_INSECURE, GRND_INSECURE | GRND_NONBLOCK,
	};
	struct oracle o;

	testbed_start(EMPTY);
	oracle_load(&o, testbed.state);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_TRUE(is_served(self->out, 16, good[i], &o))
			TH_LOG("flags %#x", good[i]);
	}
}

TEST_F(calls, foreign_state_size_uses_syscall)
{
	static const size_t lens[] = {
		0, 1, STATE_SIZE - 1, STATE_SIZE + 1, 144, 2 * STATE_SIZE, PAGE,
		LONG_MAX, ~0UL - 1, ~0UL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		/* The state is not accessed: nothing is mapped at this address. */
		EXPECT_TRUE(falls_back(self->out, 16, 0, testbed.page - 64, lens[i]))
			TH_LOG("opaque_len %zu", lens[i]);
		EXPECT_TRUE(falls_back(self->out, 16, GRND_NONBLOCK, NULL, lens[i]))
			TH_LOG("opaque_len %zu, no state", lens[i]);
	}
}

TEST_F(calls, not_ready_uses_syscall)
{
	static const unsigned int flags[] = {
		0, GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE,
	};
	const size_t lens[] = { 0, 1, 16, BATCH, 500, INT_MAX, SIZE_MAX };
	struct vgetrandom_state before;
	struct oracle o;

	for (int start = EMPTY; start <= FULL_BATCH; start++) {
		vdso_host_set_rng(testbed.host, 1, true);
		testbed_start(start);
		before = *testbed.state;
		vdso_host_set_rng(testbed.host, 0, false);
		for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
			for (size_t j = 0; j < ARRAY_SIZE(lens); j++) {
				mock->refuse_with = lens[j] > MAX_REPLAY ? -EAGAIN : 0;
				EXPECT_TRUE(falls_back(self->out, lens[j], flags[i],
						       testbed.state, STATE_SIZE))
					TH_LOG("%zu bytes, flags %#x", lens[j], flags[i]);
			}
		}
		mock->refuse_with = -EAGAIN;
		EXPECT_TRUE(falls_back(self->out, 16, GRND_NONBLOCK,
				       testbed.state, STATE_SIZE));
		mock->refuse_with = 0;
		EXPECT_EQ(0, memcmp(&before, testbed.state, STATE_SIZE));
	}

	vdso_host_set_rng(testbed.host, 1, true);
	oracle_load(&o, testbed.state);
	EXPECT_TRUE(is_served(self->out, 16, 0, &o));
}

TEST_F(calls, length_zero)
{
	struct vgetrandom_state before;

	for (int start = EMPTY; start <= FULL_BATCH; start++) {
		unsigned int count;

		testbed_start(start);
		before = *testbed.state;
		count = mock_count();
		EXPECT_EQ(0, testbed_call(self->out, 0, 0));
		EXPECT_EQ(0, testbed_call(NULL, 0, GRND_INSECURE));
		EXPECT_EQ(count, mock_count());
		EXPECT_EQ(0, memcmp(&before, testbed.state, STATE_SIZE));
	}
}

/* Map @len bytes that share 2 MiB of memory, with an inaccessible page after them. */
static uint8_t *map_huge(size_t len)
{
	const size_t unit = 2 << 20;
	uint8_t *p = mmap(NULL, len + unit + PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int fd = memfd_create("huge", 0);
	bool ok = p != MAP_FAILED && fd >= 0 && !ftruncate(fd, unit);

	for (size_t at = 0; ok && at < len; at += unit)
		ok = mmap(p + at, unit < len - at ? unit : len - at,
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
		     MAP_FAILED;
	close(fd);
	return ok ? p : NULL;
}

/* A call that writes one byte too many crashes; the return value shows one too few. */
#ifndef __aarch64__	/* 2 GiB take an emulator minutes */
TEST_F_TIMEOUT(calls, length_is_clipped, 90)
{
	uint8_t *huge = map_huge(MAX_LEN);
	unsigned int before;

	ASSERT_NE(NULL, huge);
	testbed_start(PARTLY_USED);
	before = mock_count();
	EXPECT_EQ((ssize_t)MAX_LEN, testbed_call(huge, SIZE_MAX, 0));
	EXPECT_EQ(before, mock_count());
	EXPECT_EQ(0, testbed.state->owner);
}
#endif

/* Requests of several chunks. */
TEST_F(calls, large_requests)
{
	static const size_t lens[] = {
		MAX_CHUNK - 1, MAX_CHUNK, MAX_CHUNK + 1, 2 * MAX_CHUNK, 2 * MAX_CHUNK + 100,
		MAX_REPLAY,
	};

	for (int start = EMPTY; start <= FULL_BATCH; start++) {
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			struct oracle o;

			testbed_start(start);
			oracle_load(&o, testbed.state);
			EXPECT_TRUE(is_served(self->out, lens[i], 0, &o))
				TH_LOG("%zu bytes", lens[i]);
			EXPECT_EQ(0, testbed.state->request);
		}
	}
}

static sigjmp_buf after_fault;
static void *fault_address;

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	(void)sig;
	(void)ucontext;
	fault_address = info->si_addr;
	siglongjmp(after_fault, 1);
}

/* Make the call. Returns true if it raises SIGSEGV, whose address is in fault_address. */
static bool faults(void *buffer, size_t len, void *state)
{
	struct sigaction sa = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	struct sigaction old;
	bool faulted = true;

	sigaction(SIGSEGV, &sa, &old);
	if (!sigsetjmp(after_fault, 1)) {
		testbed.fn(buffer, len, 0, state, STATE_SIZE);
		faulted = false;
	}
	sigaction(SIGSEGV, &old, NULL);
	return faulted;
}

static size_t blocks_asked;

static void on_breakpoint(int sig, siginfo_t *info, void *ucontext)
{
	const size_t blocks = machine_argument(ucontext, 2);

	(void)sig;
	(void)info;
	blocks_asked += blocks;
	machine_return_early(ucontext, ITERATION_BLOCKS - blocks % ITERATION_BLOCKS);
}

/* The whole blocks of a request: each chunk begins with what the one before left in the batch. */
static size_t blocks_of(size_t len)
{
	size_t available = 0, sum = 0, chunk, part, blocks;

	for (; len; len -= chunk) {
		chunk = len < MAX_CHUNK ? len : MAX_CHUNK;
		for (size_t left = chunk; ; left -= blocks * VGETRANDOM_BLOCK_SIZE) {
			part = left < available ? left : available;
			available -= part;
			left -= part;
			if (!left)
				break;
			blocks = left / VGETRANDOM_BLOCK_SIZE;
			sum += blocks;
			available = (ITERATION_BLOCKS - blocks % ITERATION_BLOCKS) *
				    VGETRANDOM_BLOCK_SIZE - VGETRANDOM_KEY_SIZE;
		}
	}
	return sum;
}

/* Make the core return at its first instruction, after its blocks have been counted. */
static bool stub_core(void)
{
	struct sigaction sa = { .sa_sigaction = on_breakpoint, .sa_flags = SA_SIGINFO };
	char name[64];
	uint8_t *at, *page;
	size_t room;

	snprintf(name, sizeof(name), "vgetrandom_chacha20_%s", vdso_host_core(testbed.host));
	at = vdso_host_sym(testbed.host, name);
	page = at - (uintptr_t)at % PAGE;
	room = at - page + sizeof(machine_breakpoint);
	if (!at || sigaction(SIGTRAP, &sa, NULL) ||
	    mprotect(page, room, PROT_READ | PROT_WRITE))
		return false;
	memcpy(at, machine_breakpoint, sizeof(machine_breakpoint));
	__builtin___clear_cache((char *)at, (char *)at + sizeof(machine_breakpoint));
	return !mprotect(page, room, PROT_READ | PROT_EXEC);
}

/*
 * A counter replaces the core, so that huge requests take no time. It counts whole blocks;
 * the rest of a request comes from the batch.
 */
TEST_F(calls, all_lengths_are_clipped)
{
	static const size_t lens[] = {
		MAX_LEN - 64, MAX_LEN - 1, MAX_LEN, MAX_LEN + 1, INT_MAX - 1UL,
		INT_MAX, INT_MAX + 1UL, UINT_MAX - 1UL, UINT_MAX, UINT_MAX + 1UL,
		SSIZE_MAX - 1UL, SSIZE_MAX, SSIZE_MAX + 1UL, SIZE_MAX - 1, SIZE_MAX,
	};
	uint8_t *huge = map_huge(MAX_LEN);

	ASSERT_NE(NULL, huge);
	ASSERT_TRUE(stub_core());
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		size_t len = lens[i] < MAX_LEN ? lens[i] : MAX_LEN;

		testbed_start(EMPTY);
		blocks_asked = 0;
		EXPECT_EQ((ssize_t)len, testbed_call(huge, lens[i], 0));
		EXPECT_EQ(blocks_of(len), blocks_asked)
			TH_LOG("length %#zx: %#zx blocks", lens[i], blocks_asked);
	}
}

/* A huge request that falls back is not clipped to less than the system call's limit. */
TEST_F(calls, length_is_clipped_in_fallback)
{
	static const size_t lens[] = {
		INT_MAX - 1UL, INT_MAX, INT_MAX + 1UL, SSIZE_MAX, SIZE_MAX,
	};

	mock->refuse_with = -EINTR;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		unsigned int before = mock_count();
		struct mock_request *r;

		EXPECT_EQ(-EINTR, testbed.fn(self->out, lens[i], 0, testbed.state, 7));
		r = testbed_only_request(before, mock_count(), getpid());
		ASSERT_NE(NULL, r);
		EXPECT_LE(lens[i] < MAX_LEN ? lens[i] : MAX_LEN, r->len);
	}
}

TEST_F(calls, state_in_use_uses_syscall)
{
	struct vgetrandom_state before;

	for (int start = EMPTY; start <= FULL_BATCH; start++) {
		testbed_start(start);
		testbed.state->owner = (unsigned long)&before;
		before = *testbed.state;
		EXPECT_TRUE(falls_back(self->out, 16, GRND_NONBLOCK,
				       testbed.state, STATE_SIZE));
		EXPECT_TRUE(falls_back(self->out, 1000, 0, testbed.state, STATE_SIZE));
		EXPECT_EQ(0, memcmp(&before, testbed.state, STATE_SIZE));
	}
}

TEST_F(calls, zeroed_state_is_rekeyed)
{
	for (int start = EMPTY; start <= FULL_BATCH; start++) {
		struct oracle o = { .available = 0 };
		unsigned int before;

		testbed_start(start);
		memset(testbed.state, 0, STATE_SIZE);
		before = mock_count();
		EXPECT_TRUE(is_served(self->out, 100, 0, &o));
		EXPECT_EQ(before + 1, mock_count());
	}
}

/* Any other 64-bit generation makes the state stale, a smaller one too. */
TEST_F(calls, stale_state_is_rekeyed)
{
	static const uint64_t generations[] = { 2, 1, 3, ~0ULL, 1ULL << 32, 1 };

	for (int start = PARTLY_USED; start <= FULL_BATCH; start++) {
		struct oracle o;

		vdso_host_set_rng(testbed.host, 1, true);
		testbed_start(start);
		oracle_load(&o, testbed.state);
		for (size_t i = 0; i < ARRAY_SIZE(generations); i++) {
			unsigned int before = mock_count();

			vdso_host_set_rng(testbed.host, generations[i], true);
			EXPECT_TRUE(is_served(self->out, 20, 0, &o));
			EXPECT_EQ(before + 1, mock_count());
			EXPECT_EQ(generations[i], testbed.state->generation);
			EXPECT_TRUE(is_served(self->out, 20, 0, &o));
			EXPECT_EQ(before + 1, mock_count());
		}
	}
}

/* No byte of the old batch may remain after a new one, which may be shorter. */
TEST_F(calls, stale_batch_is_discarded)
{
	for (size_t len = 1; len < MAX_LEN_OF_INTEREST; len++) {
		struct oracle o;

		vdso_host_set_rng(testbed.host, 1, true);
		testbed_start(FULL_BATCH);
		oracle_load(&o, testbed.state);
		vdso_host_set_rng(testbed.host, 2, true);
		ASSERT_TRUE(is_served(self->out, len, 0, &o))
			TH_LOG("%zu bytes", len);
	}
}

/* If the kernel publishes generation 0, a state of zeros is not valid for it. */
TEST_F(calls, generation_zero_is_never_valid)
{
	unsigned int before = mock_count();

	vdso_host_set_rng(testbed.host, 0, true);
	EXPECT_EQ(100, testbed_call(self->out, 100, 0));
	EXPECT_LT(before, mock_count());
}

/* Without a key the call falls back, and returns the system call's result. */
TEST_F(calls, key_request_fails)
{
	for (int start = EMPTY; start <= FULL_BATCH; start++) {
		unsigned int before;
		struct mock_request *r;
		struct oracle o;

		vdso_host_set_rng(testbed.host, 1, true);
		testbed_start(start);
		vdso_host_set_rng(testbed.host, 2, true);
		mock->refuse_keys_with = -EIO;
		before = mock_count();
		EXPECT_EQ(100, testbed_call(self->out, 100, GRND_NONBLOCK));
		r = mock_request(mock_count() - 1);
		EXPECT_LT(before, mock_count());
		EXPECT_FALSE(r->is_key);
		EXPECT_EQ(GRND_NONBLOCK, r->flags);
		EXPECT_EQ(100, r->len);
		EXPECT_EQ(0, memcmp(self->out, r->bytes, 100));

		/* When the kernel returns keys again, the state works like a new one. */
		mock->refuse_keys_with = 0;
		oracle_load(&o, testbed.state);
		before = mock_count();
		EXPECT_TRUE(is_served(self->out, 100, 0, &o));
		EXPECT_EQ(before + 1, mock_count());
	}
}

/* After each call the returned bytes are erased, and a used key has been replaced. */
TEST_F(calls, used_bytes_are_erased)
{
	for (int start = EMPTY; start <= FULL_BATCH; start++) {
		for (size_t len = 1; len <= MAX_LEN_OF_INTEREST; len++) {
			uint8_t key[VGETRANDOM_KEY_SIZE];
			struct oracle o;
			bool used;

			testbed_start(start);
			oracle_load(&o, testbed.state);
			memcpy(key, o.key, sizeof(key));
			used = len > o.available;
			ASSERT_TRUE(is_served(self->out, len, 0, &o))
				TH_LOG("%zu bytes", len);
			ASSERT_EQ(used, !!memcmp(key, testbed.state->key, sizeof(key)));
			for (size_t i = testbed.state->available;
			     i < sizeof(testbed.state->batch); i++)
				ASSERT_EQ(0, testbed.state->batch[i]);
		}
	}
}

TEST_F(calls, sequences_of_calls)
{
	struct oracle o;
	size_t len = 1;

	testbed_start(EMPTY);
	oracle_load(&o, testbed.state);
	for (int i = 0; i < 20000; i++, len = (len * 7 + i) % (3 * ITERATION_SIZE) + 1) {
		ASSERT_TRUE(is_served(self->out, len, 0, &o))
			TH_LOG("call %d, %zu bytes", i, len);
	}
}

/* At any alignment, the call writes only the requested bytes. */
TEST_F(calls, unaligned_buffers)
{
	struct oracle o;

	testbed_start(EMPTY);
	oracle_load(&o, testbed.state);
	for (size_t shift = 1; shift < 65; shift++) {
		for (size_t len = 1; len < 300; len += 7) {
			memset(self->out, CANARY, sizeof(self->out));
			ASSERT_TRUE(is_served(self->out + shift, len, 0, &o));
			for (size_t i = 0; i < 64; i++)
				ASSERT_EQ(CANARY, self->out[shift + len + i]);
			ASSERT_EQ(CANARY, self->out[shift - 1]);
		}
	}
}

/* The core may change between any two calls: each continues with the state of the last one. */
TEST_F(calls, core_changes)
{
	unsigned int cores = 0;
	struct oracle o;

	testbed_start(EMPTY);
	oracle_load(&o, testbed.state);
	while (vdso_host_cores[cores].name)
		cores++;
	for (unsigned int i = 0; i < 4000; i++) {
		testbed_set_core(vdso_host_cores[(i * i / 3) % cores].name);
		ASSERT_TRUE(is_served(self->out, i * 37 % (2 * VGETRANDOM_KEYSTREAM_SIZE) + 1, 0,
				      &o))
			TH_LOG("call %u, core %s", i, vdso_host_core(testbed.host));
		if (i % 50 == 49)
			vdso_host_set_rng(testbed.host, i, true);
	}
}

/* An unknown core number selects the first core, which runs everywhere. */
TEST_F(calls, unknown_core)
{
	unsigned int core = 0;
	struct oracle o;

	testbed_set_core(vdso_host_cores[0].name);
	testbed_start(EMPTY);
	oracle_load(&o, testbed.state);
	while (vdso_host_cores[core].name)
		core++;
	for (; core < 256; core++) {
		testbed.rng->core = core;
		ASSERT_TRUE(is_served(self->out, 7 * core, 0, &o))
			TH_LOG("core %u", core);
	}
}

TEST_F(calls, time_namespace)
{
	struct oracle o;
	unsigned int before;

	testbed_start(PARTLY_USED);
	oracle_load(&o, testbed.state);
	before = mock_count();
	vdso_host_set_timens(testbed.host, true);
	EXPECT_TRUE(is_served(self->out, 16, 0, &o));
	EXPECT_TRUE(is_served(self->out, 500, 0, &o));
	EXPECT_EQ(before, mock_count());

	/* The call sees a reseed in a time namespace, too. */
	vdso_host_set_rng(testbed.host, 2, true);
	EXPECT_TRUE(is_served(self->out, 16, 0, &o));
	EXPECT_EQ(before + 1, mock_count());
	EXPECT_EQ(2, testbed.state->generation);
	vdso_host_set_rng(testbed.host, 0, false);
	EXPECT_TRUE(falls_back(self->out, 16, 0, testbed.state, STATE_SIZE));

	/* Back outside, the state is still valid. */
	vdso_host_set_rng(testbed.host, 2, true);
	vdso_host_set_timens(testbed.host, false);
	before = mock_count();
	EXPECT_TRUE(is_served(self->out, 16, 0, &o));
	EXPECT_EQ(before, mock_count());
}

/* The caller gets SIGSEGV. Later calls work, and return no byte twice. */
TEST_F(calls, bad_buffer)
{
	uint8_t *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *bad[] = { NULL, (void *)8, ro, testbed.page + PAGE };
	const size_t bad_lens[] = { 1, 16, 100, BATCH, 500, SSIZE_MAX, SIZE_MAX };
	uint8_t pending[3 * VGETRANDOM_BATCH_SIZE];

	ASSERT_NE(MAP_FAILED, ro);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(bad_lens); j++) {
			testbed_start(PARTLY_USED);
			ASSERT_TRUE(faults(bad[i], bad_lens[j], testbed.state));
			/* The fault is in the buffer, within the first iteration. */
			ASSERT_LE((uintptr_t)bad[i], (uintptr_t)fault_address);
			ASSERT_GT((uintptr_t)bad[i] + ITERATION_SIZE, (uintptr_t)fault_address);
			ASSERT_TRUE(testbed_canaries_ok());

			for (int k = 0; k < 3; k++) {
				ASSERT_EQ((ssize_t)BATCH,
					  testbed_call(pending + k * BATCH, BATCH, 0));
				ASSERT_NE(0, memcmp(pending + k * BATCH, self->out, BATCH));
				memcpy(self->out, pending + k * BATCH, BATCH);
			}
		}
	}
}

TEST_F(calls, bad_state)
{
	uint8_t *gone = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *bad[] = { NULL, gone, gone + PAGE - STATE_SIZE, ro };

	ASSERT_NE(MAP_FAILED, gone);
	ASSERT_NE(MAP_FAILED, ro);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_TRUE(faults(self->out, 16, bad[i]));
		EXPECT_LE((uintptr_t)bad[i], (uintptr_t)fault_address);
		EXPECT_GT((uintptr_t)bad[i] + STATE_SIZE, (uintptr_t)fault_address);
	}
}

TEST_F(calls, misaligned_state)
{
	for (size_t shift = 0; shift < 64; shift += MACHINE_STATE_ALIGN) {
		struct oracle o = { .available = 0 };

		memset(testbed.page, CANARY, PAGE);
		testbed.state = (void *)(testbed.page + PAGE / 2 + shift);
		memset(testbed.state, 0, STATE_SIZE);
		for (size_t len = 1; len < MAX_LEN_OF_INTEREST; len = len * 3 + 1) {
			ASSERT_TRUE(is_served(self->out, len, 0, &o))
				TH_LOG("state at offset %zu", shift);
		}
		ASSERT_TRUE(testbed_canaries_ok());
	}
}

TEST_F(calls, first_and_last_state_of_a_page)
{
	struct oracle o;

	for (int place = FIRST_IN_PAGE; place <= LAST_IN_PAGE; place++) {
		testbed_place(place);
		oracle_load(&o, testbed.state);
		for (size_t len = 1; len < MAX_LEN_OF_INTEREST; len++)
			ASSERT_TRUE(is_served(self->out, len, 0, &o));
		ASSERT_TRUE(testbed_canaries_ok());
	}
}

/* RFC 8439, appendix A.1, test vectors 1 and 2: blocks 0 and 1 of a key of zeros. */
TEST_F(calls, the_oracle_matches_rfc8439)
{
	static const uint8_t key[VGETRANDOM_KEY_SIZE], want[] = {
		0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86,
		0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36, 0xef, 0xcc,
		0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24,
		0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c,
		0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86, 0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51,
		0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d, 0xcb, 0x0f, 0x29, 0xa0,
		0x48, 0xe3, 0x65, 0x69, 0x12, 0xc6, 0x53, 0x3e, 0x32, 0xee, 0x7a, 0xed, 0x29, 0xb7,
		0x21, 0x76, 0x9c, 0xe6, 0x4e, 0x43, 0xd5, 0x71, 0x33, 0xb0, 0x74, 0xd8, 0x39, 0xd5,
		0x31, 0xed, 0x1f, 0x28, 0x51, 0x0a, 0xfb, 0x45, 0xac, 0xe1, 0x0a, 0x1f, 0x4b, 0x79,
		0x4d, 0x6f,
	};
	uint8_t got[sizeof(want)];

	oracle_stream(got, sizeof(got), key, 0);
	EXPECT_EQ(0, memcmp(got, want, sizeof(want)));
}

TEST_HARNESS_MAIN
