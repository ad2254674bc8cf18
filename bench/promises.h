/* SPDX-License-Identifier: MIT */
/*
 * What is asked of libvgetrandom, and what it does.
 */
#ifndef _BENCH_PROMISES_H
#define _BENCH_PROMISES_H

#include "comparison.h"

/**
 * promises_print - print what the figures are beside what they are to be
 * @comparison: all figures
 */
void promises_print(const struct comparison *comparison);

#endif /* _BENCH_PROMISES_H */
