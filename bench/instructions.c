// SPDX-License-Identifier: MIT
/*
 * How many instructions a call takes.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <vdso_host.h>

#include "instructions.h"
#include "step.h"

/* Of a generator that cannot be looked into: its batches of 96 bytes begin anew then. */
#define OPAQUE_CALLS	96
#define MIN_CALLS	4

/* For more, a whole period is too many instructions, and a pass too few of them. */
#define PERIOD_BYTES	4096

/* What a state has left of its batch decides what the calls to come have to do. */
#define MAX_LEFT	VGETRANDOM_BATCH_SIZE

/**
 * struct position - a place in the sequence of calls
 * @calls: how many have been made before; 0: it has not been seen yet
 * @steps: and how many instructions
 */
struct position {
	unsigned long	calls;
	unsigned long	steps;
};

static unsigned long step(const struct call *call)
{
	struct step_result result;

	step_call(call, &result);
	return result.instructions;
}

static double count_opaque(const struct call *call, unsigned long max_steps)
{
	unsigned long calls = 0, steps = 0;

	while (calls < MIN_CALLS || (calls < OPAQUE_CALLS && steps < max_steps)) {
		steps += step(call);
		calls++;
	}
	return (double)steps / calls;
}

static double count_period(const struct vgetrandom_state *state, const struct call *call)
{
	struct position seen[MAX_LEFT + 1] = { 0 }, here = { 1, 0 }, *before;

	for (;;) {
		if (state->available > MAX_LEFT)
			errx(1, "vdso: a state has %llu bytes, more than there is room for",
			     (unsigned long long)state->available);
		before = &seen[state->available];
		if (before->calls)
			return (double)(here.steps - before->steps) /
				(here.calls - before->calls);
		*before = here;
		here.steps += step(call);
		here.calls++;
	}
}

static double count(const struct contender *contender, size_t bytes, void *buffer,
		    unsigned long max_steps)
{
	struct call call;

	/* A new state's first call gets a key; those that are counted do not. */
	contender->describe(contender, buffer, 1, &call);
	if (contender->states)
		step(&call);
	contender->describe(contender, buffer, bytes, &call);
	if (contender->host && bytes <= PERIOD_BYTES)
		return count_period((struct vgetrandom_state *)contender->states, &call);
	return count_opaque(&call, max_steps);
}

void instructions_count(struct instructions *instructions, size_t nr,
			unsigned long max_steps)
{
	struct contender contender;
	size_t max_bytes = 0, i;
	void *buffer;

	for (i = 0; i < nr; i++)
		if (instructions[i].bytes > max_bytes)
			max_bytes = instructions[i].bytes;
	buffer = calloc(1, max_bytes);
	if (!buffer)
		err(1, "no memory for %zu bytes", max_bytes);

	for (i = 0; i < nr; i++) {
		contender = *instructions[i].contender;
		if (contender.states)
			contender.states = contenders_map_states(&contender, 1);
		instructions[i].per_call = count(&contender, instructions[i].bytes, buffer,
						 max_steps);
		if (contender.states)
			munmap(contender.states, PAGE_BYTES);
	}
	free(buffer);
}
