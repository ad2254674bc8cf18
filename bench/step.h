/* SPDX-License-Identifier: MIT */
/*
 * Calls made instruction by instruction, with the processor's trap flag: what
 * counts them is exact, and knows all instructions that the processor does.
 */
#ifndef _BENCH_STEP_H
#define _BENCH_STEP_H

#include "contenders.h"

/**
 * struct step_result - what is known of a call
 * @value: what it returned
 * @instructions: how many it executed, from its first to its return
 * @encoding: the last of its kinds that one of them was of
 */
struct step_result {
	long		value;
	unsigned long	instructions;
	enum encoding	encoding;
};

/**
 * step_call - make a call, and count its instructions
 * @call: the call
 * @result: filled in
 *
 * For one thread at a time. Takes over SIGTRAP.
 */
void step_call(const struct call *call, struct step_result *result);

#endif /* _BENCH_STEP_H */
