// SPDX-License-Identifier: GPL-2.0-only
/*
 * Injects an event at every instruction of a call, and pairs of events: the page is dropped,
 * the RNG reseeded, a signal handler calls, the process forks. Checks that every byte comes
 * from a valid key of this process, that no byte is returned twice, and that the state
 * left behind is right. inject.h and inject_check.c say how.
 *
 * Locked states cannot be dropped: there the process becomes a fork's child instead, see
 * testbed_drop().
 *
 * In the environment:
 *
 *	VDSO_CORE	the core
 *	STEP_EVERY	try only every Nth instruction outside of cores, and fewer inside
 *	PAIRS		number of calls with pairs of events
 *	SEED		of the random pairs
 *	ONLY		the only test to run
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "inject_explore.h"

#define LIMIT		7200	/* seconds, of a test */
#define ALL_CALLS	3000	/* with pairs of events, without STEP_EVERY */

/* The events of random pairs. */
static const struct event * const events[] = {
	&drop, &reseed, &drop_and_reseed, &not_ready, &forks, &handler, &handler_forks, &limited,
};

__attribute__((constructor))
static void before_main(void)
{
	inject_count_cases("cases", "instruction, event, request, start, core");
}

FIXTURE(inject) {
};

FIXTURE_SETUP(inject)
{
	const char *only = getenv("ONLY");

	if (only && strcmp(only, _metadata->name))
		SKIP(_exit(255), "only %s", only);
	ASSERT_TRUE(testbed_open() && step_open(testbed.host));
	inject.subject = (struct subject) {
		.fn = testbed.fn,
		.state = testbed.state,
		.state_len = STATE_SIZE,
		.rng = testbed.rng,
		.layout = { .iteration_blocks = ITERATION_BLOCKS },
		.is_hosted = true,
		.fill_len = ITERATION_SIZE,
		.part_left = PART_LEFT,
	};
	ASSERT_GE(MAX_STATE, STATE_SIZE);

	const size_t all[] = {
		1, 4, 31, 32, 33, 96, 128, BATCH - 1, BATCH, BATCH + 1, SECOND_KEY,
		3 * ITERATION_SIZE + 17,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		explore_add_len(all[i]);
	ASSERT_TRUE(explore_set_sampling(getenv("STEP_EVERY")));
}

FIXTURE_TEARDOWN(inject)
{
}

/* Evaluate @how, one of the explore functions, for each @start and @len. */
#define EXPLORE_ALL(how) do {							\
	for (int start = EMPTY; start <= FULL_BATCH; start++) {			\
		for (size_t i = 0; i < nlens; i++) {			\
			const size_t len = lens[i];				\
										\
			explore_reset();					\
			EXPECT_TRUE(how) {					\
				TH_LOG("%lu of %lu fail, first: %s",		\
				       explored.nfailed, explored.tried,	\
				       explored.first);				\
			}							\
		}								\
	}									\
} while (0)

TEST_F_TIMEOUT(inject, undisturbed, LIMIT)
{
	EXPLORE_ALL(explore(&nothing, start, len));
}

TEST_F_TIMEOUT(inject, dropped_at_every_instruction, LIMIT)
{
	EXPLORE_ALL(explore(&drop, start, len));
}

TEST_F_TIMEOUT(inject, reseeded_at_every_instruction, LIMIT)
{
	EXPLORE_ALL(explore(&reseed, start, len));
}

TEST_F_TIMEOUT(inject, dropped_and_reseeded_at_every_instruction, LIMIT)
{
	EXPLORE_ALL(explore(&drop_and_reseed, start, len));
}

TEST_F_TIMEOUT(inject, not_ready_at_every_instruction, LIMIT)
{
	EXPLORE_ALL(explore(&not_ready, start, len));
}

TEST_F_TIMEOUT(inject, handler_at_every_instruction, LIMIT)
{
	EXPLORE_ALL(explore(&handler, start, len));
}

TEST_F_TIMEOUT(inject, handler_after_drop_at_every_instruction, LIMIT)
{
	EXPLORE_ALL(explore(&drop_handler, start, len));
}

TEST_F_TIMEOUT(inject, locked_states_that_may_not_be_locked_again, LIMIT)
{
	if (!testbed.pool)
		SKIP(return, "states are droppable");
	EXPLORE_ALL(explore(&limited_drop, start, len));
	EXPLORE_ALL(explore(&limited_drop_handler, start, len));
	EXPLORE_ALL(explore(&limited_fork_handler, start, len));
}

TEST_F_TIMEOUT(inject, fork_at_every_instruction, LIMIT)
{
	EXPLORE_ALL(explore(&forks, start, len));
}

TEST_F_TIMEOUT(inject, handler_forks_and_the_child_calls, LIMIT)
{
	EXPLORE_ALL(explore(&handler_forks, start, len));
}

TEST_F_TIMEOUT(inject, fork_in_a_handler_that_has_called, LIMIT)
{
	EXPLORE_ALL(explore(&handler_calls_forks, start, len));
}

/*
 * The first handler makes a state to which the interrupted call still writes. A second
 * handler may find that state damaged, but only in the same write section.
 */
TEST_F_TIMEOUT(inject, second_handler_after_drop, LIMIT)
{
	EXPLORE_ALL(explore_handler_after(&drop_handler, start, len));
}

/* The call has not noticed the drop yet, and the handler finds the state unlocked. */
TEST_F_TIMEOUT(inject, handler_some_time_after_drop, LIMIT)
{
	EXPLORE_ALL(explore_handler_after(&drop, start, len));
}

TEST_F_TIMEOUT(inject, state_is_locked_before_each_write, LIMIT)
{
	EXPLORE_ALL(explore_unlocked_writes(start, len));
}

/* The call must touch neither its neighbours in the page nor the pages around it. */
TEST_F_TIMEOUT(inject, dropped_at_page_edges, LIMIT)
{
	testbed_place(FIRST_IN_PAGE);
	inject.subject.state = testbed.state;
	EXPLORE_ALL(explore(&drop, start, len));
	testbed_place(LAST_IN_PAGE);
	inject.subject.state = testbed.state;
	EXPLORE_ALL(explore(&drop, start, len));
}

TEST_F_TIMEOUT(inject, two_events_at_sampled_instructions, LIMIT)
{
	const char *seed = getenv("SEED"), *calls = getenv("PAIRS");
	unsigned long n = calls ? strtoul(calls, NULL, 10) : explore_sampled(ALL_CALLS);
	/* The last event is for locked states only. */
	const size_t nevents = ARRAY_SIZE(events) - !testbed.pool;
	unsigned long long random = seed ? strtoull(seed, NULL, 0) : time(NULL);

	TH_LOG("SEED=%llu, %lu calls", random, n);
	explore_reset();
	explore_seed(random);
	for (unsigned long i = 0; i < n; i++) {
		enum start start = explore_random(3);
		size_t len = lens[explore_random(nlens)];

		explore_pairs(events, nevents, events, nevents, start, len);
	}
	EXPECT_EQ(0, explored.nfailed) {
		TH_LOG("%lu of %lu pairs fail, first: %s", explored.nfailed, explored.tried,
		       explored.first);
	}
	EXPECT_LT(0, explored.tried);
	TH_LOG("%lu pairs, %lu failed by the known exception: both events in one write section",
	       explored.tried, explored.exceptions);
}

TEST_HARNESS_MAIN
