/* SPDX-License-Identifier: MIT */
/*
 * How fast a core could be: what its passes take, and what a call takes besides.
 */
#ifndef _BENCH_LIMITS_H
#define _BENCH_LIMITS_H

#include <stdbool.h>

#include "measure.h"

/**
 * limits_plan - what has to be measured to know the limits
 * @figures: the next ones are filled in, for measure()
 * @contenders: all
 *
 * Return: how many there are, two for each hosted core at most.
 */
size_t limits_plan(struct figure *figures, const struct contenders *contenders);

/**
 * struct limit - one core at one size
 * @core: its name
 * @bytes: the size of a call
 * @passes: how many passes a call needs, on average over many
 * @pass_ns: the time of one
 * @call_ns: what a call takes besides: the time of the cheapest of all small calls
 *	     without the share that they have in passes
 * @limit_ns: the time of a call that did nothing else
 * @ns: the time of a call
 */
struct limit {
	const char	*core;
	size_t		bytes;
	double		passes;
	double		pass_ns;
	double		call_ns;
	double		limit_ns;
	double		ns;
};

/**
 * limits_find - the limit for a figure
 * @limit: filled in
 * @figure: of "vdso", hosted, on one thread
 * @figures: all figures, measured
 * @nr: how many
 *
 * Return: false if there is none.
 */
bool limits_find(struct limit *limit, const struct figure *figure,
		 const struct figure *figures, size_t nr);

#endif /* _BENCH_LIMITS_H */
