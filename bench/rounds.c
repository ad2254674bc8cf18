// SPDX-License-Identifier: MIT
/*
 * Timing of functions in other processes, which take turns.
 */
#define _GNU_SOURCE
#include <err.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "rounds.h"

/* The processor after @cpu, or again the first. */
static int next_cpu(int cpu)
{
	static cpu_set_t cpus;

	if (!CPU_COUNT(&cpus) && sched_getaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_getaffinity");
	do
		cpu = (cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET(cpu, &cpus));
	return cpu;
}

static struct answer time_slice(const struct timing *timing, int cpu)
{
	const struct request request = {
		.bytes = timing->bytes, .calls = timing->calls, .threads = timing->threads,
		.cpu = cpu,
	};

	return remote_time(timing->remote, &request);
}

/* In strides: the first calls take longer than those to come. */
static void calibrate(struct timing *timing, double slice_ns, int cpu)
{
	unsigned long wanted;
	double ns = INFINITY;

	/*
	 * By the time of a thread, not by that of all: when they do not start together, that
	 * of a few calls says nothing about that of many.
	 */
	timing->ns = INFINITY;
	for (timing->calls = 1; ; timing->calls *= 4) {
		ns = fmin(ns, time_slice(timing, cpu).thread_ns / timing->calls);
		wanted = fmax(slice_ns / ns, 1);
		if (timing->calls * 4 >= wanted)
			break;
	}
	timing->calls = wanted;
}

void rounds_run(struct timing *timings, size_t nr, unsigned int rounds, double slice_ns)
{
	struct timing *timing;
	int cpu = next_cpu(-1);
	unsigned int round;
	size_t i;

	for (timing = timings; timing < timings + nr; timing++)
		calibrate(timing, slice_ns, cpu);
	for (round = 0; round < rounds; round++, cpu = next_cpu(cpu)) {
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\rlibraries: round %u of %u ", round + 1, rounds);
		for (i = 0; i < nr; i++) {
			/* After one with zmm registers, some processors are slow for a while. */
			timing = &timings[round & 2 ? nr - 1 - i : i];
			timing->ns = fmin(timing->ns,
					  time_slice(timing, cpu).ns / timing->calls);
		}
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%*s\r", 40, "");
}
