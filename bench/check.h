/* SPDX-License-Identifier: MIT */
/*
 * What is made sure of before anything is measured.
 */
#ifndef _BENCH_CHECK_H
#define _BENCH_CHECK_H

#include "contenders.h"

/**
 * check_core - make sure which core our vDSO uses
 * @ours: the vDSO; its core and width are filled in if they are not known
 *
 * Exits with a message if that is another one than @ours->core, or none that is known.
 */
void check_core(struct contender *ours);

/**
 * check_output - make sure that a contender gives random bytes
 * @contender: the contender
 * @nr_threads: how many threads will run it
 *
 * Finds those that give none, or that make the system call instead; not those whose
 * bytes are bad. Exits with a message.
 */
void check_output(const struct contender *contender, unsigned int nr_threads);

#endif /* _BENCH_CHECK_H */
