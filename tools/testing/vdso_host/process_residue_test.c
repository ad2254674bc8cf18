// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests that a call leaves no secrets behind: no eight consecutive bytes of a key or of
 * keystream are in a register or in writable memory after it, except in the caller's buffer
 * and the state. The calls run in a traced process, and only the tracer knows the secrets:
 * see tracee.h. Calls are undisturbed, or an event happens at points spread over them.
 *
 * If a signal handler runs during a call, the kernel saves the call's registers in the
 * signal frame. It aborts the call before, so the frame shows no secrets, either. Without such
 * a kernel (VDSO_HOOK=0, libvgetrandom) the search skips the frame, and only it.
 *
 * If states are locked, a drop emulates a fork's child: its states are zeros and not locked.
 *
 * VDSO_CORE in the environment names the core, POINTS the number of points of a call at
 * which each event is tried (default: 4).
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "planted_leaks.h"
#include "secrets.h"
#include "tracee.h"
#include "testbed.h"
#include "writable_memory.h"

#define LIMIT		7200	/* seconds, of a test */
#define MAX_STEPS		32768	/* instructions of a call */
#define XMM_OFFSET	160	/* in the XSAVE area */
#define LEGACY_OFFSET	32	/* of the x87 registers there */
#define LEGACY_END	416
#define IN_USE_OFFSET	512	/* XSTATE_BV */
#define DISTURBED	14	/* number of lengths of disturbed calls: the first ones */

/* Not in the fixture, whose memory might be shared with the traced process. */
static struct tracee tracee;
static struct memory_finding finding;
static char found_in[192];	/* where leaves_nothing() found a secret, or an error message */
static size_t found_at;		/* offset in the registers */
static unsigned long calls, handler_calls, new_keys;
static size_t lens[30];
static unsigned long points = 4;

/*
 * The components of XSTATE_BV that the processor clears when their registers are zeroed. An
 * emulator may always report all as in use. Upper halves in use make SSE slower.
 */
static uint64_t in_use_tracked;

static ssize_t use_ymm(void *buffer, size_t len, unsigned int flags, void *state,
		       size_t state_len)
{
	asm volatile("vpcmpeqd %ymm9, %ymm9, %ymm9\n\tvzeroall");
	return (void)buffer, (void)flags, (void)state, (void)state_len, (ssize_t)len;
}

static ssize_t use_zmm(void *buffer, size_t len, unsigned int flags, void *state,
		       size_t state_len)
{
	asm volatile("vpternlogd $0xff, %zmm9, %zmm9, %zmm9\n\tvzeroall");
	return (void)buffer, (void)flags, (void)state, (void)state_len, (ssize_t)len;
}

static uint64_t in_use(const struct tracee *t)
{
	uint64_t components;

	memcpy(&components, t->xsave + IN_USE_OFFSET, sizeof(components));
	return components;
}

static bool find_in_use(struct tracee *t)
{
	in_use_tracked = 1 << 2 | 1 << 6;
	if (__builtin_cpu_supports("avx2") && tracee_call(t, use_ymm, 0, NOTHING, NULL, 0))
		return false;
	in_use_tracked &= ~(in_use(t) & 1 << 2);
	if (__builtin_cpu_supports("avx512f") && tracee_call(t, use_zmm, 0, NOTHING, NULL, 0))
		return false;
	in_use_tracked &= ~(in_use(t) & 1 << 6);
	return true;
}

FIXTURE(process) {
};

