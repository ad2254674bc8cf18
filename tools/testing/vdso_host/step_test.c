// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests calls during which several events happen, each between two instructions: drops,
 * handlers' calls, longjmp() out of a handler. inject_test.c tests single events at every
 * instruction, and random pairs.
 *
 * The test single-steps a call. At each step it forks; in the child, which has a copy of
 * the state, the event happens and the call runs to its end. Then the child makes one more
 * call. The test compares the results with the oracle's bytes of the keys that the mock
 * kernel returned.
 *
 * In the environment: STEP_EVERY tries only every Nth step, VDSO_CORE names the core, ONLY
 * the only test to run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/random.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "testbed.h"

#define MAX_CALL	2304	/* longest request */
#define INNER_CALL	40	/* length of a call in a signal handler */
#define NEXT_CALL	50	/* length of the call after the interrupted one */

enum event {
	DROP,			/* reclaim zeroes the page */
	HANDLER,		/* a signal handler makes a call with the same state */
	DROP_THEN_HANDLER,
};

/* One call, as the process that made it reports it. */
struct call_record {
	bool done;
	ssize_t ret;
	unsigned int from, to;		/* requests [from, to) were made during the call */
	uint8_t out[MAX_CALL];
	struct vgetrandom_state after;
};

/* A child's report. */
struct report {
	pid_t pid;
	bool finished, canaries_ok;
	unsigned int requests_at_event;	/* number of requests before the event */
	struct call_record outer, inner, next;
};

static struct {
	/* The scenario. */
	enum event event;
	enum start start;
	size_t len;
	unsigned int flags;
	unsigned long every;		/* inside of a core, try every Nth step */

	/* The call. */
	struct vgetrandom_state before;
	unsigned int from, seen;
	bool has_key;			/* it has asked for a key before the event */
	uint8_t key[VGETRANDOM_KEY_SIZE];
	uint8_t out[MAX_CALL];

	struct report *report;		/* in a child */
	unsigned long steps;
	unsigned long nfailed;
	char why[256];
} trial;

static struct report *reports;		/* shared: the child's */

static void failed(unsigned long step, const char *what)
{
	if (!trial.nfailed++)
		snprintf(trial.why, sizeof(trial.why), "at step %lu: %s", step, what);
}

static void record_call(struct call_record *record, size_t len, unsigned int flags)
{
	record->from = mock_count();
	record->ret = testbed_call(record->out, len, flags);
	record->to = mock_count();
	record->after = *testbed.state;
	record->done = true;
}

/* A signal handler interrupts the call and makes one. */
static void handler_calls(struct call_record *record)
{
	step_abort(-EINTR);
	record_call(record, INNER_CALL, GRND_NONBLOCK);
}

/* Runs in the child, between two instructions of the call. */
static void trigger_event(void)
{
	trial.report->pid = getpid();
	trial.report->requests_at_event = mock_count();
	if (trial.event != HANDLER)
		testbed_drop();
	if (trial.event != DROP)
		handler_calls(&trial.report->inner);
}

/* The child's call has returned. */
static void finish(ssize_t ret)
{
	struct report *r = trial.report;

	r->outer.ret = ret;
	r->outer.from = trial.from;
	r->outer.to = mock_count();
	r->outer.after = *testbed.state;
	memcpy(r->outer.out, trial.out, sizeof(trial.out));
	r->outer.done = true;
	record_call(&r->next, NEXT_CALL, 0);
	r->canaries_ok = testbed_canaries_ok();
	r->finished = true;
	_exit(0);
}

/* Set the oracle to the key and batch that the call had at the time of the event. */
static void load_oracle_at_event(struct oracle *o)
{
	oracle_load(o, &trial.before);
	if (trial.has_key)
		oracle_rekey(o, trial.key);
}

/*
 * Did the event come after the call was committed? The call may then return bytes of a key
 * from before the event, if the buffer had all of them when the event came.
 */
static bool is_committed(const struct report *r, const uint8_t *out_at_event,
			 struct oracle *o)
{
	load_oracle_at_event(o);
	return r->outer.ret == (ssize_t)trial.len &&
	       testbed_replay(o, r->outer.out, trial.len, 0, 0, 0) &&
	       !memcmp(out_at_event, r->outer.out, trial.len);
}

