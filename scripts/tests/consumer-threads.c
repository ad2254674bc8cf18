// SPDX-License-Identifier: MIT
/*
 * The consumer of Documentation/vdso/getrandom.rst with more threads than it has states,
 * and with a signal handler that draws wherever it comes: nobody gets what another got.
 *
 * scripts/tests/consumer puts consumer.c beside this.
 */
#define _GNU_SOURCE
#define main consumer_main
#include "consumer.c"
#undef main

#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define THREADS		60
#define DRAWS		20000
#define HANDLED		100000

static unsigned char drawn[THREADS * DRAWS + HANDLED][16];
static atomic_uint handled, in_middle, without_state, ended;
static pthread_barrier_t start;

static void draw_in_handler(int sig)
{
	const int saved = errno;
	unsigned int n = handled++;

	(void)sig;
	in_middle += busy;
	if (n < HANDLED && draw(drawn[THREADS * DRAWS + n], 16, 0) != 16)
		abort();
	errno = saved;
}

static void *work(void *mine)
{
	unsigned char (*to)[16] = mine;

	pthread_barrier_wait(&start);
	for (int i = 0; i < DRAWS; i++)
		if (draw(to[i], 16, 0) != 16)
			errx(1, "no bytes");
	without_state += !state;
	ended++;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

int main(void)
{
	unsigned int n;
	pthread_t ids[THREADS];

	setup();
	signal(SIGUSR1, draw_in_handler);
	pthread_barrier_init(&start, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&ids[i], NULL, work, drawn + i * DRAWS))
			errx(1, "no thread");
	pthread_barrier_wait(&start);
	for (n = 0; ended < THREADS; n++)
		pthread_kill(ids[n % THREADS], SIGUSR1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);

	n = THREADS * DRAWS + (handled < HANDLED ? handled : HANDLED);
	qsort(drawn, n, 16, compare);
	for (unsigned int i = 1; i < n; i++)
		if (!compare(drawn[i - 1], drawn[i]))
			errx(1, "the same bytes twice");
	printf("%u draws, %u of handlers, %u in the middle of a call; %u threads without a state\n",
	       n, handled, in_middle, without_state);
	if (!without_state || without_state == THREADS || !in_middle)
		errx(1, "%u of %d threads without a state, %u handlers in the middle of a call: this has shown nothing",
		     without_state, THREADS, in_middle);
	return 0;
}