FIXTURE_SETUP(process)
{
	unsigned int a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		SKIP(return, "the processor or its kernel has no XSAVE");
	testbed.host = vdso_host_open(getenv("VDSO_IMAGE") ? getenv("VDSO_IMAGE") :
				    "build/kernel/arch/x86/entry/vdso/vdso64.so.dbg");
	ASSERT_NE(NULL, testbed.host) {
		TH_LOG("%s", vdso_host_error());
	}
	ASSERT_TRUE(testbed_set_core(getenv("VDSO_CORE")));
	testbed.fn = (vgetrandom_fn)vdso_host_generator(testbed.host);
	ASSERT_NE(NULL, testbed.fn);
	ASSERT_TRUE(leaks_prepare(testbed.host));
	ASSERT_TRUE(testbed_open_library());
	ASSERT_TRUE(tracee_start(&tracee, testbed.host) && find_in_use(&tracee));
	/* After the fork, so that the traced process does not share it. */
	ASSERT_TRUE(testbed.pool || testbed_open_page(STATE_SIZE));
	ASSERT_TRUE(step_open(testbed.host));

	const size_t all[] = {
		1, 4, 8, 12, 31, 32, 33, 96, 128, BATCH - 1, BATCH, BATCH + 1,
		3 * ITERATION_SIZE + 77, 3 * ITERATION_SIZE + SECOND_KEY,
		/* Undisturbed calls only: */
		2, 3, 7, 15, 16, 17, 40, 64, 100, ITERATION_SIZE / 2, SECOND_KEY, ITERATION_SIZE,
		BATCH + 33, 500, 1500, BATCH + ITERATION_SIZE + 50,
	};

	if (getenv("POINTS"))
		points = strtoul(getenv("POINTS"), NULL, 10);
	ASSERT_LT(0, points);
	ASSERT_EQ(sizeof(all), sizeof(lens));
	memcpy(lens, all, sizeof(lens));
	ASSERT_GE(TRACEE_OUT, lens[DISTURBED - 1]);
}

FIXTURE_TEARDOWN(process)
{
	tracee_end(&tracee);
	vdso_host_close(testbed.host);
}

/* Like testbed_start(), in the traced process. Forgets its earlier keys. */
static bool start_from(struct tracee *t, enum start start)
{
	bool good = true;

	tracee_forget_keys(t);
	if (!tracee_drop(t))
		return false;
	if (start != EMPTY)
		good = tracee_call(t, testbed.fn, ITERATION_SIZE, NOTHING, NULL, 0) ==
		       (ssize_t)ITERATION_SIZE;
	if (start == PARTLY_USED)
		good = good &&
		       tracee_call(t, testbed.fn, BATCH - PART_LEFT, NOTHING, NULL, 0) > 0;
	tracee_clear_buffers(t);
	return good;
}

/* The blocks that a request makes, including the refill. */
static size_t blocks_made(size_t len)
{
	return (len / VGETRANDOM_BLOCK_SIZE / ITERATION_BLOCKS + 1) * ITERATION_BLOCKS;
}

/* Add all that a call computes to make @len bytes with @key and the keys that follow from it. */
static void add_key(const uint8_t *key, size_t len)
{
	uint8_t stream[SECRET_BLOCKS * VGETRANDOM_BLOCK_SIZE];

	secrets_add_output(key, blocks_made(len));
	/* Each iteration overwrites the registers of the last one: add the first and the last. */
	secrets_add_rounds(key, 0, ITERATION_BLOCKS);
	secrets_add_rounds(key, blocks_made(len) - ITERATION_BLOCKS, ITERATION_BLOCKS);
	oracle_stream(stream, sizeof(stream), key, 0);
	/* The rest of the last block may use up the batch: then the next key is used, too. */
	if (len % VGETRANDOM_BLOCK_SIZE > VGETRANDOM_KEY_SIZE)
		secrets_add_stream(stream + len / VGETRANDOM_BLOCK_SIZE * VGETRANDOM_BLOCK_SIZE,
				   ITERATION_BLOCKS);
}

static void add_state(const struct vgetrandom_state *state)
{
	secrets_add_key(state->key);
	secrets_add(state->batch, sizeof(state->batch));
}

/*
 * Are all vector registers zero, and upper halves not in use? If not, @where is the offset in
 * the XSAVE area.
 */
