/* SPDX-License-Identifier: MIT */
/*
 * What `vgetrandom run --count` and the library that it preloads, counting.c, share: memory
 * with a record for each process.
 */
#ifndef COUNTS_H
#define COUNTS_H

#include <stddef.h>

/* Names the file that the command has open. */
#define COUNTS_VARIABLE	"VGETRANDOM_COUNT"

#define COUNTS_MAGIC	0x31746e756f636776UL
#define MAX_PROCESSES	1024

/* The functions. Those of OpenSSL come last. */
#define COUNTED_FUNCTIONS(F)	\
	F(getrandom)		\
	F(getentropy)		\
	F(arc4random)		\
	F(arc4random_buf)	\
	F(arc4random_uniform)	\
	F(syscall)		\
	F(vgetrandom)		\
	F(RAND_bytes)		\
	F(RAND_priv_bytes)	\
	F(RAND_bytes_ex)	\
	F(RAND_priv_bytes_ex)	\
	F(RAND_pseudo_bytes)

enum counted_function {
#define F(name)	COUNT_##name,
	COUNTED_FUNCTIONS(F)
#undef F
	NR_FUNCTIONS,
	COUNT_FIRST_OF_OPENSSL = COUNT_RAND_bytes
};

/* Sizes: up to so many bytes, and more than the last. */
static const size_t counted_sizes[] = { 4, 16, 32, 64, 256, 1024, 4096, 65536 };
#define NR_SIZES	(sizeof(counted_sizes) / sizeof(*counted_sizes) + 1)

/* Ways: those of enum vgetrandom_way, and the generator that OpenSSL has itself. */
#define WAY_OPENSSL	4
#define NR_WAYS		5

/* Who has asked for a seed of OpenSSL's generator: libcrypto, or code of the executable. */
#define SEEDS_LIBCRYPTO		1
#define SEEDS_EXECUTABLE	2

/**
 * struct counts - what a process, or several of the same program, asked for
 * @program: path of the executable; empty as long as nobody has the record
 * @processes: how many use it
 * @seeds: SEEDS_*
 * @urandom: /dev/urandom was opened so often
 * @random: likewise /dev/random
 * @why: the reason why the system call serves small requests; empty if it has not
 * @calls: of the functions
 * @bytes: how many they asked for
 */
struct counts {
	char		program[256];
	unsigned int	processes;
	unsigned int	seeds;
	unsigned long	urandom;
	unsigned long	random;
	char		why[160];
	unsigned long	calls[NR_FUNCTIONS][NR_SIZES][NR_WAYS];
	unsigned long	bytes[NR_FUNCTIONS][NR_SIZES];
};

/**
 * struct shared_counts - the file
 * @magic: COUNTS_MAGIC
 * @processes: have the library
 * @used: of @records; more than there are if that was not enough
 * @exec_failed: the program was not run
 * @records: of processes that asked for something
 */
struct shared_counts {
	unsigned long	magic;
	unsigned int	processes;
	unsigned int	used;
	unsigned int	exec_failed;
	struct counts	records[MAX_PROCESSES];
};

#endif /* COUNTS_H */
