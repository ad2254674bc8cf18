/* SPDX-License-Identifier: MIT */
/*
 * What is asked of our vDSO, and what it does.
 */
#ifndef _BENCH_TARGETS_H
#define _BENCH_TARGETS_H

#include "measure.h"

/**
 * targets_print - print what the figures are beside what they are to be
 * @contenders: all; "vdso" is hosted
 * @figures: of one thread, among others
 * @nr: how many
 */
void targets_print(const struct contenders *contenders, const struct figure *figures,
		   size_t nr);

#endif /* _BENCH_TARGETS_H */
