// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "inject_explore.h"

#define IN_CORES	16	/* thinned out, this much fewer of the points in cores */

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

static unsigned long thin = 1;

void explore_len(size_t len)
{
	for (size_t i = 0; i < nlens; i++)
		if (lens[i] == len)
			return;
	/* Not to be forgotten: a test that does so has to be changed. */
	if (nlens == MAX_LENS || len > MAX_LEN)
		abort();
	lens[nlens++] = len;
}

void explore_reset(void)
{
	memset(&explored, 0, sizeof(explored));
}

bool explore_thin(const char *every)
{
	if (every)
		thin = strtoul(every, NULL, 10);
	return thin > 0;
}

unsigned long explore_thinned(unsigned long all)
{
	return all / thin;
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

/* Most of a long call is arithmetic on registers; fewer points of that stand for it. */
static bool is_left_out(unsigned long point, const void *ip)
{
	unsigned long every = thin == 1 || !testbed_in_core(ip) ? thin : thin * IN_CORES;

	return (point + inject.len) % every;
}

/* Events that come too late have to come shortly before the end. */
static struct {
	bool seen;
	unsigned long first;
} late;

static void note_late(const struct verdict *v)
{
	if (v->late && (!late.seen || v->late_point < late.first))
		late.first = v->late_point;
	late.seen |= v->late;
}

static void judge_tail(void)
{
	if (late.seen && inject.points - late.first > MAX_TAIL)
		failed("too far from the end for an event to come too late", "point %lu",
		       late.first);
}

static bool one_event(unsigned long point, const void *ip, void *arg)
{
	const struct event *event = arg;
	struct verdict v;
	const char *why;

	if (is_left_out(point, ip))
		return true;
	if (!inject_try(event, point, &why)) {
		if (inject.is_copy)
			return false;
		failed(why, "%s at point %lu", event->name, point);
	} else {
		inject_check(&v);
		if (v.why)
			failed(v.why, "%s at point %lu, %s", event->name, point, v.process);
		else if (late.seen && !v.late)
			failed("made again, though an earlier event came too late",
			       "%s at point %lu", event->name, point);
		note_late(&v);
	}
	inject.shared->cases++;
	explored.tried++;
	inject_undo();
	return true;
}

bool explore(const struct event *event, enum start start, size_t len)
{
	unsigned long before = explored.nfailed;

	late.seen = false;
	explored.calls++;
	if (inject_step(start, len, one_event, (void *)event) != (ssize_t)len)
		failed("the call itself has failed", "%s", event->name);
	/* Every instruction from the call's first to its return has been seen. */
	if (inject.points < 30)
		failed("a call of so few instructions?", "%lu points", inject.points);
	judge_tail();
	return explored.nfailed == before;
}

static uint64_t random_state;

void explore_seed(uint64_t seed)
{
	random_state = seed;
}

/* SplitMix64: one seed tells all that follows. */
uint64_t explore_draw(uint64_t below)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

/*
 * The known exception: the page is lost, one handler makes a new state in it, and another
 * calls on that, all within one of the places where the interrupted call writes. That
 * takes a first event that is two of these, and not more points between them than this.
 */
#define MAX_PLACE 216

static bool is_loss_and_call(const struct event *event, bool as_child)
{
	return event == &drop_handler || (event == &handler_forks && as_child);
}

#define MAX_POINTS	65536
#define SECOND_POINTS	12	/* after one first event, in copies */

static struct {
	const struct event *first;
	const struct event * const *second;
	size_t nsecond;
	unsigned long point;		/* of the first event */
	bool as_child;			/* where it forks */
	unsigned long after[SECOND_POINTS];	/* so many points after it */
	unsigned long last;		/* the largest of these, or ULONG_MAX: count all points */
	unsigned long outside[MAX_POINTS], noutside;	/* points that are not in a core */
} pair;

static bool weigh(unsigned long point, const void *ip, void *arg)
{
	(void)arg;
	if (!testbed_in_core(ip) && pair.noutside < MAX_POINTS)
		pair.outside[pair.noutside++] = point;
	return true;
}

/* What its points are, before any events. */
static bool begin_pairs(enum start start, size_t len)
{
	late.seen = false;
	explored.calls++;
	pair.noutside = 0;
	if (inject_step(start, len, weigh, NULL) == (ssize_t)len && pair.noutside)
		return true;
	failed("the undisturbed call has failed", "no event");
	return false;
}

static bool is_exception(const struct event *second, unsigned long point)
{
	return is_loss_and_call(pair.first, pair.as_child) && strchr(second->what, CALLS) &&
	       point - pair.point <= MAX_PLACE;
}

static bool try_second(const struct event *second, unsigned long point)
{
	struct verdict v;
	const char *why;

	if (!inject_try(second, point, &why)) {
		if (inject.is_copy)
			return false;
		failed(why, "%s at point %lu, %s at point %lu", pair.first->name, pair.point,
		       second->name, point);
	} else {
		inject_check(&v);
		if (v.why && is_exception(second, point))
			explored.exceptions++;
		else if (v.why)
			failed(v.why, "%s at point %lu%s, %s at point %lu, %s",
			       pair.first->name, pair.point, pair.as_child ? " (child)" : "",
			       second->name, point, v.process);
		note_late(&v);
	}
	inject.shared->pairs++;
	explored.tried++;
	inject_undo();
	return true;
}

static bool two_events(unsigned long point, const void *ip, void *arg)
{
	(void)ip;
	(void)arg;
	if (point == pair.point) {
		if (!inject_event(pair.first, point, pair.as_child))
			failed("a process that it has forked failed", "%s at point %lu",
			       pair.first->name, point);
		return !inject.is_copy;
	}
	for (size_t i = 0; point > pair.point && i < SECOND_POINTS; i++)
		if (point == pair.point + pair.after[i] &&
		    !try_second(pair.second[explore_draw(pair.nsecond)], point))
			return false;
	/* Each step is a signal. */
	return point < pair.point || point - pair.point < pair.last;
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
	for (size_t i = 0; i < SECOND_POINTS; i++)
		pair.after[i] = 1UL << i;
	pair.last = pair.after[SECOND_POINTS - 1];
	for (unsigned long i = 0; i < pair.noutside; i++) {
		pair.point = pair.outside[i];
		if (is_left_out(pair.point, NULL))
			continue;
		if (inject_step(start, len, two_events, NULL) != (ssize_t)len)
			failed("the call itself has failed", "%s at point %lu",
			       pair.first->name, pair.point);
	}
	return explored.nfailed == before;
}

/* What a call does to a state that is another's, before it locks it. Shared: the copy's. */
static struct watch {
	const void *last;		/* the instruction before */
	bool wrote_outside;		/* of cores */
	unsigned long wrote;		/* so many points after it has lost its own, at last */
	uint8_t state[VGETRANDOM_SCRATCH];
} *watch;

static bool watch_until_locked(unsigned long point, const void *ip)
{
	const struct vgetrandom_state *state = inject.subject.state;

	if (state->owner)
		return false;
	if (memcmp(watch->state, state, sizeof(watch->state))) {
		watch->wrote = point - pair.point;
		watch->wrote_outside |= !testbed_in_core(watch->last);
		memcpy(watch->state, state, sizeof(watch->state));
	}
	watch->last = ip;
	return true;
}

/* Requests of no more bytes than this write in places that are shorter, but for a core's. */
#define SHORT		128
#define SHORT_PLACE	96

static bool watch_from_here(unsigned long point, const void *ip, void *arg)
{
	unsigned long place = *(unsigned long *)arg;
	bool in_core = testbed_in_core(ip);
	const char *why;

	if (inject.is_copy)
		return watch_until_locked(point, ip);
	if (is_left_out(point, ip))
		return true;
	pair.point = point;
	memset(watch, 0, sizeof(*watch));
	if (!inject_try(&drop_handler, point, &why)) {
		if (inject.is_copy) {
			memcpy(watch->state, inject.subject.state, sizeof(watch->state));
			watch->last = ip;
			return true;
		}
		failed(why, "drop and handler at point %lu", point);
	} else {
		if (in_core && watch->wrote_outside)
			failed("lost in a core, and written to after it without a lock",
			       "drop and handler at point %lu", point);
		if (watch->wrote > (in_core ? MAX_PLACE : place))
			failed("written to for too long without a lock",
			       "drop and handler at point %lu, until %lu", point,
			       point + watch->wrote);
	}
	inject.shared->cases++;
	explored.tried++;
	inject_undo();
	return true;
}

bool explore_unlocked_writes(enum start start, size_t len)
{
	static unsigned long places[] = { SHORT_PLACE, MAX_PLACE };
	unsigned long before = explored.nfailed;

	if (!watch)
		watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (watch == MAP_FAILED)
		return false;
	explored.calls++;
	if (inject_step(start, len, watch_from_here, &places[len > SHORT]) != (ssize_t)len)
		failed("the call itself has failed", "no event");
	return explored.nfailed == before;
}

bool explore_pairs(const struct event * const *first, size_t nfirst,
		   const struct event * const *second, size_t nsecond,
		   enum start start, size_t len)
{
	unsigned long points, before = explored.nfailed;

	if (!begin_pairs(start, len))
		return false;
	points = inject.points;
	pair.first = first[explore_draw(nfirst)];
	pair.second = second;
	pair.nsecond = nsecond;
	pair.point = explore_draw(2) ? explore_draw(points) :
				       pair.outside[explore_draw(pair.noutside)];
	pair.as_child = explore_draw(2) && strchr(pair.first->what, FORKS);
	/* Near; where the call would be undisturbed; and after it has started again. */
	for (size_t i = 0; i < SECOND_POINTS; i++)
		pair.after[i] = 1 + explore_draw(i % 3 == 0 ? 64 :
						 i % 3 == 1 ? points : 2 * points);
	pair.last = ULONG_MAX;
	if (inject_step(start, len, two_events, NULL) != (ssize_t)len)
		failed("the call itself has failed", "%s at point %lu", pair.first->name,
		       pair.point);
	judge_tail();
	return explored.nfailed == before;
}