static unsigned int requests_of(pid_t pid, unsigned int from, unsigned int to)
{
	unsigned int n = 0;

	for (unsigned int i = from; i < to; i++)
		n += mock_request(i)->pid == pid;
	return n;
}

/* STEP_EVERY; which steps are sampled differs from one length to the next. */
static unsigned long sample_every = 1;

static bool is_sampled_out(unsigned long step, unsigned long every)
{
	return (step + trial.len) % (every * sample_every);
}

/* Most of a long call is arithmetic on registers: try only every trial.every-th step of it. */
static bool is_skipped(unsigned long step, const void *ip)
{
	return is_sampled_out(step, testbed_in_core(ip) ? trial.every : 1);
}

/* Copy the call's key: the record of requests is a ring, and children overwrite it. */
static void remember_key(void)
{
	for (; trial.seen < mock_count(); trial.seen++) {
		if (mock_request(trial.seen)->pid != getpid())
			continue;
		memcpy(trial.key, mock_request(trial.seen)->bytes, sizeof(trial.key));
		trial.has_key = true;
	}
}

/* Let a child trigger the event here and finish the call. Returns true if it left a report. */
static bool try_in_child(unsigned long step)
{
	struct vdso_rng_data rng = *testbed.rng;
	int status;
	pid_t pid;

	memset(reports, 0, sizeof(*reports));
	pid = testbed_fork();
	if (!pid) {
		trial.report = &reports[0];
		trigger_event();
		return false;
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		failed(step, "fork or waitpid failed");
		return false;
	}
	*testbed.rng = rng;
	if (WIFSIGNALED(status)) {
		failed(step, strsignal(WTERMSIG(status)));
		return false;
	}
	return true;
}

/* A call of trial.len bytes that begins with trial.start, with @step at each step. */
static ssize_t step_testbed(step_fn step, void *arg)
{
	ssize_t ret;

	vdso_host_set_rng(testbed.host, 1, true);
	testbed_start(trial.start);
	trial.before = *testbed.state;
	trial.from = mock_count();
	trial.seen = trial.from;
	mock->hook = step_here;
	ret = step_call(testbed.fn, trial.out, trial.len, trial.flags, testbed.state, STATE_SIZE,
			step, arg, &trial.steps);
	if (trial.report)
		finish(ret);
	mock->hook = NULL;
	return ret;
}

static size_t lens[8];
static const char * const start_names[] = { "empty state", "part-used batch", "full batch" };

FIXTURE(step) {
};

FIXTURE_SETUP(step)
{
	const char *every = getenv("STEP_EVERY"), *only = getenv("ONLY");
	size_t n = 0;

	if (only && strcmp(only, _metadata->name))
		SKIP(_exit(255), "only %s", only);
	ASSERT_TRUE(testbed_open() && step_open(testbed.host));
	lens[n++] = 1;
	lens[n++] = 32;
	lens[n++] = 33;
	lens[n++] = BATCH - 1;
	lens[n++] = BATCH;
	lens[n++] = BATCH + 1;
	lens[n++] = SECOND_KEY;
	lens[n++] = BATCH + ITERATION_SIZE + 50;	/* a batch, two iterations, and a part */
	ASSERT_EQ(n, ARRAY_SIZE(lens));
	ASSERT_GE(MAX_CALL, lens[n - 1]);
	if (every)
		sample_every = strtoul(every, NULL, 10);
	ASSERT_LT(0, sample_every);
	reports = mmap(NULL, sizeof(*reports), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, reports);
}

FIXTURE_TEARDOWN(step)
{
}

/*
 * The state is dropped at one step and again at a later one, each in turn. The call must
 * return bytes of a new key or of the system call.
 */
static struct {
	unsigned long first, fallbacks;
} twice;

