/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which events are injected, and where: one at every instruction of a call, or two at
 * instructions that are drawn by lot.
 */
#ifndef _INJECT_EXPLORE_H
#define _INJECT_EXPLORE_H

#include "inject.h"

extern const struct event nothing, drop, reseed, drop_and_reseed, not_ready, forks, handler,
			  handler_forks, handler_calls_forks, drop_handler, limited,
			  limited_drop, limited_drop_handler, limited_fork_handler;

extern const char * const start_names[];

#define MAX_LENS	16

/* The lengths of requests that are tried; and one more, if it is not among them. */
extern size_t lens[MAX_LENS], nlens;
void explore_add_len(size_t len);

#define MAX_REASONS	16
#define MAX_WHY		96

/* What has gone wrong since explore_reset(). */
extern struct explored {
	unsigned long tried, nfailed, calls;
	unsigned long exceptions;	/* pairs that are known to go wrong */
	char first[256];
	unsigned int nreasons;
	struct {
		char why[MAX_WHY];
		unsigned long n;
	} reasons[MAX_REASONS];
} explored;

void explore_reset(void);

/*
 * Thin the steps out: to every so manieth outside of a core, and fewer inside. NULL: all
 * of them. Returns whether it is a number.
 */
bool explore_set_sampling(const char *every);

/* How many calls of a sample are left, where @all is for one that is not thinned out. */
unsigned long explore_sampled(unsigned long all);

/* @event at each instruction. Returns whether all went well. */
bool explore(const struct event *event, enum start start, size_t len);

void explore_seed(uint64_t seed);
uint64_t explore_random(uint64_t below);

/* An event of @first at some instruction, and one of @second at several others. */
bool explore_pairs(const struct event * const *first, size_t nfirst,
		   const struct event * const *second, size_t nsecond,
		   enum start start, size_t len);

/*
 * @first at each instruction outside of the cores; and a handler calls 1, 2, 4 and so on
 * up to 2048 instructions later.
 */
bool explore_handler_after(const struct event *first, enum start start, size_t len);

/*
 * At each instruction the page is lost and a handler makes a new state there. Does the
 * call lock that before it writes to it, but for what it was just about to write?
 */
bool explore_unlocked_writes(enum start start, size_t len);

#endif /* _INJECT_EXPLORE_H */
