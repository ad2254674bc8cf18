/* SPDX-License-Identifier: MIT */
/*
 * Calls by several threads of the server at the same time: see server.c.
 */
#ifndef _BENCH_TOGETHER_H
#define _BENCH_TOGETHER_H

#include "server.h"

/**
 * struct crowd - what the threads have in common
 * @run: make @calls calls for @len bytes each, and return how many did not deliver
 * @begin: called by each thread before its first call, with its number; NULL: nothing is
 *	   to be done
 */
struct crowd {
	unsigned long	(*run)(void *buffer, size_t len, unsigned long calls);
	void		(*begin)(unsigned int thread);
};

/**
 * together_open - find the processors
 *
 * To be called before this process stays on one of them.
 *
 * Return: on how many it may run, and so the most threads that there can be.
 */
unsigned int together_open(void);

/**
 * together_run - have threads make calls, each on a processor of its own
 * @crowd: what they do
 * @request: how many threads, and how many calls each makes; the first thread is on the
 *	     processor that it names, the others are on those after it
 *
 * Return: what they took, and how many of all their calls did not deliver.
 */
struct answer together_run(const struct crowd *crowd, const struct request *request);

#endif /* _BENCH_TOGETHER_H */