static void check_second_drop(unsigned long step)
{
	const struct report *r = &reports[0];
	unsigned int n = requests_of(r->pid, r->requests_at_event, r->outer.to);
	struct oracle o = { .available = 0 };

	if (!r->finished || !r->canaries_ok) {
		failed(step, "the call did not return, or wrote outside of the state");
	} else if (!n) {
		struct oracle before_event;

		if (!is_committed(r, trial.out, &before_event))
			failed(step, "the call returned bytes of a key from before the event");
	} else if (!mock_request(r->outer.to - 1)->is_key) {
		const struct mock_request *fallback = mock_request(r->outer.to - 1);

		twice.fallbacks++;
		if (fallback->len != trial.len || fallback->flags != trial.flags ||
		    r->outer.ret != (ssize_t)trial.len ||
		    memcmp(r->outer.out, fallback->bytes, trial.len))
			failed(step, "the fallback got other arguments, or the call other bytes");
		else if (r->outer.after.owner || r->outer.after.generation)
			failed(step, "the fallback left a state that seems valid or locked");
	} else if (!testbed_replay(&o, r->outer.out, trial.len, r->requests_at_event,
				   r->outer.to, r->pid)) {
		failed(step, "the call returned other bytes than the new key's");
	}
}

static bool drop_twice(unsigned long step, const void *ip, void *arg)
{
	(void)arg;
	remember_key();
	if (step == twice.first)
		testbed_drop();
	if (step <= twice.first || is_skipped(step, ip))
		return true;
	if (try_in_child(step))
		check_second_drop(step);
	return !trial.report;
}

TEST_F_TIMEOUT(step, dropped_twice, 300)
{
	unsigned long fallbacks = 0, steps = 1;

	for (unsigned long first = 0; first < steps; first += first < 60 ? 7 : 211) {
		memset(&trial, 0, sizeof(trial));
		trial.event = DROP;
		trial.start = PARTLY_USED;
		trial.len = 200;
		trial.every = 64;
		trial.flags = GRND_NONBLOCK;
		twice.first = first;
		twice.fallbacks = 0;
		step_testbed(drop_twice, NULL);
		steps = trial.steps;
		fallbacks += twice.fallbacks;
		EXPECT_EQ(0, trial.nfailed) {
			TH_LOG("first drop at step %lu: %lu second drops fail; first %s",
			       first, trial.nfailed, trial.why);
		}
	}
	EXPECT_LT(0, fallbacks);
}

/*
 * Two events in one call. At one step the page is dropped, and in some tests a signal
 * handler then makes a new state there. At each later step a signal handler calls with
 * that state; the interrupted call may not have noticed the drop yet. All bytes must come
 * from new keys, and no two calls may return the same ones.
 */
static struct {
	unsigned long first;		/* step of the first event */
	enum event event;		/* the first event */
	struct call_record handler;	/* that event's call */
	unsigned int keys_from;		/* keys of requests before this one are invalid */
	uint8_t out[MAX_CALL];		/* the call's buffer at that time */
	unsigned long exceptions;	/* pairs that the known exception explains */
	unsigned long fallbacks;	/* calls that ended as system calls */
} pair;

/*
 * The known exception: both events come within one write section, in which a call writes to
 * its state without checking that it still owns the state. This is the length of the
 * longest one, in which a call copies many bytes of the batch.
 */
#define MAX_WRITE_SECTION 216

/* If the kernel aborts interrupted calls, there is no exception. */
static bool is_exception(unsigned long step)
{
	return !testbed.ranges && step - pair.first <= MAX_WRITE_SECTION;
}

/* Try only every Nth second step; which ones depends on the first step. */
#define PAIR_EVERY 3

/* Returns how many bytes at the start of @out are in @stream in one piece. */
static size_t match_stream(const uint8_t *out, size_t len, const uint8_t *stream,
			   size_t stream_len)
{
	size_t prefix = len < 8 ? len : 8, n;
	const uint8_t *at = memmem(stream, stream_len, out, prefix);

	if (!at)
		return 0;
	for (n = prefix; n < len && at + n < stream + stream_len && at[n] == out[n]; n++)
		;
	return n;
}

