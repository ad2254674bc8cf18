/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chooses which events happen and where: one at every instruction of a call, or two at
 * random instructions.
 */
#ifndef _INJECT_EXPLORE_H
#define _INJECT_EXPLORE_H

#include "inject.h"

extern const struct event nothing, drop, reseed, drop_and_reseed, not_ready, forks, handler,
			  handler_forks, handler_calls_forks, drop_handler, limited,
			  limited_drop, limited_drop_handler, limited_fork_handler;

extern const char * const start_names[];

#define MAX_LENS	16

/* The lengths of requests that are tried; explore_add_len() adds one, if it is new. */
extern size_t lens[MAX_LENS], nlens;
void explore_add_len(size_t len);

#define MAX_REASONS	16
#define MAX_WHY		96

/* Results since explore_reset(). */
extern struct explored {
	unsigned long tried, nfailed, calls;
	/* Failed pairs that the known exception explains: see MAX_WRITE_SECTION. */
	unsigned long exceptions;
	char first[256];		/* the first failure */
	unsigned int nreasons;
	struct {
		char why[MAX_WHY];
		unsigned long n;
	} reasons[MAX_REASONS];
} explored;

void explore_reset(void);

/*
 * Try events only at every @every-th step outside of the cores, and at fewer inside; with
 * NULL, at every step. Returns false if @every is no positive number.
 */
bool explore_set_sampling(const char *every);

/* The number of calls to make in a sample, if a full test makes @all. */
unsigned long explore_sampled(unsigned long all);

/* Inject @event at each instruction. Returns true if no case failed. */
bool explore(const struct event *event, enum start start, size_t len);

void explore_seed(uint64_t seed);
uint64_t explore_random(uint64_t below);

/* Inject a random event of @first at a random step, and others of @second after it. */
bool explore_pairs(const struct event * const *first, size_t nfirst,
		   const struct event * const *second, size_t nsecond,
		   enum start start, size_t len);

/*
 * Inject @first at each instruction outside of the cores. A handler calls 1, 2, 4 ... 2048
 * instructions later.
 */
bool explore_handler_after(const struct event *first, enum start start, size_t len);

/*
 * At each instruction, drop the page and let a handler make a new state there. The call must
 * lock that state before it writes to it, except for the write section that it is in.
 */
bool explore_unlocked_writes(enum start start, size_t len);

#endif /* _INJECT_EXPLORE_H */
