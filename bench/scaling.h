/* SPDX-License-Identifier: MIT */
/*
 * Whether threads that make calls at the same time get in each other's way.
 */
#ifndef _BENCH_SCALING_H
#define _BENCH_SCALING_H

#include <stdio.h>

#include "settings.h"

/**
 * scaling_find - time calls by 1, 2, 4 ... threads, and by one on each processor
 * @places: where there is what is called
 * @rounds: as rounds_run()
 * @slice_ns: likewise
 * @rows: write each figure there as a JSON object on a line; NULL: nowhere
 *
 * Prints a table.
 */
void scaling_find(const struct places *places, unsigned int rounds, double slice_ns,
		  FILE *rows);

#endif /* _BENCH_SCALING_H */
