// SPDX-License-Identifier: MIT
/*
 * Timing: who is measured for how long, in which order, on which processors.
 */
#define _GNU_SOURCE
#include <err.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "measure.h"

/**
 * struct slice - some calls, made by all threads of a figure at the same time
 * @figure: what they call
 * @calls: how many calls each makes
 * @waiting: how many threads are ready to start
 */
struct slice {
	const struct figure	*figure;
	unsigned long		calls;
	unsigned int		waiting;
};

struct worker {
	pthread_t	thread;
	unsigned int	index;
	int		cpu;
	void		*buffer;
	struct slice	*slice;
	unsigned long	failed;
	double		start;
	double		end;
};

static struct worker *workers;

unsigned int measure_open(size_t max_bytes)
{
	unsigned int i, nr;
	cpu_set_t cpus;
	void *buffers;
	size_t room;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_getaffinity");
	nr = CPU_COUNT(&cpus);

	workers = calloc(nr, sizeof(*workers));
	room = max_bytes + PAGE_BYTES;
	buffers = mmap(NULL, nr * room, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!workers || buffers == MAP_FAILED)
		err(1, "no memory for buffers of %zu bytes for each of %u processors",
		    max_bytes, nr);

	for (i = 0; i < nr; i++) {
		do
			cpu++;
		while (!CPU_ISSET(cpu, &cpus));
		workers[i].index = i;
		workers[i].cpu = cpu;
		/*
		 * Not at its page's start, as states are: a processor takes two
		 * addresses that are a multiple of a page apart for one and the same
		 * at first. Few buffers are.
		 */
		workers[i].buffer = (char *)buffers + i * room + PAGE_BYTES / 2;
	}
	return nr;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct slice *slice = worker->slice;
	const struct figure *figure = slice->figure;
	cpu_set_t cpus;

	/* Else the scheduler may start two of us on one processor. */
	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "cannot run on processor %d", worker->cpu);

	/* A barrier that sleeps would have the last ones start late. */
	__atomic_add_fetch(&slice->waiting, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&slice->waiting, __ATOMIC_ACQUIRE) < figure->threads)
		sched_yield();

	worker->start = now();
	worker->failed = figure->contender->run(figure->contender, worker->index,
						worker->buffer, figure->bytes, slice->calls);
	worker->end = now();
	return NULL;
}

/*
 * Return: the time from the first thread's start to the last one's end, over the
 * calls of each.
 */
static double run_slice(struct figure *figure, unsigned long calls)
{
	struct slice slice = { .figure = figure, .calls = calls };
	double start = INFINITY, end = 0;
	struct worker *worker;
	int error;

	for (worker = workers; worker < workers + figure->threads; worker++) {
		worker->slice = &slice;
		error = pthread_create(&worker->thread, NULL, work, worker);
		if (error)
			errx(1, "cannot create thread %u: %s", worker->index, strerror(error));
	}
	for (worker = workers; worker < workers + figure->threads; worker++) {
		pthread_join(worker->thread, NULL);
		if (worker->failed)
			errx(1, "%s: %lu of %lu calls for %zu bytes fell short",
			     figure->contender->impl, worker->failed, calls, figure->bytes);
		start = fmin(start, worker->start);
		end = fmax(end, worker->end);
		figure->call_ns = fmin(figure->call_ns, (worker->end - worker->start) / calls);
	}
	return (end - start) / calls;
}

/*
 * By the time of a call in a thread, not by that of all threads: when they do
 * not start together, that of a few calls says nothing about that of many.
 */
static unsigned long calls_in(const struct figure *figure, double slice_ns)
{
	return fmax(slice_ns / figure->call_ns, 1);
}

static void calibrate(struct figure *figure, double slice_ns)
{
	unsigned long calls = 1;

	figure->call_ns = INFINITY;
	figure->ns = INFINITY;

	/* In strides: the first calls take longer than those to come. */
	for (;;) {
		run_slice(figure, calls);
		if (calls * 4 >= calls_in(figure, slice_ns))
			break;
		calls *= 4;
	}
}

static void progress(unsigned int round, unsigned int rounds)
{
	if (round < rounds)
		fprintf(stderr, "\rbench: round %u of %u ", round + 1, rounds);
	else
		fprintf(stderr, "\r%*s\r", 40, "");
}

void measure(struct figure *figures, size_t nr, const struct schedule *schedule)
{
	unsigned int round;
	size_t i;

	for (i = 0; i < nr; i++)
		calibrate(&figures[i], schedule->slice_ns);

	for (round = 0; round < schedule->rounds; round++) {
		if (schedule->show_progress)
			progress(round, schedule->rounds);
		for (i = 0; i < nr; i++)
			figures[i].ns = fmin(figures[i].ns,
					     run_slice(&figures[i],
						       calls_in(&figures[i], schedule->slice_ns)));
	}
	if (schedule->show_progress)
		progress(round, schedule->rounds);
}

const struct figure *figures_find(const struct figure *figures, size_t nr, const char *impl,
				  const char *core, size_t bytes, unsigned int threads)
{
	const struct figure *figure;

	for (figure = figures; figure < figures + nr; figure++)
		if (figure->bytes == bytes && figure->threads == threads &&
		    !strcmp(figure->contender->impl, impl) &&
		    (!core || !strcmp(figure->contender->core, core)))
			return figure;
	return NULL;
}
