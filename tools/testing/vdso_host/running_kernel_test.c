// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tests of inject_test.c for the running kernel's vDSO, for comparison. The kernel's data
 * page cannot be written, so reseeds and an RNG that is not ready are not tested.
 *
 * Errors of the running kernel are reported and do not fail the test. The test fails if it
 * cannot test: it must explain every byte of undisturbed calls.
 *
 * The check demands this project's contract: the bytes of one call come from one key. A
 * call may take some bytes from its key and, after a drop, the rest from a signal handler's
 * key: that counts as an error, though no other call returns these bytes. Zeros, bytes
 * that are returned twice and writes outside of the state are errors by any contract.
 *
 * STEP_EVERY, PAIRS and SEED are as in inject_test.c.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "kselftest_harness.h"
#include "inject_explore.h"
#include "vdso_running.h"

#define LIMIT		7200	/* seconds, of a test */
#define ALL_CALLS	1000	/* with pairs of events, without STEP_EVERY */

__attribute__((constructor))
static void before_main(void)
{
	struct vdso_running running;

	if (vdso_running_open(&running) && !running.fn) {
		printf("1..0 # SKIP this kernel's vDSO has no getrandom()\n");
		exit(KSFT_SKIP);
	}
	inject_count_cases("cases of the running kernel",
			   "instruction, event, request, start");
}

static bool is_layout(size_t iteration_blocks, size_t refill_blocks)
{
	inject.subject.layout = (struct layout){ iteration_blocks, refill_blocks };
	inject.subject.fill_len = (refill_blocks ? 1 : iteration_blocks) * VGETRANDOM_BLOCK_SIZE;
	inject.subject.part_left = 37;
	explore_reset();
	return explore(&nothing, FULL_BATCH, 96) && explore(&nothing, PARTLY_USED, 200);
}

/* Find the layout that explains undisturbed calls: Linux 6.11's or one of this project's. */
static bool find_layout(void)
{
	const struct vdso_host_core *core = vdso_host_cores;

	if (is_layout(0, 2))
		return true;
	while (core->name && !is_layout(core->blocks, 0))
		core++;
	return core->name;
}

FIXTURE(running) {
};

FIXTURE_SETUP(running)
{
	static const size_t some[] = { 1, 4, 31, 32, 33, 96, 128 };
	unsigned long cases = inject.shared->cases;
	struct vdso_running running;
	size_t batch;

	ASSERT_TRUE(vdso_running_open(&running));
	ASSERT_NE(NULL, running.fn);
	ASSERT_GE(MAX_STATE, running.state_size);
	ASSERT_TRUE(testbed_open_page(running.state_size));
	ASSERT_TRUE(mock_open_text(running.text, running.text_len, testbed.page, PAGE));
	ASSERT_TRUE(step_open_text(running.text, running.text_len));
	inject.subject = (struct subject) {
		.fn = running.fn,
		.state = testbed.state,
		.state_len = running.state_size,
	};
	ASSERT_TRUE(explore_set_sampling("64"));
	/* Try twice: the running kernel may have been reseeded in the middle. */
	ASSERT_TRUE(find_layout() || find_layout()) {
		TH_LOG("unknown generator with states of %zu bytes: %s", running.state_size,
		       explored.first);
	}
	inject.shared->cases = cases;
	batch = layout_batch_size(&inject.subject.layout);
	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		explore_add_len(some[i]);
	explore_add_len(batch - 1);
	explore_add_len(batch);
	explore_add_len(batch + 1);
	explore_add_len(3 * (batch + VGETRANDOM_KEY_SIZE) + 17);
	ASSERT_TRUE(explore_set_sampling(getenv("STEP_EVERY") ?: "1"));
}

FIXTURE_TEARDOWN(running)
{
}

static void report(struct __test_metadata *_metadata, const char *name)
{
	TH_LOG("%s: %lu of %lu go wrong%s%s", name, explored.nfailed, explored.tried,
	       explored.nfailed ? "; first: " : "", explored.first);
	for (unsigned int i = 0; i < explored.nreasons; i++)
		TH_LOG("  %lu: %s", explored.reasons[i].n, explored.reasons[i].why);
}

TEST_F_TIMEOUT(running, undisturbed_calls_are_explained, LIMIT)
{
	explore_reset();
	for (int start = EMPTY; start <= FULL_BATCH; start++)
		for (size_t i = 0; i < nlens; i++)
			explore(&nothing, start, lens[i]);
	report(_metadata, "undisturbed");
	EXPECT_EQ(0, explored.nfailed);
	EXPECT_LT(0, explored.tried);
}

TEST_F_TIMEOUT(running, one_event_at_every_instruction, LIMIT)
{
	static const struct event * const events[] = {
		&drop, &forks, &handler, &handler_forks, &handler_calls_forks, &drop_handler,
	};

	for (size_t k = 0; k < ARRAY_SIZE(events); k++) {
		explore_reset();
		for (int start = EMPTY; start <= FULL_BATCH; start++)
			for (size_t i = 0; i < nlens; i++)
				explore(events[k], start, lens[i]);
		report(_metadata, events[k]->name);
		EXPECT_LT(0, explored.tried);
	}
}

TEST_F_TIMEOUT(running, two_events_at_sampled_instructions, LIMIT)
{
	static const struct event * const events[] = {
		&drop, &forks, &handler, &handler_forks,
	};
	const char *seed = getenv("SEED"), *calls = getenv("PAIRS");
	unsigned long n = calls ? strtoul(calls, NULL, 10) : explore_sampled(ALL_CALLS);
	unsigned long long random = seed ? strtoull(seed, NULL, 0) : time(NULL);

	TH_LOG("SEED=%llu, %lu calls", random, n);
	explore_seed(random);
	explore_reset();
	for (unsigned long i = 0; i < n; i++) {
		enum start start = explore_random(3);
		size_t len = lens[explore_random(nlens)];

		explore_pairs(events, ARRAY_SIZE(events), events, ARRAY_SIZE(events),
			      start, len);
	}
	report(_metadata, "two events");
	EXPECT_LT(0, explored.tried);

	/* The reason for the lock of this project's generator, which survives these pairs. */
	explore_seed(random);
	explore_reset();
	for (unsigned long i = 0; i < n; i++)
		explore_pairs(events, 1, events + 2, 1, explore_random(3),
			      lens[explore_random(nlens)]);
	report(_metadata, "drop, and later a handler");
	EXPECT_LT(0, explored.tried);
}

TEST_HARNESS_MAIN
