// SPDX-License-Identifier: MIT
/*
 * Whether a program's own vector code gets slower by calls in between.
 *
 * Code that leaves the upper halves of vector registers in use makes all SSE code
 * after it slower: each instruction has to wait for the register that it overwrites,
 * to keep its upper half. So the SSE code here overwrites registers all the time, and
 * takes several times as long when that happens; "left-dirty" shows that it would be
 * seen. Wide registers may besides slow down the clock, for AVX code as well; which
 * on the other hand may be slower when nothing else keeps the upper halves awake.
 *
 * Code and call take turns, and the time-stamp counter is read before and after the
 * code alone: what a call takes when there is code in between is another matter.
 * Fences keep one from overlapping with the other, and what that costs is subtracted.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "transitions.h"

#define TURNS	500
#define BYTES	32

#define REPEAT4(x)	x x x x
#define REPEAT16(x)	REPEAT4(REPEAT4(x))

#define SSE_CHAIN						\
	"movaps	%%xmm1, %%xmm0\n\t"				\
	REPEAT4("mulps	%%xmm1, %%xmm0\n\t")

#define AVX_CHAIN						\
	"vmovaps %%ymm1, %%ymm0\n\t"				\
	REPEAT4("vmulps	%%ymm1, %%ymm0, %%ymm0\n\t")

static const float ones[8] __attribute__((aligned(32))) = { 1, 1, 1, 1, 1, 1, 1, 1 };

/* Ticks of the time-stamp counter, read when all before is done, and all after is not. */
static unsigned long ticks(void)
{
	unsigned long low, high;

	asm volatile("lfence\n\t"
		     "rdtsc\n\t"
		     "lfence"
		     : "=a" (low), "=d" (high) : : "memory");
	return high << 32 | low;
}

static void no_code(void)
{
}

static void sse_code(void)
{
	asm volatile("movaps %0, %%xmm1\n\t"
		     REPEAT16(SSE_CHAIN)
		     : : "m" (ones) : "xmm0", "xmm1");
}

/* As a compiler ends a function that uses ymm registers. */
static void avx_code(void)
{
	asm volatile("vmovaps %0, %%ymm1\n\t"
		     REPEAT16(AVX_CHAIN)
		     "vzeroupper"
		     : : "m" (ones) : "xmm0", "xmm1");
}

static void no_call(const struct contender *contender)
{
	(void)contender;
}

static void one_call(const struct contender *contender)
{
	unsigned char out[BYTES];

	if (contender->run(contender, 0, out, sizeof(out), 1))
		errx(1, "%s %s: a call fell short", contender->impl, contender->core);
}

static void leave_dirty(const struct contender *contender)
{
	(void)contender;
	asm volatile("vmovaps %0, %%ymm0\n\t"
		     "vmovaps %%ymm0, %%ymm1"
		     : : "m" (ones) : "xmm0", "xmm1");
}

static void make_clean(void)
{
	asm volatile("vzeroupper" : : : "memory");
}

/**
 * struct between - what comes between
 * @act: does it
 * @contender: for it
 * @impl: its name
 * @core: and the rest of that
 * @extra: how long each of codes[] took, by round
 */
struct between {
	void			(*act)(const struct contender *contender);
	const struct contender	*contender;
	const char		*impl;
	const char		*core;
	double			*extra[3];
};

static const struct code {
	const char	*name;
	void		(*run)(void);
} codes[3] = {
	{ NULL, no_code },
	{ "SSE code, with calls in between", sse_code },
	{ "AVX code, with calls in between", avx_code },
};

static double ticks_of_code(const struct code *code, const struct between *between)
{
	unsigned long start, sum = 0;
	int i;

	for (i = 0; i < TURNS; i++) {
		start = ticks();
		code->run();
		sum += ticks() - start;
		between->act(between->contender);
	}
	return (double)sum / TURNS;
}

static double ns_per_tick(void)
{
	const unsigned long start_ticks = ticks();
	const double start = now();
	double end;

	do
		end = now();
	while (end - start < 10e6);
	return (end - start) / (ticks() - start_ticks);
}

static size_t list_all(struct between *list, const struct contenders *contenders, bool has_avx)
{
	const struct contender *contender;
	size_t i, nr = 0;

	list[nr++] = (struct between) { .act = no_call, .impl = "no-calls", .core = "" };
	for (i = 0; i < contenders->nr; i++) {
		contender = &contenders->list[i];
		if (!contender->absent && contender->states)
			list[nr++] = (struct between) {
				.act = one_call, .contender = contender,
				.impl = contender->impl, .core = contender->core,
			};
	}
	if (has_avx)
		list[nr++] = (struct between) {
			.act = leave_dirty, .impl = "left-dirty", .core = "",
		};
	return nr;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned int nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return values[nr / 2];
}

/* Both times of a difference in turn, so that they are of the same moment. */
static void measure_round(struct between *between, size_t nr_codes, unsigned int round)
{
	double without;
	size_t c;

	for (c = 1; c < nr_codes; c++) {
		without = ticks_of_code(&codes[0], between);
		between->extra[c][round] = ticks_of_code(&codes[c], between) - without;
	}
}

void transitions_measure(struct facts *facts, const struct contenders *contenders,
			 unsigned int rounds)
{
	const bool has_avx = __builtin_cpu_supports("avx");
	const size_t nr_codes = has_avx ? 3 : 2;
	struct between list[MAX_CONTENDERS + 2];
	const size_t nr = list_all(list, contenders, has_avx);
	const double scale = ns_per_tick();
	unsigned int round;
	size_t i, c;

	for (i = 0; i < nr; i++) {
		for (c = 1; c < nr_codes; c++) {
			list[i].extra[c] = calloc(rounds, sizeof(double));
			if (!list[i].extra[c])
				err(1, "no memory for %u numbers", rounds);
		}
	}
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < nr; i++) {
			measure_round(&list[i], nr_codes, round);
			if (has_avx)
				make_clean();
		}
	}
	for (c = 1; c < nr_codes; c++) {
		for (i = 0; i < nr; i++) {
			facts_add(facts, &(struct fact) {
				codes[c].name, list[i].impl, list[i].core,
				scale * median(list[i].extra[c], rounds), "ns",
			});
			free(list[i].extra[c]);
		}
	}
}
