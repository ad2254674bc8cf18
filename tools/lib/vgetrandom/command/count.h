/* SPDX-License-Identifier: MIT */
/*
 * vgetrandom run --count. See counts.h for what is counted.
 */
#ifndef COUNT_H
#define COUNT_H

#include <stdbool.h>
#include <sys/resource.h>

/**
 * count_prepare - create the shared counters, and name them in the environment
 * @file: file for the report, as JSON; NULL for standard error
 */
void count_prepare(const char *file);

/**
 * count_wait - fork, and wait for the child in the parent
 * @usage: resource usage of the child and of the descendants that it has waited for
 *
 * Return: in the child -1; in the parent the child's status, as from wait().
 */
int count_wait(struct rusage *usage);

/* Called in the child if the program could not be run: then there is no report. */
void count_exec_failed(void);

/**
 * count_report - print the report
 * @json: write JSON on standard error too
 * @why: why nothing is counted, if that was known before the start; else empty
 * @usage: resource usage of the program
 */
void count_report(bool json, const char *why, const struct rusage *usage);

/* Ends this process with @status: the program's exit status or signal. */
_Noreturn void count_end(int status);

#endif /* COUNT_H */