/* The same for the keystream of @key, and of up to @replacements keys that follow from it. */
static size_t match_key(const uint8_t *out, size_t len, const uint8_t *key,
			unsigned int replacements)
{
	uint8_t stream[MAX_CALL + VGETRANDOM_KEYSTREAM_SIZE];
	size_t n, best, stream_len = trial.len + ITERATION_SIZE;

	oracle_stream(stream, stream_len, key, 0);
	best = match_stream(out, len, stream, stream_len);
	if (!replacements)
		return best;
	for (size_t at = 0; best < len && at <= trial.len; at += VGETRANDOM_BLOCK_SIZE) {
		n = match_key(out, len, stream + at, replacements - 1);
		best = n > best ? n : best;
	}
	return best;
}

/* Does every byte come from requests [@from, now): from their keys, or from a fallback? */
static bool comes_from_keys(const uint8_t *out, size_t len, unsigned int from)
{
	/* The handlers' calls use up a small batch, too. */
	const unsigned int keys = 2 + (INNER_CALL + NEXT_CALL) / BATCH;
	size_t n, best;

	for (; len; out += best, len -= best) {
		best = 0;
		for (unsigned int i = from; best < len && i < mock_count(); i++) {
			const struct mock_request *r = mock_request(i);
			/* Only these bytes of the record are valid. */
			size_t filled = r->len < sizeof(r->bytes) ? r->len : sizeof(r->bytes);

			n = r->is_key ? match_key(out, len, r->bytes, keys) :
					match_stream(out, len, r->bytes, filled);
			best = n > best ? n : best;
		}
		if (!best)
			return false;
	}
	return true;
}

static bool share_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	for (size_t i = 0; i + 8 <= a_len; i++)
		if (memmem(b, b_len, a + i, 8))
			return true;
	return false;
}

static const char *check_pair(const struct report *r)
{
	const struct call_record *h = &pair.handler;
	struct oracle o;

	if (!r->finished || !r->canaries_ok)
		return "the call did not return, or wrote outside of the state";
	if (r->inner.ret != INNER_CALL || r->outer.ret != (ssize_t)trial.len ||
	    r->next.ret != NEXT_CALL)
		return "a call failed";
	/* After a fork, which wipes the page like a drop, the parent has the older keys too. */
	if (!comes_from_keys(r->inner.out, INNER_CALL, pair.keys_from))
		return "the handler's bytes are not from a new key";
	if (!comes_from_keys(r->next.out, NEXT_CALL, pair.keys_from))
		return "the next call's bytes are not from a new key";
	if (!comes_from_keys(r->outer.out, trial.len, pair.keys_from) &&
	    !is_committed(r, pair.out, &o))
		return "the interrupted call's bytes are not from a new key";
	if (share_bytes(r->inner.out, INNER_CALL, r->outer.out, trial.len) ||
	    share_bytes(r->next.out, NEXT_CALL, r->outer.out, trial.len) ||
	    share_bytes(r->next.out, NEXT_CALL, r->inner.out, INNER_CALL))
		return "two calls returned the same bytes";
	if (h->done && (share_bytes(h->out, INNER_CALL, r->inner.out, INNER_CALL) ||
			share_bytes(h->out, INNER_CALL, r->outer.out, trial.len) ||
			share_bytes(h->out, INNER_CALL, r->next.out, NEXT_CALL)))
		return "two calls returned the same bytes, one of them the first handler's";
	return NULL;
}

static bool pair_of_events(unsigned long step, const void *ip, void *arg)
{
	unsigned int requests;
	const char *why;

	(void)arg;
	if (step <= pair.first)
		remember_key();
	if (step == pair.first) {
		memcpy(pair.out, trial.out, sizeof(trial.out));
		pair.keys_from = mock_count();
		testbed_drop();
		if (pair.event == DROP_THEN_HANDLER)
			handler_calls(&pair.handler);
	}
	requests = mock_count();
	if (step < pair.first || (step + pair.first) % PAIR_EVERY || is_skipped(step, ip))
		return true;
	if (!try_in_child(step))
		return !trial.report;
	why = check_pair(&reports[0]);
	if (why && pair.event == DROP_THEN_HANDLER && is_exception(step))
		pair.exceptions++;
	else if (why)
		failed(step, why);
	/* The record is a ring: make room by dropping this child's requests. */
	mock->count = requests;
	return true;
}

