/* SPDX-License-Identifier: MIT */
/*
 * The memory that `vgetrandom run --count` shares with the library that it preloads, counting.c.
 * It has a record for each process.
 */
#ifndef COUNTS_H
#define COUNTS_H

#include <stddef.h>

/* The environment variable with the path of the shared memory. */
#define COUNTS_VARIABLE	"VGETRANDOM_COUNT"

#define COUNTS_MAGIC	0x31746e756f636776UL
#define MAX_PROCESSES	1024

/* The counted functions. OpenSSL's come last. */
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

/* Requests are counted by size: up to each of these numbers of bytes, and above the last. */
static const size_t counted_sizes[] = { 4, 16, 32, 64, 256, 1024, 4096, 65536 };
#define NR_SIZES	(sizeof(counted_sizes) / sizeof(*counted_sizes) + 1)

/* The ways of enum vgetrandom_way, and OpenSSL's own generator. */
#define WAY_OPENSSL	4
#define NR_WAYS		5

/* The caller that drew a seed for OpenSSL's generator: libcrypto or the executable. */
#define SEEDS_LIBCRYPTO		1
#define SEEDS_EXECUTABLE	2

/**
 * struct counts - the requests of a process, or of several processes of a program
 * @program: path of the executable; empty while the record is free
 * @processes: number of processes that use the record
 * @seeds: SEEDS_*
 * @urandom: number of times that /dev/urandom was opened
 * @random: the same for /dev/random
 * @why: why system calls serve small requests; empty if they do not
 * @calls: number of calls
 * @bytes: number of requested bytes
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
 * struct shared_counts - the shared memory
 * @magic: COUNTS_MAGIC
 * @processes: number of processes that loaded the library
 * @used: number of records requested; may exceed MAX_PROCESSES
 * @exec_failed: the program was not run
 * @records: records of the processes that made requests
 */
struct shared_counts {
	unsigned long	magic;
	unsigned int	processes;
	unsigned int	used;
	unsigned int	exec_failed;
	struct counts	records[MAX_PROCESSES];
};

#endif /* COUNTS_H */
