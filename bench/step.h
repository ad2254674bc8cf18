/* SPDX-License-Identifier: MIT */
/*
 * Single-step calls with the processor's trap flag.
 */
#ifndef _BENCH_STEP_H
#define _BENCH_STEP_H

#include "worker.h"

/* Instruction encodings; each allows more or wider registers than the one before. */
enum encoding {
	ENCODING_LEGACY,
	ENCODING_VEX,	/* AVX, AVX2 */
	ENCODING_EVEX,	/* AVX-512 with up to 256 bits */
	ENCODING_ZMM,	/* AVX-512 with 512 */
};

/**
 * struct steps - result of single-stepping a call
 * @instructions: number executed, from the function's first instruction to its return
 * @encoding: the widest encoding among them
 * @saw: the call executed the watched address
 */
struct steps {
	unsigned long	instructions;
	enum encoding	encoding;
	bool		saw;
};

/**
 * step_call - make a call and count its instructions
 * @run: calls the function at fn.address
 * @buffer: for the bytes
 * @len: number of bytes
 * @watch: an address to watch, or NULL
 *
 * Only one thread at a time may use it. It sets the handler of SIGTRAP.
 */
struct steps step_call(unsigned long (*run)(void *buffer, size_t len, unsigned long calls),
		       void *buffer, size_t len, const void *watch);

#endif /* _BENCH_STEP_H */
