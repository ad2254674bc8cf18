/* SPDX-License-Identifier: MIT */
/*
 * What is shown to people, and what is written for programs.
 */
#ifndef _BENCH_REPORT_H
#define _BENCH_REPORT_H

#include <stdio.h>

#include "contenders.h"
#include "measure.h"

/**
 * report_table - print the figures of one number of threads, a line for each size
 * @contenders: all NR_CONTENDERS of them, of which the last is what the others
 *		are compared with
 * @figures: as report_rows()
 * @nr: how many
 * @where: "native" or "guest"
 * @threads: the number of threads to print
 */
void report_table(const struct contender *contenders, const struct figure *figures,
		  size_t nr, const char *where, unsigned int threads);

/**
 * report_rows - write the figures as JSON objects, one a line
 * @out: where to
 * @figures: NR_CONTENDERS for each size, without those who are absent
 * @nr: how many
 * @where: "native" or "guest"
 */
void report_rows(FILE *out, const struct figure *figures, size_t nr, const char *where);

/**
 * report_host - write what the machine is as a JSON object, on one line
 * @out: where to
 */
void report_host(FILE *out);

#endif /* _BENCH_REPORT_H */
