// SPDX-License-Identifier: MIT
/*
 * The consumer of Documentation/vdso/getrandom.rst with more threads than states, and with
 * a signal handler that requests bytes at any point: no two requests return the same bytes.
 *
 * scripts/tests/consumer writes consumer.c.
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
#define DRAWS		5000
#define IN_MIDDLE	20		/* least number of calls that are interrupted */
#define HANDLED		100000

static unsigned char drawn[THREADS * DRAWS + HANDLED][16];
static char *states_of[THREADS];
static atomic_uint handled, in_middle, ended;
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

static void *work(void *number)
{
	unsigned char (*to)[16] = drawn + *(int *)number * DRAWS, unused[16];

	pthread_barrier_wait(&start);
	for (int i = 0; i < DRAWS; i++)
		if (draw(to[i], 16, 0) != 16)
			errx(1, "no bytes");
	while (in_middle < IN_MIDDLE)
		draw(unused, sizeof(unused), 0);
	states_of[*(int *)number] = state;
	ended++;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* Each thread has a state to itself, whole and on one page, until there are no more. */
static unsigned int check_states(void)
{
	unsigned int without = 0;

	for (int i = 0; i < THREADS; i++) {
		char *own = states_of[i];

		without += !own;
		if (own && (own < states || own + params.size > states + PAGES * PAGE ||
			    (own - states) % PAGE + params.size > PAGE))
			errx(1, "a state in the wrong place");
		for (int j = 0; own && j < i; j++)
			if (states_of[j] && labs(own - states_of[j]) < params.size)
				errx(1, "two threads with one state");
	}
	return without;
}

int main(void)
{
	unsigned int n, without;
	int numbers[THREADS];
	pthread_t ids[THREADS];

	setup();
	signal(SIGUSR1, draw_in_handler);
	pthread_barrier_init(&start, NULL, THREADS + 1);
	alarm(100);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		if (pthread_create(&ids[i], NULL, work, &numbers[i]))
			errx(1, "no thread");
	}
	pthread_barrier_wait(&start);
	for (n = 0; ended < THREADS; n++)
		pthread_kill(ids[n % THREADS], SIGUSR1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);

	without = check_states();
	n = THREADS * DRAWS + (handled < HANDLED ? handled : HANDLED);
	qsort(drawn, n, 16, compare);
	for (unsigned int i = 1; i < n; i++)
		if (!compare(drawn[i - 1], drawn[i]))
			errx(1, "the same bytes twice");
	printf("%u draws, %u of handlers, %u in the middle of a call; %u threads without a state\n",
	       n, handled, in_middle, without);
	if (!without || without == THREADS)
		errx(1, "some threads must have a state and some none");
	return 0;
}
