/* SPDX-License-Identifier: MIT */
/*
 * What calls cost that time per call does not say.
 */
#ifndef _BENCH_ALSO_H
#define _BENCH_ALSO_H

#include "contenders.h"
#include "measure.h"

#define MAX_FACTS	256

/**
 * struct fact - one number
 * @name: what it is; the same for all that are to be compared
 * @impl: whose it is: of a contender or of a state of the machine
 * @core: the contender's core
 * @value: the number
 * @unit: of what
 */
struct fact {
	const char	*name;
	const char	*impl;
	const char	*core;
	double		value;
	const char	*unit;
};

/**
 * struct facts - all of them, those of a name one after another
 * @list: they
 * @nr: how many
 */
struct facts {
	struct fact	list[MAX_FACTS];
	size_t		nr;
};

/**
 * facts_add - add one
 * @facts: to these
 * @fact: the fact
 */
void facts_add(struct facts *facts, const struct fact *fact);

/**
 * also_measure - measure all of it
 * @facts: filled in
 * @contenders: all
 * @image: the vDSO image, for processes that are started anew
 * @rounds: each number is the best of so many, which alternate
 */
void also_measure(struct facts *facts, const struct contenders *contenders,
		  const char *image, unsigned int rounds);

/**
 * also_scaling - how much more several threads get than one
 * @facts: added to
 * @figures: of all numbers of threads
 * @nr: how many
 * @bytes: the size of a call
 */
void also_scaling(struct facts *facts, const struct figure *figures, size_t nr, size_t bytes);

#endif /* _BENCH_ALSO_H */