static bool vectors_clean(const struct tracee *t, size_t *where)
{
	static const unsigned int components[] = { 2, 5, 6, 7 };

	for (*where = LEGACY_OFFSET; *where < LEGACY_END; ++*where)
		if (t->xsave[*where])
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
		unsigned int size, offset, c, d;

		__cpuid_count(0xd, components[i], size, offset, c, d);
		for (*where = offset; *where < offset + size; ++*where)
			if (t->xsave[*where])
				return false;
	}
	*where = IN_USE_OFFSET;
	return !(in_use(t) & in_use_tracked);
}

/* Search the traced process for secrets after a call of @len bytes. */
static bool is_clean(size_t len, bool state_may_keep)
{
	struct tracee *t = &tracee;
	const uintptr_t out = (uintptr_t)t->shared->out;
	const uintptr_t handler_out = (uintptr_t)t->shared->handler_out;
	const struct memory_range allowed[] = {
		{ (uintptr_t)t->state, (uintptr_t)(t->state + state_may_keep) },
		{ out, out + len },
		/* If a signal was handled, the handler's buffer and the signal frame. */
		{ t->frame.start ? handler_out : 0,
		  t->frame.start ? handler_out + TRACEE_HANDLER_OUT : 0 },
		testbed.ranges ? (struct memory_range) { 0, 0 } : t->frame,
	};
	size_t where = 0;

	found_in[0] = 0;
	if (!secrets_complete())
		snprintf(found_in, sizeof(found_in), "no search: too many secrets for the set");
	else if (secrets_found(&t->regs, sizeof(t->regs), &where))
		snprintf(found_in, sizeof(found_in), "general register, offset %zu", where);
	else if (secrets_found(t->xsave, t->xsave_len, &where))
		snprintf(found_in, sizeof(found_in), "XSAVE area, offset %zu", where);
	else if (!vectors_clean(t, &where))
		snprintf(found_in, sizeof(found_in),
			 "XSAVE area, offset %zu: a register or XSTATE_BV is not clear", where);
	else if (!memory_is_clean(t->pid, allowed, ARRAY_SIZE(allowed), &finding))
		snprintf(found_in, sizeof(found_in), "%s%s (stack pointer %+ld)",
			 finding.what, t->frame.start ? ", signal handled" : "",
			 (long)(finding.address - t->regs.rsp));
	found_at = where;
	return !found_in[0];
}

/* Make a call and search for its secrets. */
static bool leaves_nothing(vgetrandom_fn fn, size_t len, enum tracee_event event,
			   const void *ip, unsigned long nth)
{
	struct tracee *t = &tracee;
	const uint64_t had = t->state->available < len ? t->state->available : len;
	const size_t keys_before = t->nkeys;
	ssize_t ret;

	secrets_clear();
	for (size_t i = 0; i < t->nkeys; i++)
		secrets_add_output(t->keys[i], blocks_made(ITERATION_SIZE));
	add_state(t->state);
	add_key(t->state->key, len - had);
	ret = tracee_call(t, fn, len, event, ip, nth);
	if (fn == testbed.fn && ret != (ssize_t)len) {
		snprintf(found_in, sizeof(found_in), "the call returned %zd", ret);
		return false;
	}
	for (size_t i = keys_before; i < t->nkeys; i++)
		add_key(t->keys[i], len);
	add_state(t->state);
	secrets_add(t->shared->out, len);
	if (t->frame.start)
		secrets_add(t->shared->handler_out, TRACEE_HANDLER_OUT);
	calls++;
	handler_calls += t->shared->handler_ret == TRACEE_HANDLER_OUT;
	new_keys += t->nkeys > keys_before;
	return is_clean(len, event != DROP_AND_LIMIT);
}

static const char * const start_names[] = {
	[EMPTY] = "empty", [PARTLY_USED] = "partly used", [FULL_BATCH] = "full",
};

TEST_F(process, nothing_is_left_by_undisturbed_calls)
{
	for (enum start start = EMPTY; start <= FULL_BATCH; start++) {
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			ASSERT_TRUE(start_from(&tracee, start));
			EXPECT_TRUE(leaves_nothing(testbed.fn, lens[i], NOTHING, NULL, 0)) {
				TH_LOG("%zu bytes, %s: %s", lens[i], start_names[start],
				       found_in);
			}
		}
	}
	/* The search covered a process' memory: stack, heap, data and more. */
	EXPECT_LE(10, finding.mappings);
	EXPECT_LE(256 * 1024, finding.searched);
	TH_LOG("%lu calls, each followed by a search of %zu bytes in %u mappings", calls,
	       finding.searched, finding.mappings);
}

