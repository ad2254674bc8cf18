/* SPDX-License-Identifier: MIT */
/*
 * From which size on libvgetrandom gains by expanding a key.
 */
#ifndef _BENCH_CROSSOVER_H
#define _BENCH_CROSSOVER_H

#include <stdio.h>

#include "settings.h"

/**
 * crossover_find - measure around it, with each core; print a table
 * @places: where there is what that needs
 * @rounds: as rounds_run()
 * @slice_ns: likewise
 * @rows: where to write JSON objects, one a line; NULL: nowhere
 *
 * What it is compared with is the kernel's vDSO, and the system call in processes
 * without that. Says if something is absent, and why.
 */
void crossover_find(const struct places *places, unsigned int rounds, double slice_ns,
		    FILE *rows);

#endif /* _BENCH_CROSSOVER_H */