/* The steps that get a first event. */
static bool gets_first_event[8192];

static bool choose_first_steps(unsigned long step, const void *ip, void *arg)
{
	const unsigned long *every = arg;

	if (step >= ARRAY_SIZE(gets_first_event))
		return false;
	gets_first_event[step] = !is_sampled_out(step, testbed_in_core(ip) ? trial.every : *every);
	return true;
}

/* Try the first event at every @every-th step outside of the cores. */
static void explore_pairs(struct __test_metadata *_metadata, enum event event,
			  enum start start, size_t len, unsigned long every)
{
	const typeof(trial) blank = { .event = HANDLER, .start = start, .len = len, .every = 64 };
	unsigned long steps;

	trial = blank;
	memset(gets_first_event, 0, sizeof(gets_first_event));
	ASSERT_EQ((ssize_t)len, step_testbed(choose_first_steps, &every));
	steps = trial.steps;
	ASSERT_GT(ARRAY_SIZE(gets_first_event), steps);
	for (unsigned long first = 0; first < steps; first++) {
		if (!gets_first_event[first])
			continue;
		trial = blank;
		memset(&pair.handler, 0, sizeof(pair.handler));
		pair.first = first;
		pair.event = event;
		step_testbed(pair_of_events, NULL);
		EXPECT_EQ(0, trial.nfailed) {
			TH_LOG("%zu bytes, %s, event at step %lu: %lu second ones fail; first %s",
			       len, start_names[start], first, trial.nfailed, trial.why);
		}
	}
}

TEST_F_TIMEOUT(step, handler_at_any_time_after_drop, 300)
{
	explore_pairs(_metadata, DROP, EMPTY, 16, 1);
	explore_pairs(_metadata, DROP, FULL_BATCH, 33, 2);
	explore_pairs(_metadata, DROP, PARTLY_USED, 200, 13);
}

/* In a time namespace, the data page that a call reads first holds zeros, like a dropped page. */
TEST_F_TIMEOUT(step, handler_at_any_time_after_drop_in_a_time_namespace, 300)
{
	vdso_host_set_timens(testbed.host, true);
	explore_pairs(_metadata, DROP, EMPTY, 16, 3);
	explore_pairs(_metadata, DROP, FULL_BATCH, 33, 1);
	explore_pairs(_metadata, DROP, PARTLY_USED, 200, 13);
	vdso_host_set_timens(testbed.host, false);
}

TEST_F_TIMEOUT(step, two_handlers_after_drop, 300)
{
	pair.exceptions = 0;
	explore_pairs(_metadata, DROP_THEN_HANDLER, EMPTY, 16, 1);
	explore_pairs(_metadata, DROP_THEN_HANDLER, FULL_BATCH, 33, 2);
	explore_pairs(_metadata, DROP_THEN_HANDLER, PARTLY_USED, 200, 13);
	TH_LOG("%lu pairs failed by the known exception: both events in one write section",
	       pair.exceptions);
}

/*
 * The state is dropped at each step, up to one at which a signal handler makes a new state
 * there. That is the last event. The call may already be falling back then.
 */
static bool handler_after_drops(unsigned long step, const void *ip, void *arg)
{
	unsigned int requests = mock_count();
	const char *why;

	(void)arg;
	testbed_drop();
	if (is_skipped(step, ip))
		return true;
	if (!try_in_child(step))
		return !trial.report;
	why = check_pair(&reports[0]);
	if (why)
		failed(step, why);
	mock->count = requests;
	return true;
}

TEST_F_TIMEOUT(step, handler_after_drops_at_every_instruction, 300)
{
	static const size_t some[] = { 16, 200 };

	for (int start = EMPTY; start <= FULL_BATCH; start++) {
		for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
			const typeof(trial) blank = {
				.event = DROP_THEN_HANDLER, .start = start,
				.len = some[i], .every = 64,
			};

			trial = blank;
			memset(&pair, 0, sizeof(pair));
			pair.keys_from = mock_count();
			step_testbed(handler_after_drops, NULL);
			EXPECT_EQ(0, trial.nfailed) {
				TH_LOG("%zu bytes, %s: %lu of %lu steps fail, first %s",
				       some[i], start_names[start], trial.nfailed, trial.steps,
				       trial.why);
			}
		}
	}
}