/*
 * The instructions of an undisturbed call. Recorded in this process, where single-stepping
 * is cheapest; its keys come from the running kernel.
 */
static const void *path[MAX_STEPS];
static unsigned long path_len;

static bool note_ip(unsigned long step, const void *ip, void *arg)
{
	(void)arg;
	if (step < MAX_STEPS)
		path[step] = ip;
	return true;
}

static bool record_path(enum start start, size_t len)
{
	static uint8_t out[TRACEE_OUT];

	testbed_start(start);
	return step_call(testbed.fn, out, len, 0, testbed.state, STATE_SIZE, note_ip, NULL,
			 &path_len) == (ssize_t)len && path_len > 20 && path_len <= MAX_STEPS;
}

/* How often the instruction of step @at ran before that step. */
static unsigned long times_before(unsigned long at)
{
	unsigned long times = 0;

	for (unsigned long i = 0; i < at; i++)
		times += path[i] == path[at];
	return times;
}

/* Try @event at points from the first instruction to the last, in each kind of call. */
static void disturb(struct __test_metadata *_metadata, enum tracee_event event)
{
	struct tracee *t = &tracee;
	unsigned long happened = 0;

	for (unsigned int k = 0; k < 3 * DISTURBED; k++) {
		const enum start start = k % 3;
		const size_t len = lens[k / 3];

		ASSERT_TRUE(record_path(start, len));
		for (unsigned long point = 0; point < points; point++) {
			/* Shift the points a little for each request. */
			const unsigned long at =
				(path_len * point + path_len * k / (3 * DISTURBED)) / points;

			ASSERT_TRUE(start_from(t, start));
			EXPECT_TRUE(leaves_nothing(testbed.fn, len, event, path[at],
						   times_before(at))) {
				TH_LOG("%zu bytes, %s, instruction %lu of %lu: %s", len,
				       start_names[start], at, path_len, found_in);
			}
			happened += t->event_happened;
		}
	}
	EXPECT_EQ(calls, happened);
	TH_LOG("%lu calls, %lu of them took a new key", calls, new_keys);
}

TEST_F_TIMEOUT(process, nothing_is_left_after_a_drop, LIMIT)
{
	disturb(_metadata, DROP);
	/* Most drops come between the call's first write and its last check: it notices them. */
	EXPECT_LT(calls / 2, new_keys);
}

TEST_F_TIMEOUT(process, nothing_is_left_after_a_reseed, LIMIT)
{
	disturb(_metadata, RESEED);
	EXPECT_LT(calls / 2, new_keys);
}

TEST_F_TIMEOUT(process, nothing_is_left_after_a_signal_handler, LIMIT)
{
	disturb(_metadata, HANDLER);
	EXPECT_EQ(calls, handler_calls);
}

TEST_F_TIMEOUT(process, nothing_is_left_after_a_drop_and_a_signal_handler, LIMIT)
{
	disturb(_metadata, DROP_AND_HANDLER);
	EXPECT_EQ(calls, handler_calls);
	EXPECT_LT(calls / 2, new_keys);
}

TEST_F_TIMEOUT(process, nothing_is_left_by_attempts_that_are_given_up, LIMIT)
{
	disturb(_metadata, DROP_EACH_KEY);
	EXPECT_LT(calls / 2, new_keys);
}

TEST_F_TIMEOUT(process, nothing_is_left_where_locking_is_refused, LIMIT)
{
	if (!testbed.pool)
		SKIP(return, "states are droppable");
	disturb(_metadata, DROP_AND_LIMIT);
	/* Only calls with an empty state took a new key, before the event. */
	EXPECT_GT(calls / 2, new_keys);
}

