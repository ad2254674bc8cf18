/* SPDX-License-Identifier: MIT */
/*
 * What wide registers in use add to a switch from one thread to another.
 */
#ifndef _BENCH_SWITCHES_H
#define _BENCH_SWITCHES_H

#include "also.h"

/**
 * switches_measure - time switches between threads that have used a core
 * @facts: added to
 * @contenders: all
 * @image: the vDSO image
 * @rounds: each number is the best of so many, which alternate
 *
 * Once in use, registers may remain so as far as the processor is concerned: so each
 * number comes from processes started anew, which run switches_child().
 */
void switches_measure(struct facts *facts, const struct contenders *contenders,
		      const char *image, unsigned int rounds);

/**
 * switches_child - be one of these processes
 * @image: the vDSO image
 * @who: "none", "kernel-vdso", or the name of a core
 *
 * Prints nanoseconds per switch, and what XGETBV says is in use, as a number.
 */
void switches_child(const char *image, const char *who);

#endif /* _BENCH_SWITCHES_H */
