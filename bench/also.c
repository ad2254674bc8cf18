// SPDX-License-Identifier: MIT
/*
 * What calls cost that time per call does not say: first calls, reseeds, memory. And
 * the rest, which is in files of its own.
 */
#define _GNU_SOURCE
#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vdso_host.h>

#include "also.h"
#include "clock.h"
#include "switches.h"
#include "transitions.h"

#define BYTES	32

void facts_add(struct facts *facts, const struct fact *fact)
{
	if (facts->nr == MAX_FACTS)
		errx(1, "more than %d facts", MAX_FACTS);
	facts->list[facts->nr++] = *fact;
}

static void must_work(const struct contender *contender, unsigned long failed)
{
	if (failed)
		errx(1, "%s %s: %lu calls fell short", contender->impl, contender->core, failed);
}

/*
 * As the first call of a thread: on a page that is not there yet, which holds a state
 * without a key.
 */
static double first_call(const struct contender *contender)
{
	enum { PAGES = 64 };
	struct contender fresh = *contender;
	unsigned long failed = 0;
	unsigned char out[BYTES];
	double start, end;
	unsigned int i;

	fresh.states = contenders_map_states(contender, PAGES);
	start = now();
	for (i = 0; i < PAGES; i++)
		failed += fresh.run(&fresh, i, out, sizeof(out), 1);
	end = now();
	munmap(fresh.states, PAGES * PAGE_BYTES);
	must_work(contender, failed);
	return (end - start) / PAGES;
}

static double reseeded_call(const struct contender *contender)
{
	enum { CALLS = 500 };
	struct vdso_rng_data *rng = vdso_host_rng(contender->host);
	unsigned long failed = 0;
	unsigned char out[BYTES];
	double start, end;
	unsigned int i;

	start = now();
	for (i = 0; i < CALLS; i++) {
		__atomic_store_n(&rng->generation, rng->generation + 1, __ATOMIC_RELEASE);
		failed += contender->run(contender, 0, out, sizeof(out), 1);
	}
	end = now();
	must_work(contender, failed);
	return (end - start) / CALLS;
}

static double bytes_per_thread(const struct contender *contender)
{
	return (double)PAGE_BYTES / (PAGE_BYTES / contender->state_size);
}

static bool has_state(const struct contender *contender)
{
	return contender->states;
}

static bool is_hosted(const struct contender *contender)
{
	return contender->host;
}

static const struct question {
	const char	*name;
	const char	*unit;
	bool		(*applies)(const struct contender *contender);
	double		(*ask)(const struct contender *contender);
	const char	*kernels_left_out;
} questions[] = {
	{ "a thread's first call, 32 bytes", "ns", has_state, first_call, NULL },
	{ "a call after each reseed, 32 bytes", "ns", is_hosted, reseeded_call,
	  "no program can have the kernel reseed" },
	{ "memory for a thread's state", "bytes", has_state, bytes_per_thread, NULL },
};

static void ask_all(struct facts *facts, const struct contenders *contenders,
		    const struct question *question, unsigned int rounds)
{
	const struct contender *contender;
	double best[MAX_CONTENDERS];
	unsigned int round;
	size_t i;

	if (question->kernels_left_out && contenders_find(contenders, "kernel-vdso", NULL))
		printf("kernel-vdso is left out of \"%s\": %s\n",
		       question->name, question->kernels_left_out);
	for (i = 0; i < contenders->nr; i++)
		best[i] = INFINITY;
	for (round = 0; round < rounds; round++)
		for (i = 0; i < contenders->nr; i++)
			if (!contenders->list[i].absent &&
			    question->applies(&contenders->list[i]))
				best[i] = fmin(best[i], question->ask(&contenders->list[i]));
	for (i = 0; i < contenders->nr; i++) {
		contender = &contenders->list[i];
		if (best[i] < INFINITY)
			facts_add(facts, &(struct fact) {
				question->name, contender->impl, contender->core,
				best[i], question->unit,
			});
	}
}

void also_measure(struct facts *facts, const struct contenders *contenders,
		  const char *image, unsigned int rounds)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(questions); i++)
		ask_all(facts, contenders, &questions[i], rounds);
	/* Each of these takes but a moment. */
	transitions_measure(facts, contenders, 40 * rounds);
	switches_measure(facts, contenders, image, 6 * rounds);
}

void also_scaling(struct facts *facts, const struct figure *figures, size_t nr, size_t bytes)
{
	static char names[MAX_CONTENDERS][64];
	const struct figure *figure, *one;
	size_t nr_names = 0;
	const char *name;
	size_t i;

	for (figure = figures; figure < figures + nr; figure++) {
		if (figure->bytes != bytes || figure->threads == 1)
			continue;
		one = figures_find(figures, nr, figure->contender->impl,
				   figure->contender->core, bytes, 1);
		if (!one)
			continue;
		name = NULL;
		for (i = 0; i < nr_names; i++)
			if (strtoul(names[i], NULL, 10) == figure->threads)
				name = names[i];
		if (!name && nr_names == MAX_CONTENDERS)
			continue;
		if (!name) {
			snprintf(names[nr_names], sizeof(names[0]),
				 "%u threads at a time, %zu bytes", figure->threads, bytes);
			name = names[nr_names++];
		}
		facts_add(facts, &(struct fact) {
			name, figure->contender->impl, figure->contender->core,
			figure->threads * one->ns / figure->ns, "times one",
		});
	}
}
