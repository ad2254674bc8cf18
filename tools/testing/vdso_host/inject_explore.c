// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "inject_explore.h"

#define CORE_FACTOR	16	/* a sample has this many times fewer steps in cores */

const struct event nothing = { "nothing", "" };
const struct event drop = { "drop", "d" };
const struct event reseed = { "reseed", "r" };
const struct event drop_and_reseed = { "drop and reseed", "dr" };
const struct event not_ready = { "not ready", "u" };
const struct event forks = { "fork", "f" };
const struct event handler = { "handler", "c" };
const struct event handler_forks = { "handler forks, child calls", "fc" };
const struct event handler_calls_forks = { "handler calls, then forks", "cf" };
const struct event drop_handler = { "drop, then handler", "dc" };
const struct event limited = { "limit", "l" };
const struct event limited_drop = { "limit, then drop", "ld" };
const struct event limited_drop_handler = { "limit, drop, then handler", "ldc" };
const struct event limited_fork_handler = { "limit, handler forks, child calls", "lfc" };

const char * const start_names[] = { "empty state", "part-used batch", "full batch" };

size_t lens[MAX_LENS], nlens;

struct explored explored;

static unsigned long sample_every = 1;

void explore_add_len(size_t len)
{
	for (size_t i = 0; i < nlens; i++)
		if (lens[i] == len)
			return;
	/* Raise the limit for a test that gets here. */
	if (nlens == MAX_LENS || len > MAX_LEN)
		abort();
	lens[nlens++] = len;
}

void explore_reset(void)
{
	memset(&explored, 0, sizeof(explored));
}

bool explore_set_sampling(const char *every)
{
	if (every)
		sample_every = strtoul(every, NULL, 10);
	return sample_every > 0;
}

unsigned long explore_sampled(unsigned long all)
{
	return all / sample_every;
}

