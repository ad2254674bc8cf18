/* SPDX-License-Identifier: MIT */
/*
 * What is shown to people, and what is written for programs.
 */
#ifndef _BENCH_REPORT_H
#define _BENCH_REPORT_H

#include <stdio.h>

#include "also.h"
#include "instructions.h"
#include "limits.h"
#include "measure.h"

/*
 * Tables, on stdout. In all of them @where is "native" or "guest".
 */

/**
 * report_table - print the figures of one number of threads, a line for each size
 * @figures: those of a size one after another; of each, the system call's is there
 * @nr: how many
 * @where: see above
 * @threads: the number of threads to print
 */
void report_table(const struct figure *figures, size_t nr, const char *where,
		  unsigned int threads);

/**
 * report_instructions - print instructions per call, a line for each size
 * @list: those of a size one after another, contenders in the same order at each
 * @nr: how many
 * @where: see above
 */
void report_instructions(const struct instructions *list, size_t nr, const char *where);

/**
 * report_limits - print how far from its limit each core is
 * @limits: those of a core one after another
 * @nr: how many
 * @where: see above
 */
void report_limits(const struct limit *limits, size_t nr, const char *where);

/**
 * report_facts - print what is measured besides
 * @facts: all
 * @where: see above
 */
void report_facts(const struct facts *facts, const char *where);

/*
 * The same as JSON objects, one a line, which are told apart by the names in them.
 */

/**
 * report_rows - write figures
 * @out: where to
 * @figures: as report_table()
 * @nr: how many
 * @where: see above
 */
void report_rows(FILE *out, const struct figure *figures, size_t nr, const char *where);

/**
 * report_instruction_rows - write instructions per call
 * @out: where to
 * @list: as report_instructions()
 * @nr: how many
 * @where: see above
 */
void report_instruction_rows(FILE *out, const struct instructions *list, size_t nr,
			     const char *where);

/**
 * report_limit_rows - write limits
 * @out: where to
 * @limits: as report_limits()
 * @nr: how many
 * @where: see above
 */
void report_limit_rows(FILE *out, const struct limit *limits, size_t nr, const char *where);

/**
 * report_fact_rows - write what is measured besides
 * @out: where to
 * @facts: as report_facts()
 * @where: see above
 */
void report_fact_rows(FILE *out, const struct facts *facts, const char *where);

/**
 * report_host - write what the machine is as a JSON object, on one line
 * @out: where to
 */
void report_host(FILE *out);

#endif /* _BENCH_REPORT_H */