/*
 * The state is dropped as soon as a core begins, and once more when a signal handler makes
 * a new one there. If that is in the call's second attempt, the call falls back and
 * invalidates the state. At each later step another handler calls.
 */
static bool handlers_after_drops_in_core(unsigned long step, const void *ip, void *arg)
{
	bool *dropped = arg;
	unsigned int requests;
	const char *why;

	if (testbed_in_core(ip) && !*dropped) {
		testbed_drop();
		*dropped = true;
	}
	if (step == pair.first) {
		memcpy(pair.out, trial.out, sizeof(trial.out));
		pair.keys_from = mock_count();
		testbed_drop();
		handler_calls(&pair.handler);
	}
	requests = mock_count();
	if (step <= pair.first || testbed_in_core(ip))
		return true;
	if (!try_in_child(step))
		return !trial.report;
	why = check_pair(&reports[0]);
	pair.fallbacks += !mock_request(reports[0].outer.to - 1)->is_key;
	if (why && is_exception(step))
		pair.exceptions++;
	else if (why)
		failed(step, why);
	mock->count = requests;
	return true;
}

TEST_F_TIMEOUT(step, handlers_during_fallback, 300)
{
	const typeof(trial) blank = { .event = HANDLER, .len = 200 };
	unsigned long steps;
	bool dropped = false;

	if (testbed.ranges)
		SKIP(return, "a handler aborts the call, which does not fall back then");
	memset(&pair, 0, sizeof(pair));
	/* Count the steps of a call without handlers. */
	trial = blank;
	pair.first = ~0UL;
	step_testbed(handlers_after_drops_in_core, &dropped);
	steps = trial.steps;
	for (unsigned long first = 0; first < steps; first += 61 * sample_every) {
		trial = blank;
		dropped = false;
		memset(&pair.handler, 0, sizeof(pair.handler));
		pair.first = first;
		step_testbed(handlers_after_drops_in_core, &dropped);
		EXPECT_EQ(0, trial.nfailed) {
			TH_LOG("first handler at step %lu: %lu second handlers fail; first %s",
			       first, trial.nfailed, trial.why);
		}
	}
	EXPECT_LT(0, pair.fallbacks);
	TH_LOG("%lu calls fell back", pair.fallbacks);
}

static bool drop_always(unsigned long step, const void *ip, void *arg)
{
	(void)ip;
	(void)arg;
	testbed_drop();
	/* A call that does not return fails the test and does not hang it. */
	return step < 200000;
}

static bool reseed_always(unsigned long step, const void *ip, void *arg)
{
	(void)ip;
	(void)arg;
	testbed.rng->generation++;
	return step < 200000;
}

/* A call that is disturbed at every step returns, with the system call's bytes. */
TEST_F_TIMEOUT(step, every_call_ends, 300)
{
	static const step_fn always[] = { drop_always, reseed_always };
	static const struct oracle nothing;

	for (size_t k = 0; k < ARRAY_SIZE(always); k++) {
		for (int start = EMPTY; start <= FULL_BATCH; start++) {
			for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
				struct mock_request *last;
				unsigned long steps;
				struct oracle o;
				unsigned int from;

				vdso_host_set_rng(testbed.host, 1, true);
				testbed_start(start);
				from = mock_count();
				mock->hook = step_here;
				ASSERT_EQ((ssize_t)lens[i],
					  step_call(testbed.fn, trial.out, lens[i],
						    GRND_NONBLOCK, testbed.state,
						    STATE_SIZE, always[k], NULL,
						    &steps));
				mock->hook = NULL;
				EXPECT_GT(100000, steps);
				last = mock_request(mock_count() - 1);
				EXPECT_FALSE(last->is_key);
				EXPECT_EQ(GRND_NONBLOCK, last->flags);
				EXPECT_EQ(lens[i], last->len);
				EXPECT_EQ(0, memcmp(trial.out, last->bytes, lens[i]));
				EXPECT_GE(4, mock_count() - from);

				/* The state is invalid and holds no secrets. */
				EXPECT_EQ(0, testbed.state->owner);
				EXPECT_TRUE(oracle_agrees(&nothing, testbed.state));
				oracle_load(&o, testbed.state);
				from = mock_count();
				EXPECT_EQ(NEXT_CALL, testbed_call(trial.out, NEXT_CALL, 0));
				EXPECT_EQ(from + 1, mock_count());
				EXPECT_TRUE(testbed_replay(&o, trial.out, NEXT_CALL, from,
							   from + 1, getpid()));
			}
		}
	}
}

