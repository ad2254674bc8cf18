// SPDX-License-Identifier: MIT
/*
 * Calls by several threads of the server at the same time: see server.c.
 */
#define _GNU_SOURCE
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "together.h"

#define PAGE_BYTES	4096
#define ROOM		(MAX_REQUEST + PAGE_BYTES)

struct worker {
	pthread_t	thread;
	unsigned int	index;
	int		cpu;
	unsigned char	*buffer;
	unsigned long	failed;
	double		start;
	double		end;
};

/* What a slice's threads are to do, and how many of them are ready to. */
struct slice {
	const struct crowd	*crowd;
	const struct request	*request;
	unsigned int		waiting;
};

static struct worker *workers;
static unsigned int nr_workers;
static struct slice slice;

static void open_workers(const cpu_set_t *cpus)
{
	unsigned char *buffers;
	unsigned int i;
	int cpu = -1;

	workers = calloc(nr_workers, sizeof(*workers));
	/* The pages are there once a thread writes to them. */
	buffers = mmap(NULL, nr_workers * (size_t)ROOM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!workers || buffers == MAP_FAILED)
		err(1, "no memory for buffers of %u threads", nr_workers);
	for (i = 0; i < nr_workers; i++) {
		do
			cpu++;
		while (!CPU_ISSET(cpu, cpus));
		workers[i].cpu = cpu;
		/* Not at its page's start, as states are: see measure_open() for why. */
		workers[i].buffer = buffers + i * (size_t)ROOM + PAGE_BYTES / 2;
	}
}

unsigned int together_open(void)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_getaffinity");
	nr_workers = CPU_COUNT(&cpus);
	open_workers(&cpus);
	return nr_workers;
}

static void *work(void *arg)
{
	const struct request *request = slice.request;
	const struct crowd *crowd = slice.crowd;
	struct worker *worker = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "cannot run on processor %d", worker->cpu);

	/* A thread's first calls take longer: many a generator sets up its state in them. */
	if (crowd->begin)
		crowd->begin(worker->index);
	crowd->run(worker->buffer, request->bytes, request->calls / 8 + 1);

	/* A barrier that sleeps would have the last ones start late. */
	__atomic_add_fetch(&slice.waiting, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&slice.waiting, __ATOMIC_ACQUIRE) < request->threads)
		sched_yield();

	worker->start = now();
	worker->failed = crowd->run(worker->buffer, request->bytes, request->calls);
	worker->end = now();
	return NULL;
}

/* The one on this processor. */
static unsigned int first_worker(int cpu)
{
	unsigned int i;

	for (i = 0; i < nr_workers; i++)
		if (workers[i].cpu == cpu)
			return i;
	errx(1, "processor %d is none of those that this process may run on", cpu);
}

struct answer together_run(const struct crowd *crowd, const struct request *request)
{
	unsigned int first = first_worker(request->cpu), i;
	struct answer answer = { .failed = 0 };
	double start = 0, end = 0, ns;
	struct worker *worker;
	int error;

	if (request->threads > nr_workers)
		errx(1, "%u threads are more than there are processors", request->threads);
	slice = (struct slice) { .crowd = crowd, .request = request };
	for (i = 0; i < request->threads; i++) {
		worker = &workers[(first + i) % nr_workers];
		worker->index = i;
		error = pthread_create(&worker->thread, NULL, work, worker);
		if (error)
			errx(1, "cannot create thread %u: %s", i, strerror(error));
	}
	for (i = 0; i < request->threads; i++) {
		worker = &workers[(first + i) % nr_workers];
		pthread_join(worker->thread, NULL);
		ns = worker->end - worker->start;
		/* Without libm, so that any libc will do. */
		if (!i || worker->start < start)
			start = worker->start;
		if (worker->end > end)
			end = worker->end;
		if (!i || ns < answer.thread_ns)
			answer.thread_ns = ns;
		answer.failed += worker->failed;
	}
	answer.ns = end - start;
	return answer;
}
