/* SPDX-License-Identifier: MIT */
/*
 * A worker is a process that makes the calls of one contender. bench.c starts one for each
 * and lets them take turns, so that each can have its own libc, preloaded library and
 * environment. They talk in lines of text on the worker's stdin and stdout:
 *
 *	worker: {"impl": "libbsd", ...}		JSON: what it calls; "absent" says why it cannot
 *	bench:	time BYTES CALLS THREADS CPU	each thread makes CALLS calls for BYTES bytes
 *	worker: NS THREAD_NS FAILED		from the first start to the last end; the least
 *						time of a thread; calls that fell short
 *	bench:	ask QUESTION BYTES		one that a QUESTION() below answers
 *	worker: VALUE
 *
 * Programs in other languages speak the same: see programs/.
 */
#ifndef _BENCH_WORKER_H
#define _BENCH_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))

#define PAGE_BYTES	4096UL
#define MAX_REQUEST	(1UL << 20)

/**
 * struct hello - what a worker says of itself
 * @impl: whose function it calls, as in the results
 * @core: which ChaCha20 code that uses, if that is known; "" otherwise
 * @libc: the C library that it runs on
 * @absent: why it cannot do what it is to do; "" if it can
 * @large_from: the size from which libvgetrandom expands keys; 0: never, or another impl
 * @state_size: the size of a vDSO's states; 0: it has none
 */
extern struct hello {
	char	impl[32];
	char	core[16];
	char	libc[16];
	char	absent[160];
	size_t	large_from;
	size_t	state_size;
} hello;

/*
 * What is called, by address: with the same cost as a call through the table that the
 * loader fills in.
 */
extern union function {
	ssize_t	(*getrandom)(void *buffer, size_t len, unsigned int flags);
	void	(*fill)(void *buffer, size_t len);
	int	(*rand_bytes)(unsigned char *buffer, int len);
	ssize_t	(*vdso)(void *buffer, size_t len, unsigned int flags, void *state, size_t size);
	int	(*cipher)(void *context, unsigned char *out, int *out_len,
			  const unsigned char *in, int len);
	void	(*rounds)(unsigned long double_rounds);
	long	(*syscall)(long number, ...);
	void	*address;
} fn;

/**
 * struct contender - one way to get random bytes, or one part of that
 * @name: for the command line
 * @open: find the function, fill in hello; @argument is the rest of the command line
 * @run: make @calls calls for @len bytes each; returns how many of them fell short
 * @begin: NULL, or called by each thread before its first call, with its number, from 0 to
 *	   nr_threads()
 * @left: NULL, or how many bytes this thread's state has left of its batch
 * @is_random: its output is to be random bytes
 */
struct contender {
	const char	*name;
	void		(*open)(const char *argument);
	unsigned long	(*run)(void *buffer, size_t len, unsigned long calls);
	void		(*begin)(unsigned int thread);
	size_t		(*left)(void);
	bool		is_random;
};

/* CONTENDER(ident, .name = ...); makes it known to the worker. */
#define CONTENDER(ident, ...)						\
	static const struct contender ident = { __VA_ARGS__ };		\
	static const struct contender *const ident##_entry		\
	__attribute__((used, section("contenders"))) = &ident

/*
 * CALLS(run, expression) defines the loop that is timed. The expression makes one call for
 * len bytes to buffer, and is true if all came. Each contender has a loop of its own, so
 * that none pays for being told apart from the others.
 */
#define CALLS(ident, is_good)								\
	static unsigned long ident(void *buffer __attribute__((unused)),		\
				   size_t len __attribute__((unused)), unsigned long calls) \
	{										\
		unsigned long failed = 0;						\
											\
		while (calls--)								\
			failed += !(is_good);						\
		return failed;								\
	}

/**
 * struct question - what else can be measured of a contender
 * @name: for the request
 * @ask: measures it, by calls for @bytes bytes; NAN: it does not apply
 */
struct question {
	const char	*name;
	double		(*ask)(const struct contender *contender, void *buffer, size_t bytes);
};

#define QUESTION(ident, ...)						\
	static const struct question ident = { __VA_ARGS__ };		\
	static const struct question *const ident##_entry		\
	__attribute__((used, section("questions"))) = &ident

/**
 * absent - say why the contender cannot be measured here; the first reason counts
 * @why: a sentence without a capital and a full stop
 */
void absent(const char *why);

/**
 * symbol - find a function
 * @library: where; NULL: in what the process has loaded already
 * @name: its name
 *
 * Return: NULL if it is not there, and then the contender is absent.
 */
void *symbol(const char *library, const char *name);

/**
 * nr_threads - the most threads that make calls at the same time: one on each processor
 */
unsigned int nr_threads(void);

/**
 * now - the time
 *
 * Return: nanoseconds since some moment that stays the same.
 */
static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

#endif /* _BENCH_WORKER_H */
