/* SPDX-License-Identifier: MIT */
/*
 * What the program "server" and who starts it tell each other, in binary, on its stdin
 * and stdout: first it says who it is, then it answers one request after another.
 */
#ifndef _BENCH_SERVER_H
#define _BENCH_SERVER_H

#include <stddef.h>

/**
 * struct hello - who the server is
 * @impl: whose function it calls, as in the results
 * @core: which ChaCha20 code that uses, if that can be asked; "" otherwise
 * @libc: the C library that it runs on
 * @absent: why it cannot do what it is to do; "" if it can
 * @large_from: the size from which libvgetrandom expands keys; 0: never, or another impl
 */
struct hello {
	char	impl[32];
	char	core[16];
	char	libc[16];
	char	absent[128];
	size_t	large_from;
};

/**
 * struct request - time some calls
 * @bytes: the size of each
 * @calls: how many; of several threads, each
 * @threads: how many threads make them at the same time
 * @cpu: on which processor, or the first of them
 */
struct request {
	size_t		bytes;
	unsigned long	calls;
	unsigned int	threads;
	int		cpu;
};

/**
 * struct answer - what they took
 * @ns: the time of all calls together; of several threads, from the first one's start to
 *	the last one's end
 * @thread_ns: the least time that a thread took for its calls
 * @failed: how many of them did not deliver
 */
struct answer {
	double		ns;
	double		thread_ns;
	unsigned long	failed;
};

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))

#define MAX_REQUEST	65536

#endif /* _BENCH_SERVER_H */