static void failed(const char *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void failed(const char *why, const char *format, ...)
{
	size_t i = 0, at;
	va_list args;

	while (i < explored.nreasons && strcmp(explored.reasons[i].why, why))
		i++;
	if (i == explored.nreasons && i < MAX_REASONS)
		snprintf(explored.reasons[explored.nreasons++].why, MAX_WHY, "%s", why);
	if (i < explored.nreasons)
		explored.reasons[i].n++;
	if (explored.nfailed++)
		return;
	at = snprintf(explored.first, sizeof(explored.first), "%zu bytes, %s, ", inject.len,
		      start_names[inject.start]);
	va_start(args, format);
	at += vsnprintf(explored.first + at, sizeof(explored.first) - at, format, args);
	va_end(args);
	if (at < sizeof(explored.first))
		snprintf(explored.first + at, sizeof(explored.first) - at, ": %s", why);
}

/* Most of a long call is arithmetic on registers: a sample takes fewer steps of that. */
static bool is_skipped(unsigned long step, const void *ip)
{
	unsigned long every = sample_every;

	if (every > 1 && testbed_in_core(ip))
		every *= CORE_FACTOR;
	return (step + inject.len) % every;
}

/* The first event that came after the call was committed: see MAX_TAIL. */
static struct {
	bool seen;
	unsigned long first;
} commit;

static void note_commit(const struct verdict *v)
{
	if (v->committed && (!commit.seen || v->committed_at < commit.first))
		commit.first = v->committed_at;
	commit.seen |= v->committed;
}

static void check_commit(void)
{
	if (commit.seen && inject.steps - commit.first > MAX_TAIL)
		failed("an event was ignored too long before the return", "step %lu", commit.first);
}

static bool one_event(unsigned long step, const void *ip, void *arg)
{
	const struct event *event = arg;
	struct verdict v;
	const char *why;

	if (is_skipped(step, ip))
		return true;
	if (!inject_try(event, step, &why)) {
		if (inject.is_copy)
			return false;
		failed(why, "%s at step %lu", event->name, step);
	} else {
		inject_check(&v);
		if (v.why)
			failed(v.why, "%s at step %lu, %s", event->name, step, v.process);
		else if (commit.seen && v.invalidated && !v.committed)
			failed("the call retried, though it ignored an earlier event",
			       "%s at step %lu", event->name, step);
		note_commit(&v);
	}
	inject.shared->cases++;
	explored.tried++;
	inject_undo();
	return true;
}

bool explore(const struct event *event, enum start start, size_t len)
{
	unsigned long before = explored.nfailed;

	commit.seen = false;
	explored.calls++;
	if (inject_step(start, len, one_event, (void *)event) != (ssize_t)len)
		failed("the stepped call failed", "%s", event->name);
	/* The call was stepped from its first instruction to its return. */
	if (inject.steps < 30)
		failed("a call has at least 30 instructions", "%lu steps", inject.steps);
	check_commit();
	return explored.nfailed == before;
}

static uint64_t random_state;

void explore_seed(uint64_t seed)
{
	random_state = seed;
}

/* SplitMix64: the seed determines all numbers. */
uint64_t explore_random(uint64_t below)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

/*
 * A write section is a stretch of instructions in which a call writes to its state without
 * checking that it still owns the state. The known exception: the page is dropped, one
 * handler makes a new state in it, and another handler calls with that state, all within
 * one write section of the interrupted call. That takes a first event that is a drop and a
 * call, and at most this many steps to the second event. It also takes a kernel that does not
 * abort interrupted calls.
 */
#define MAX_WRITE_SECTION 216

static bool is_drop_and_call(const struct event *event, bool as_child)
{
	return event == &drop_handler || (event == &handler_forks && as_child);
}

#define MAX_STEPS	65536
#define SECOND_STEPS	12	/* after one first event, in copies */

static struct {
	const struct event *first;
	const struct event * const *second;
	size_t nsecond;
	unsigned long step;		/* of the first event */
	bool as_child;			/* go on as the child if it forks */
	unsigned long after[SECOND_STEPS];	/* steps from the first event to second ones */
	unsigned long last;		/* the largest of these; ULONG_MAX: step to the end */
	unsigned long outside[MAX_STEPS], noutside;	/* steps that are not in a core */
} pair;

static bool note_step(unsigned long step, const void *ip, void *arg)
{
	(void)arg;
	if (!testbed_in_core(ip) && pair.noutside < MAX_STEPS)
		pair.outside[pair.noutside++] = step;
	return true;
}

/* Step through the call without events and note which steps are outside of cores. */
static bool begin_pairs(enum start start, size_t len)
{
	commit.seen = false;
	explored.calls++;
	pair.noutside = 0;
	if (inject_step(start, len, note_step, NULL) == (ssize_t)len && pair.noutside)
		return true;
	failed("the undisturbed call failed", "no event");
	return false;
}

static bool is_known_exception(const struct event *second, unsigned long step)
{
	return !testbed.ranges && is_drop_and_call(pair.first, pair.as_child) &&
	       strchr(second->what, CALLS) && step - pair.step <= MAX_WRITE_SECTION;
}

static bool try_second(const struct event *second, unsigned long step)
{
	struct verdict v;
	const char *why;

	if (!inject_try(second, step, &why)) {
		if (inject.is_copy)
			return false;
		failed(why, "%s at step %lu, %s at step %lu", pair.first->name, pair.step,
		       second->name, step);
	} else {
		inject_check(&v);
		if (v.why && is_known_exception(second, step))
			explored.exceptions++;
		else if (v.why)
			failed(v.why, "%s at step %lu%s, %s at step %lu, %s",
			       pair.first->name, pair.step, pair.as_child ? " (child)" : "",
			       second->name, step, v.process);
		note_commit(&v);
	}
	inject.shared->pairs++;
	explored.tried++;
	inject_undo();
	return true;
}

static bool two_events(unsigned long step, const void *ip, void *arg)
{
	(void)ip;
	(void)arg;
	if (step == pair.step) {
		if (!inject_event(pair.first, step, pair.as_child))
			failed("a forked process exited with an error", "%s at step %lu",
			       pair.first->name, step);
		return !inject.is_copy;
	}
	for (size_t i = 0; step > pair.step && i < SECOND_STEPS; i++)
		if (step == pair.step + pair.after[i] &&
		    !try_second(pair.second[explore_random(pair.nsecond)], step))
			return false;
	/* Stop stepping after the last one: each step costs a signal. */
	return step < pair.step || step - pair.step < pair.last;
}

bool explore_handler_after(const struct event *first, enum start start, size_t len)
{
	static const struct event * const second[] = { &handler };
	unsigned long before = explored.nfailed;

	if (!begin_pairs(start, len))
		return false;
	pair.first = first;
	pair.second = second;
	pair.nsecond = ARRAY_SIZE(second);
	pair.as_child = false;
	for (size_t i = 0; i < SECOND_STEPS; i++)
		pair.after[i] = 1UL << i;
	pair.last = pair.after[SECOND_STEPS - 1];
	for (unsigned long i = 0; i < pair.noutside; i++) {
		pair.step = pair.outside[i];
		if (is_skipped(pair.step, NULL))
			continue;
		if (inject_step(start, len, two_events, NULL) != (ssize_t)len)
			failed("the stepped call failed", "%s at step %lu", pair.first->name,
			       pair.step);
	}
	return explored.nfailed == before;
}

/*
 * The copy reports in this shared memory. After a drop, a handler has made a new state: how
 * long does the interrupted call write to that state without a lock?
 */
static struct watch {
	const void *last;		/* the instruction before */
	bool wrote_outside;		/* an instruction outside of the cores wrote */
	unsigned long wrote;		/* steps from the drop to the last such write */
	uint8_t state[VGETRANDOM_SCRATCH];
} *watch;

static bool watch_until_locked(unsigned long step, const void *ip)
{
	const struct vgetrandom_state *state = inject.subject.state;

	if (state->owner)
		return false;
	if (memcmp(watch->state, state, sizeof(watch->state))) {
		watch->wrote = step - pair.step;
		watch->wrote_outside |= !testbed_in_core(watch->last);
		memcpy(watch->state, state, sizeof(watch->state));
	}
	watch->last = ip;
	return true;
}

/* Outside of the cores, requests of at most SHORT bytes have shorter write sections. */
#define SHORT		128
#define SHORT_WRITE_SECTION	96

static bool watch_from_here(unsigned long step, const void *ip, void *arg)
{
	unsigned long max_section = *(unsigned long *)arg;
	bool in_core = testbed_in_core(ip);
	const char *why;

	if (inject.is_copy)
		return watch_until_locked(step, ip);
	if (is_skipped(step, ip))
		return true;
	pair.step = step;
	memset(watch, 0, sizeof(*watch));
	if (!inject_try(&drop_handler, step, &why)) {
		if (inject.is_copy) {
			memcpy(watch->state, inject.subject.state, sizeof(watch->state));
			watch->last = ip;
			return true;
		}
		failed(why, "drop and handler at step %lu", step);
	} else {
		if (in_core && watch->wrote_outside)
			failed("dropped in a core, and code after the core wrote without the lock",
			       "drop and handler at step %lu", step);
		if (watch->wrote > (in_core ? MAX_WRITE_SECTION : max_section))
			failed("the call wrote for too long without the lock",
			       "drop and handler at step %lu, until %lu", step,
			       step + watch->wrote);
	}
	inject.shared->cases++;
	explored.tried++;
	inject_undo();
	return true;
}

bool explore_unlocked_writes(enum start start, size_t len)
{
	static unsigned long sections[] = { SHORT_WRITE_SECTION, MAX_WRITE_SECTION };
	unsigned long before = explored.nfailed;

	if (!watch)
		watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (watch == MAP_FAILED)
		return false;
	explored.calls++;
	if (inject_step(start, len, watch_from_here, &sections[len > SHORT]) != (ssize_t)len)
		failed("the stepped call failed", "no event");
	return explored.nfailed == before;
}

bool explore_pairs(const struct event * const *first, size_t nfirst,
		   const struct event * const *second, size_t nsecond,
		   enum start start, size_t len)
{
	unsigned long steps, before = explored.nfailed;

	if (!begin_pairs(start, len))
		return false;
	steps = inject.steps;
	pair.first = first[explore_random(nfirst)];
	pair.second = second;
	pair.nsecond = nsecond;
	pair.step = explore_random(2) ? explore_random(steps) :
				       pair.outside[explore_random(pair.noutside)];
	pair.as_child = explore_random(2) && strchr(pair.first->what, FORKS);
	/* Near the first event, anywhere in an undisturbed call, and after a retry. */
	for (size_t i = 0; i < SECOND_STEPS; i++)
		pair.after[i] = 1 + explore_random(i % 3 == 0 ? 64 :
						 i % 3 == 1 ? steps : 2 * steps);
	pair.last = ULONG_MAX;
	if (inject_step(start, len, two_events, NULL) != (ssize_t)len)
		failed("the stepped call failed", "%s at step %lu", pair.first->name, pair.step);
	check_commit();
	return explored.nfailed == before;
}
