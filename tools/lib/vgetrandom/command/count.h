/* SPDX-License-Identifier: MIT */
/*
 * vgetrandom run --count: see counts.h for what is counted.
 */
#ifndef COUNT_H
#define COUNT_H

#include <stdbool.h>
#include <sys/resource.h>

/**
 * count_prepare - make the memory that is counted in, and name it in the environment
 * @file: where the report goes, as JSON; NULL: to standard error
 */
void count_prepare(const char *file);

/**
 * count_wait - fork; in the parent, wait for the child's end
 * @usage: what the child and those that it waited for used
 *
 * Return: in the child -1; in the parent the child's status.
 */
int count_wait(struct rusage *usage);

/* In the child: there is nothing to report, the program was not run. */
void count_exec_failed(void);

/**
 * count_report - print what was counted
 * @json: as JSON on standard error, too
 * @why: the reason, if it is known from before, why nothing is counted; else empty
 * @usage: what the program used
 */
void count_report(bool json, const char *why, const struct rusage *usage);

/* Ends as the program did. */
_Noreturn void count_end(int status);

#endif /* COUNT_H */
