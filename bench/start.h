/* SPDX-License-Identifier: MIT */
/*
 * Shared by start.c and the program that it starts, started.c.
 */
#ifndef _BENCH_START_H
#define _BENCH_START_H

/**
 * struct start - times of a process, from now()
 * @executed: just before execv() of the program
 * @began: start of main()
 * @first: duration of its first two small requests
 */
struct start {
	double	executed;
	double	began;
	double	first;
};

#endif /* _BENCH_START_H */
