/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NUMBER_H
#define _NUMBER_H

/* The number behind @key, with which a line of @file begins, or -1: there is no such line. */
long number_in(const char *file, const char *key);

#endif /* _NUMBER_H */
