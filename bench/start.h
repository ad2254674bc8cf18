/* SPDX-License-Identifier: MIT */
/*
 * What start.c and the program that it starts, started.c, share.
 */
#ifndef _BENCH_START_H
#define _BENCH_START_H

/**
 * struct start - times of a process, as now() gives them
 * @executed: just before it executed the program
 * @began: main() began
 * @first: how long its first two small requests took
 */
struct start {
	double	executed;
	double	began;
	double	first;
};

#endif /* _BENCH_START_H */
