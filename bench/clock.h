/* SPDX-License-Identifier: MIT */
#ifndef _BENCH_CLOCK_H
#define _BENCH_CLOCK_H

#include <time.h>

/**
 * now - the time
 *
 * Return: nanoseconds since some moment that stays the same.
 */
static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

#endif /* _BENCH_CLOCK_H */