/*
 * Controls: the search finds planted leaks where they are.
 */

/* A hit may start up to 7 bytes earlier, if the bytes there match the secret by chance. */
static bool is_close(uintptr_t found, uintptr_t planted)
{
	return found <= planted && planted - found < 8;
}

TEST_F(process, a_secret_in_any_memory_is_found)
{
	struct tracee *t = &tracee;
	const char *name;
	vgetrandom_fn fn;

	for (unsigned int n = 0; (fn = leaks_in_memory(n, &name)); n++) {
		ASSERT_TRUE(start_from(t, PARTLY_USED));
		EXPECT_FALSE(leaves_nothing(fn, 33, NOTHING, NULL, 0)) {
			TH_LOG("%s: not found", name);
		}
		EXPECT_TRUE(is_close(finding.address, t->shared->place)) {
			TH_LOG("%s: %s", name, found_in);
		}
		/* Without the leak nothing is found. */
		ASSERT_TRUE(start_from(t, PARTLY_USED));
		EXPECT_TRUE(leaves_nothing(testbed.fn, 33, NOTHING, NULL, 0));
		memset(&finding, 0, sizeof(finding));
	}
}

TEST_F(process, a_secret_in_any_register_is_found)
{
	struct tracee *t = &tracee;
	unsigned int component, n, size, from = 0, c, d;
	char name[32];
	vgetrandom_fn fn;
	size_t offset;

	for (n = 0; (fn = leaks_in_register(n, name, &component, &offset)); n++) {
		if (component != LEAK_GENERAL && component) {
			__cpuid_count(0xd, component, size, from, c, d);
			offset += from;
		}
		ASSERT_TRUE(start_from(t, PARTLY_USED));
		EXPECT_FALSE(leaves_nothing(fn, 33, NOTHING, NULL, 0)) {
			TH_LOG("%s: not found", name);
		}
		EXPECT_EQ(component == LEAK_GENERAL, !strncmp(found_in, "general", 7));
		EXPECT_TRUE(is_close(found_at, offset)) {
			TH_LOG("%s: %s", name, found_in);
		}
	}
	/* Every processor has the general, x87 and xmm registers. */
	EXPECT_LE(15 + 8 + 32, n);
	TH_LOG("%u registers and parts of registers", n);
}

/* The search needs exactly eight bytes: seven do not match. */
TEST_F(process, the_search_has_no_false_positives)
{
	uint8_t other[4096];
	size_t where;

	ASSERT_TRUE(start_from(&tracee, FULL_BATCH));
	ASSERT_TRUE(leaves_nothing(testbed.fn, 33, NOTHING, NULL, 0));
	oracle_stream(other, sizeof(other), (const uint8_t *)"a key that no state has ever had", 0);
	EXPECT_FALSE(secrets_found(other, sizeof(other), &where));
	for (size_t i = 0; i + 8 <= VGETRANDOM_KEY_SIZE; i++) {
		memset(other, 0xaa, 24);
		memcpy(other + 9, tracee.state->key + i, 8);
		EXPECT_TRUE(secrets_found(other, 24, &where));
		EXPECT_EQ(9, where);
		memset(other, 0xaa, 24);
		memcpy(other + 9, tracee.state->key + i, 7);
		EXPECT_FALSE(secrets_found(other, 24, &where));
	}
}

/* All tests compare with the oracle, and the secrets here are its rounds. */
TEST(the_oracle_agrees_with_libsodium)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint8_t key[VGETRANDOM_KEY_SIZE], got[1000], want[sizeof(got)];

	ASSERT_LE(0, sodium_init());
	for (uint32_t block = 0; block < 100000; block = block * 3 + 1) {
		randombytes_buf(key, sizeof(key));
		memset(want, 0, sizeof(want));
		crypto_stream_chacha20_xor_ic(want, want, sizeof(want), nonce, block, key);
		oracle_stream(got, sizeof(got), key, block);
		EXPECT_EQ(0, memcmp(got, want, sizeof(want)));
	}
}

TEST_HARNESS_MAIN
