/* SPDX-License-Identifier: MIT */
/*
 * The ways to get random bytes that are compared.
 */
#ifndef _BENCH_CONTENDERS_H
#define _BENCH_CONTENDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NR_CONTENDERS	4

typedef ssize_t (*vgetrandom_fn)(void *buffer, size_t len, unsigned int flags,
				 void *opaque_state, size_t opaque_len);

/**
 * struct contender - one way to get random bytes
 * @impl: its name in tables and results
 * @core: the name of its ChaCha20 code, if that is ours; "" otherwise
 * @absent: why it cannot take part; NULL if it does
 * @run: make @calls calls for @len bytes each, as thread number @thread, and
 *	 return how many of them did not deliver
 * @fn: a vDSO's function
 * @state_size: the size of a vDSO's states
 * @states: one state for each thread, each at the start of a page of its own
 */
struct contender {
	const char	*impl;
	const char	*core;
	const char	*absent;
	unsigned long	(*run)(const struct contender *contender, unsigned int thread,
			       void *buffer, size_t len, unsigned long calls);
	vgetrandom_fn	fn;
	size_t		state_size;
	unsigned char	*states;
};

/**
 * contenders_open - find the contenders, and check that they do their job
 * @contenders: filled in with all NR_CONTENDERS of them
 * @image: a vDSO image to host as "vdso"; NULL: the running kernel's vDSO is ours,
 *	   and it is "vdso"
 * @nr_threads: the largest number of threads that will run one
 *
 * Exits with a message if a contender is there but does not work, or if "vdso"
 * is not there. The system call is the last one.
 */
void contenders_open(struct contender *contenders, const char *image,
		     unsigned int nr_threads);

#endif /* _BENCH_CONTENDERS_H */
