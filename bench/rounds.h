/* SPDX-License-Identifier: MIT */
/*
 * Timing of functions in other processes, which take turns.
 */
#ifndef _BENCH_ROUNDS_H
#define _BENCH_ROUNDS_H

#include "remote.h"

/**
 * struct timing - what is known about one function at one size
 * @remote: who calls it
 * @bytes: the size of a call
 * @threads: how many threads make calls at the same time
 * @calls: how many make a slice
 * @ns: time of a call in the best slice so far
 */
struct timing {
	const struct remote	*remote;
	size_t			bytes;
	unsigned int		threads;
	unsigned long		calls;
	double			ns;
};

/**
 * rounds_run - fill in timings
 * @timings: remote, bytes and threads are given; filled in are calls and ns
 * @nr: how many
 * @rounds: how often each gets a slice
 * @slice_ns: how long such a slice is, about
 *
 * As measure() does it: noise only ever adds time, and disturbs one slice of many.
 * Rounds change from processor to processor, so that one which somebody else keeps
 * busy does no harm; and two of four go backwards, so that nobody always comes after
 * the same one.
 */
void rounds_run(struct timing *timings, size_t nr, unsigned int rounds, double slice_ns);

#endif /* _BENCH_ROUNDS_H */
