/* SPDX-License-Identifier: MIT */
/*
 * A worker is a process that makes the calls of one contender. bench.c starts one for each
 * and lets them take turns, so that each can have its own libc, preloaded library and
 * environment. They exchange lines of text through the worker's stdin and stdout:
 *
 *	worker: {"impl": "libbsd", ...}		struct hello as JSON; "absent": it cannot run here
 *	bench:	time BYTES CALLS THREADS CPU	each thread makes CALLS calls for BYTES bytes
 *	worker: NS THREAD_NS FAILED		from the first start to the last end; the least
 *						time of a thread; calls that returned less
 *	bench:	ask QUESTION BYTES		see QUESTION() below
 *	worker: VALUE
 *
 * Workers in other languages use the same protocol: see programs/.
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
 * struct hello - a worker's description of itself
 * @impl: the implementation that it calls, as in the results
 * @core: the ChaCha20 core of @impl, or "" if unknown
 * @libc: the C library that it runs on
 * @absent: why it cannot measure the contender here, or ""
 * @large_from: the size from which libvgetrandom expands keys; 0: never, or another @impl
 * @state_size: the size of a vDSO's states; 0: not a vDSO
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
 * The function to call. A call through this pointer costs as much as one through the PLT.
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
 * struct contender - one way to get random bytes, or a part of one
 * @name: on the command line
 * @open: find the function, fill in hello; @argument is the rest of the command line
 * @run: make @calls calls for @len bytes each; returns how many returned less
 * @begin: NULL, or called by each thread before its first call, with its number, from 0 to
 *	   nr_threads()
 * @left: NULL, or returns how many bytes are left in the batch of this thread's state
 * @is_random: its output must be random bytes
 */
struct contender {
	const char	*name;
	void		(*open)(const char *argument);
	unsigned long	(*run)(void *buffer, size_t len, unsigned long calls);
	void		(*begin)(unsigned int thread);
	size_t		(*left)(void);
	bool		is_random;
};

/* CONTENDER(ident, .name = ...); registers a contender. */
#define CONTENDER(ident, ...)						\
	static const struct contender ident = { __VA_ARGS__ };		\
	static const struct contender *const ident##_entry		\
	__attribute__((used, section("contenders"))) = &ident

/*
 * CALLS(run, expression) defines the loop that is timed. The expression makes one call for
 * len bytes to buffer, and is true if it returned all of them. Each contender has its own
 * loop, so that dispatch costs nothing.
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
 * struct question - another measurement of a contender
 * @name: in the request
 * @ask: measures with calls for @bytes bytes; returns NAN if it does not apply
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
 * absent - record why the contender cannot be measured here; only the first call counts
 * @why: a phrase without a capital and a full stop
 */
void absent(const char *why);

/**
 * symbol - find a function
 * @library: where to search; NULL: in all loaded libraries
 * @name: its name
 *
 * Return: NULL if it does not exist; then the contender is absent.
 */
void *symbol(const char *library, const char *name);

/**
 * nr_threads - the maximum number of threads that make calls at the same time: one per processor
 */
unsigned int nr_threads(void);

/**
 * now - the time
 *
 * Return: nanoseconds of the monotonic clock.
 */
static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

#endif /* _BENCH_WORKER_H */
