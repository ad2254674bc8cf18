/* SPDX-License-Identifier: MIT */
/*
 * How many instructions a call takes: a number that a busy machine does not change.
 */
#ifndef _BENCH_INSTRUCTIONS_H
#define _BENCH_INSTRUCTIONS_H

#include "contenders.h"

/**
 * struct instructions - the instructions of one contender at one size
 * @contender: who
 * @bytes: the size of a call
 * @per_call: how many a call takes, refills shared among the calls that they serve
 */
struct instructions {
	const struct contender	*contender;
	size_t			bytes;
	double			per_call;
};

/**
 * instructions_count - fill in what a call takes
 * @instructions: contender and bytes are given; filled in is per_call
 * @nr: how many
 * @max_steps: see below
 *
 * Of our vDSO, hosted, calls are made until the state has as much left of its batch
 * as once before. From there on all would repeat itself: so the average of the calls
 * in between is exact. Of others, and of the largest requests, a few are averaged,
 * until they have taken @max_steps instructions, and one pass more or less would be
 * within the calls that have been made. Either is the same each time, since
 * every size begins with a new state.
 */
void instructions_count(struct instructions *instructions, size_t nr,
			unsigned long max_steps);

#endif /* _BENCH_INSTRUCTIONS_H */