static sigjmp_buf out_of_handler;

/* What happens before the handler leaves the call. */
static const struct jump {
	const char *name;
	bool drops, calls;
} jumps[] = {
	{ .name = "jump" },
	{ .name = "drop, then jump", .drops = true },
	{ .name = "call, then jump", .calls = true },
	{ .name = "drop, call, then jump", .drops = true, .calls = true },
};

/* In a child: leave the call by longjmp(); explore_jumps() then tests later calls. */
static void jump_out(const struct jump *jump)
{
	if (jump->drops)
		testbed_drop();
	step_abort(-EINTR);
	if (jump->calls && testbed_call(trial.out, INNER_CALL, 0) != INNER_CALL)
		_exit(1);
	siglongjmp(out_of_handler, 1);
}

static bool jump_step(unsigned long step, const void *ip, void *arg)
{
	struct vdso_rng_data rng = *testbed.rng;
	int status;
	pid_t pid;

	if (is_skipped(step, ip))
		return true;
	pid = testbed_fork();
	if (!pid)
		jump_out(arg);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		failed(step, "calls after the longjmp() failed, repeated bytes or were slow");
	*testbed.rng = rng;
	return true;
}

static int chunk_cmp(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static bool later_calls_are_good(void)
{
	const unsigned int from = mock_count();
	static const uint8_t zero[16];
	static uint8_t all[3 * 320];

	/* Without the kernel's help the state may be locked and damaged. */
	if (!testbed.ranges)
		testbed.rng->generation++;
	for (int i = 0; i < 3; i++) {
		if (testbed_call(all + i * 320, 320, 0) != 320)
			return false;
	}
	/* Full speed: one key is enough. */
	if (testbed.ranges && (mock_count() > from + 1 ||
			       (mock_count() > from && !mock_request(from)->is_key)))
		return false;
	qsort(all, sizeof(all) / 16, 16, chunk_cmp);
	for (size_t i = 0; i < sizeof(all); i += 16) {
		if (!memcmp(all + i, zero, 16) || (i && !memcmp(all + i, all + i - 16, 16)))
			return false;
	}
	return testbed_canaries_ok();
}

static bool explore_jumps(const struct jump *jump, enum start start, size_t len)
{
	memset(&trial, 0, sizeof(trial));
	trial.every = 16;
	vdso_host_set_rng(testbed.host, 1, true);
	testbed_start(start);
	mock->hook = step_here;
	if (sigsetjmp(out_of_handler, 1))
		_exit(later_calls_are_good() ? 0 : 1);
	step_call(testbed.fn, trial.out, len, 0, testbed.state, STATE_SIZE, jump_step,
		  (void *)jump, &trial.steps);
	mock->hook = NULL;
	return !trial.nfailed && trial.steps;
}

TEST_F_TIMEOUT(step, longjmp_out_of_a_handler, 300)
{
	static const size_t some[] = { 33, 200 };

	for (size_t k = 0; k < ARRAY_SIZE(some) * ARRAY_SIZE(jumps); k++) {
		const struct jump *jump = &jumps[k / ARRAY_SIZE(some)];
		const size_t len = some[k % ARRAY_SIZE(some)];

		for (int start = EMPTY; start <= FULL_BATCH; start++) {
			EXPECT_TRUE(explore_jumps(jump, start, len)) {
				TH_LOG("%s, %zu bytes, %s: %lu steps fail, first %s", jump->name,
				       len, start_names[start], trial.nfailed, trial.why);
			}
		}
	}
}

TEST_HARNESS_MAIN
