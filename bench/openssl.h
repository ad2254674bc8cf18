/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL's ChaCha20, which is what can be had of this kind today: not a generator,
 * but the cipher that one would be built on.
 */
#ifndef _BENCH_OPENSSL_H
#define _BENCH_OPENSSL_H

#include "contenders.h"

/**
 * openssl_nr - in how many ways OpenSSL is told to do it
 */
size_t openssl_nr(void);

/**
 * openssl_open - OpenSSL's ChaCha20, with one instruction set
 * @contender: filled in; absent says so if it cannot take part
 * @index: which, below openssl_nr()
 * @image: as contenders_open()
 *
 * Exits with a message if what it makes is not ChaCha20's key stream.
 */
void openssl_open(struct contender *contender, size_t index, const char *image);

#endif /* _BENCH_OPENSSL_H */
