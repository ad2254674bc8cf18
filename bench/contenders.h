/* SPDX-License-Identifier: MIT */
/*
 * The ways to get random bytes that are compared.
 */
#ifndef _BENCH_CONTENDERS_H
#define _BENCH_CONTENDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct vdso_host;

/* Ways to encode an instruction, each for more, or wider, registers than the last. */
enum encoding {
	ENCODING_LEGACY,
	ENCODING_VEX,	/* AVX, AVX2 */
	ENCODING_EVEX,	/* AVX-512 with up to 256 bits */
	ENCODING_ZMM,	/* AVX-512 with 512 */
};

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))

#define MAX_CONTENDERS	16
#define PAGE_BYTES	4096UL

typedef ssize_t (*vgetrandom_fn)(void *buffer, size_t len, unsigned int flags,
				 void *opaque_state, size_t opaque_len);

/**
 * struct core - one of our ChaCha20 cores
 * @name: as vdso_host_set_core() knows it
 * @width: how many blocks it makes at a time, which is a pass here
 * @encoding: the last of its instructions' encodings
 */
struct core {
	const char	*name;
	unsigned int	width;
	enum encoding	encoding;
};

#define NR_CORES	4

/* From the widest to the narrowest. */
extern const struct core cores[NR_CORES];

/**
 * struct call - a call to be made by somebody else than the contender
 * @fn: the function
 * @arguments: what it is called with
 */
struct call {
	const void	*fn;
	long		arguments[5];
};

/**
 * struct contender - one way to get random bytes
 * @impl: its name in tables and results
 * @core: the name of its ChaCha20 code, if that is known; "" otherwise
 * @width: the blocks in a pass of it, if it is our vDSO; 0 otherwise
 * @absent: why it cannot take part; NULL if it does
 * @min_bytes: the smallest request that says something about it
 * @max_threads: on more threads at a time it does not run
 * @run: make @calls calls for @len bytes each, as thread number @thread, and
 *	 return how many of them did not deliver
 * @describe: what @run calls for @len bytes, as thread 0; NULL: no function of ours
 * @host: the hosted image, if it is one
 * @fn: a vDSO's function
 * @state_size: the size of a vDSO's states
 * @state_prot: the protection that memory for them is to have
 * @state_flags: and the flags for mmap()
 * @states: one state for each thread, each at the start of a page of its own
 * @data: what else a contender needs to know
 */
struct contender {
	const char		*impl;
	const char		*core;
	unsigned int		width;
	const char		*absent;
	size_t			min_bytes;
	unsigned int		max_threads;
	unsigned long		(*run)(const struct contender *contender, unsigned int thread,
				       void *buffer, size_t len, unsigned long calls);
	void			(*describe)(const struct contender *contender, void *buffer,
					    size_t len, struct call *call);
	struct vdso_host	*host;
	vgetrandom_fn		fn;
	size_t			state_size;
	int			state_prot;
	int			state_flags;
	unsigned char		*states;
	void			*data;
};

/**
 * struct contenders - all of them
 * @list: our vDSO, with each core, comes first
 * @nr: how many
 */
struct contenders {
	struct contender	list[MAX_CONTENDERS];
	size_t			nr;
};

/**
 * contenders_open - find the contenders, and check that they do their job
 * @contenders: filled in
 * @image: a vDSO image to host as "vdso", once for each core; NULL: the running
 *	   kernel's vDSO is ours, and it is "vdso", with the core that it has chosen
 * @nr_threads: the largest number of threads that will run one
 *
 * Exits with a message if a contender is there but does not work, or if "vdso"
 * is not there.
 */
void contenders_open(struct contenders *contenders, const char *image,
		     unsigned int nr_threads);

/**
 * contenders_find - a contender by its names
 * @contenders: all
 * @impl: as in struct contender
 * @core: likewise; NULL: the first of its kind
 *
 * Return: the contender; NULL if there is none or it does not take part.
 */
const struct contender *contenders_find(const struct contenders *contenders,
					const char *impl, const char *core);

/**
 * contenders_open_core - host our vDSO, alone, with one core
 * @contender: filled in
 * @image: the vDSO image
 * @core: the core's name
 *
 * For a process that is to use this core and no other: it makes no call yet, to
 * find out whether it works or for any other reason.
 */
void contenders_open_core(struct contender *contender, const char *image, const char *core);

/**
 * contenders_open_running - the running kernel's vDSO, alone
 * @contender: filled in; absent says so if there is none
 */
void contenders_open_running(struct contender *contender);

/**
 * contenders_map_states - memory for states of a vDSO
 * @contender: the vDSO
 * @nr: for how many, each on a page of its own
 *
 * Return: the memory, zeros. Exits with a message if there is none.
 */
unsigned char *contenders_map_states(const struct contender *contender, unsigned int nr);

#endif /* _BENCH_CONTENDERS_H */
