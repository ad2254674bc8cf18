/* SPDX-License-Identifier: MIT */
/*
 * Calls made instruction by instruction, with the processor's trap flag.
 */
#ifndef _BENCH_STEP_H
#define _BENCH_STEP_H

#include "worker.h"

/* Ways to encode an instruction, each for more, or wider, registers than the last. */
enum encoding {
	ENCODING_LEGACY,
	ENCODING_VEX,	/* AVX, AVX2 */
	ENCODING_EVEX,	/* AVX-512 with up to 256 bits */
	ENCODING_ZMM,	/* AVX-512 with 512 */
};

/**
 * struct steps - what is known of a call
 * @instructions: how many it executed, from the function's first to its return
 * @encoding: the last of its kinds that one of them was of
 * @saw: it came by the address that was watched
 */
struct steps {
	unsigned long	instructions;
	enum encoding	encoding;
	bool		saw;
};

/**
 * step_call - make a call, and count its instructions
 * @run: makes it, of the function at fn.address
 * @buffer: for the bytes
 * @len: how many
 * @watch: an address, or NULL
 *
 * For one thread at a time. Takes over SIGTRAP.
 */
struct steps step_call(unsigned long (*run)(void *buffer, size_t len, unsigned long calls),
		       void *buffer, size_t len, const void *watch);

#endif /* _BENCH_STEP_H */
