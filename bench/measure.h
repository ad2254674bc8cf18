/* SPDX-License-Identifier: MIT */
/*
 * Timing: who is measured for how long, in which order, on which processors.
 */
#ifndef _BENCH_MEASURE_H
#define _BENCH_MEASURE_H

#include <stddef.h>

#include "contenders.h"

/**
 * struct figure - what is known about one contender at one size
 * @contender: who
 * @bytes: the size of a call
 * @threads: how many make calls at the same time
 * @call_ns: the least time of a call that a thread saw: tells how many make a slice
 * @ns: time of a call in the best slice so far: the time that all threads took
 *	together, divided by how many calls each made
 */
struct figure {
	const struct contender	*contender;
	size_t			bytes;
	unsigned int		threads;
	double			call_ns;
	double			ns;
};

/**
 * struct schedule - how long to measure
 * @rounds: how often each figure gets a slice
 * @slice_ns: how long such a slice is, about
 * @show_progress: tell on stderr, a terminal, which round it is
 */
struct schedule {
	unsigned int	rounds;
	double		slice_ns;
	bool		show_progress;
};

/**
 * measure_open - make room for the largest calls, and find the processors
 * @max_bytes: the largest size of a call
 *
 * Return: on how many processors this process may run.
 */
unsigned int measure_open(size_t max_bytes);

/**
 * measure - fill in figures
 * @figures: contender, bytes and threads are given; filled in is ns
 * @nr: how many
 * @schedule: how long to measure
 *
 * Each round gives every figure one slice, so that contenders alternate and what
 * disturbs the machine for a while disturbs one slice of many. Of the slices of
 * a figure the best counts: noise only ever adds time.
 */
void measure(struct figure *figures, size_t nr, const struct schedule *schedule);

/**
 * figures_find - a figure by what it is about
 * @figures: all
 * @nr: how many
 * @impl: the contender's name
 * @core: its core; NULL: any
 * @bytes: the size of a call
 * @threads: how many make calls
 *
 * Return: the figure, or NULL.
 */
const struct figure *figures_find(const struct figure *figures, size_t nr, const char *impl,
				  const char *core, size_t bytes, unsigned int threads);

#endif /* _BENCH_MEASURE_H */
