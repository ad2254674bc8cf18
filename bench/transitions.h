/* SPDX-License-Identifier: MIT */
/*
 * Whether a program's own vector code gets slower by calls in between.
 */
#ifndef _BENCH_TRANSITIONS_H
#define _BENCH_TRANSITIONS_H

#include "also.h"

/**
 * transitions_measure - time SSE code and AVX code around calls
 * @facts: added to
 * @contenders: all
 * @rounds: each number is the median of so many, which alternate: a difference of
 *	    times has no best
 */
void transitions_measure(struct facts *facts, const struct contenders *contenders,
			 unsigned int rounds);

#endif /* _BENCH_TRANSITIONS_H */
