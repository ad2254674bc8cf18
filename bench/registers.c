// SPDX-License-Identifier: MIT
/*
 * The cost of calls that use wide registers for the code that runs after them.
 *
 * Code that leaves the upper halves of vector registers in use slows down all later SSE code:
 * each instruction waits for the register that it overwrites, to keep its upper half. The SSE
 * code here overwrites registers all the time, so it takes several times as long in this case;
 * the contender "left-dirty" shows that this is measured. Wide registers may also lower the
 * clock, for AVX code too. But AVX code may be slower if no other code keeps the upper halves
 * powered.
 *
 * The kernel must also save registers in use when it switches to another thread.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <err.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

#define TURNS		500	/* each runs the code, then a call */
#define CALLS_FIRST	100	/* by each thread, before they switch */
#define ROUND_TRIPS	1000

#define REPEAT4(x)	x x x x
#define REPEAT16(x)	REPEAT4(REPEAT4(x))

#define SSE_CHAIN						\
	"movaps	%%xmm1, %%xmm0\n\t"				\
	REPEAT4("mulps	%%xmm1, %%xmm0\n\t")

#define AVX_CHAIN						\
	"vmovaps %%ymm1, %%ymm0\n\t"				\
	REPEAT4("vmulps	%%ymm1, %%ymm0, %%ymm0\n\t")

static const float ones[8] __attribute__((aligned(32))) = { 1, 1, 1, 1, 1, 1, 1, 1 };

/* The time-stamp counter, read after all earlier and before all later instructions. */
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

/* With vzeroupper at the end, like compiled functions that use ymm registers. */
static void avx_code(void)
{
	asm volatile("vmovaps %0, %%ymm1\n\t"
		     REPEAT16(AVX_CHAIN)
		     "vzeroupper"
		     : : "m" (ones) : "xmm0", "xmm1");
}

static double ns_per_tick(void)
{
	static double scale;
	unsigned long start_ticks;
	double start, end;

	if (scale)
		return scale;
	start_ticks = ticks();
	start = now();
	do
		end = now();
	while (end - start < 10e6);
	scale = (end - start) / (ticks() - start_ticks);
	return scale;
}

/*
 * Code and call take turns, and only the code is timed, not the calls in between. Fences keep
 * the two from overlapping.
 */
static double ticks_of_code(void (*code)(void), const struct contender *contender, void *buffer,
			    size_t bytes)
{
	unsigned long start, sum = 0;
	int i;

	for (i = 0; i < TURNS; i++) {
		start = ticks();
		code();
		sum += ticks() - start;
		contender->run(buffer, bytes, 1);
	}
	return (double)sum / TURNS;
}

/* Subtracts the cost of the fences, which is measured at the same moment. */
static double ns_of_code(void (*code)(void), const struct contender *contender, void *buffer,
			 size_t bytes)
{
	double without = ticks_of_code(no_code, contender, buffer, bytes);
	double with = ticks_of_code(code, contender, buffer, bytes);

	if (__builtin_cpu_supports("avx"))
		asm volatile("vzeroupper" : : : "memory");
	return (with - without) * ns_per_tick();
}

static double around_sse(const struct contender *contender, void *buffer, size_t bytes)
{
	return ns_of_code(sse_code, contender, buffer, bytes);
}

QUESTION(around_sse_code, .name = "sse-code", .ask = around_sse);

static double around_avx(const struct contender *contender, void *buffer, size_t bytes)
{
	if (!__builtin_cpu_supports("avx"))
		return NAN;
	return ns_of_code(avx_code, contender, buffer, bytes);
}

QUESTION(around_avx_code, .name = "avx-code", .ask = around_avx);

/* Controls: no calls, and calls that leave registers in use. */

static void leave_dirty(void)
{
	asm volatile("vmovaps %0, %%ymm0\n\t"
		     "vmovaps %%ymm0, %%ymm1"
		     : : "m" (ones) : "xmm0", "xmm1");
}

CALLS(run_nothing, true)
CALLS(run_dirty, (leave_dirty(), true))

static void open_nothing(const char *argument)
{
	(void)argument;
	strcpy(hello.impl, "no-calls");
}

CONTENDER(nothing, .name = "no-calls", .open = open_nothing, .run = run_nothing);

static void open_dirty(const char *argument)
{
	(void)argument;
	strcpy(hello.impl, "left-dirty");
	if (!__builtin_cpu_supports("avx"))
		absent("this processor has no AVX");
}

CONTENDER(dirty, .name = "left-dirty", .open = open_dirty, .run = run_dirty);

/* The XSAVE components in use; 0 if the processor does not report them. */
static unsigned long in_use(void)
{
	unsigned int eax, ebx, ecx, edx;
	unsigned long low, high;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE) ||
	    !__get_cpuid_count(13, 1, &eax, &ebx, &ecx, &edx) || !(eax & (1 << 2)))
		return 0;
	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (1));
	return low & 0xffffffff;
}

/* One of two threads on one processor that pass a byte back and forth through pipes. */
struct player {
	const struct contender	*contender;
	size_t			bytes;
	int			in;
	int			out;
	unsigned long		used;
};

static void *play(void *arg)
{
	struct player *player = arg;
	char byte = 0;
	int i;

	for (i = 0; i < ROUND_TRIPS; i++)
		if (read(player->in, &byte, 1) != 1 || write(player->out, &byte, 1) != 1)
			err(1, "pipe");
	player->used = in_use();
	return NULL;
}

static void *call_and_play(void *arg)
{
	struct player *player = arg;
	unsigned char out[64];

	if (player->contender->begin)
		player->contender->begin(nr_threads());
	player->contender->run(out, player->bytes, CALLS_FIRST);
	return play(player);
}

/* Returns the time of a switch; @used: the XSAVE components in use after calls. */
static double switches(const struct contender *contender, void *buffer, size_t bytes,
		       unsigned long *used)
{
	struct player first = { .contender = contender }, second = { .contender = contender };
	int there[2], back[2], error, i;
	pthread_t thread;
	double start, end;
	char byte = 0;

	if (pipe(there) || pipe(back))
		err(1, "pipe");
	first.in = back[0];
	first.out = there[1];
	second.in = there[0];
	second.out = back[1];
	second.bytes = bytes < 64 ? bytes : 64;
	error = pthread_create(&thread, NULL, call_and_play, &second);
	if (error)
		errx(1, "cannot create a thread: %s", strerror(error));
	contender->run(buffer, bytes, CALLS_FIRST);
	/* Let the other thread reach its read() first. */
	sched_yield();
	start = now();
	if (write(first.out, &byte, 1) != 1)
		err(1, "pipe");
	/* This also sends a last byte, which no thread reads. */
	play(&first);
	pthread_join(thread, NULL);
	end = now();
	for (i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
	*used = first.used | second.used;
	return (end - start) / ROUND_TRIPS / 2;
}

static double switch_ns(const struct contender *contender, void *buffer, size_t bytes)
{
	unsigned long used;

	return switches(contender, buffer, bytes, &used);
}

QUESTION(switching, .name = "switch", .ask = switch_ns);

static double registers_used(const struct contender *contender, void *buffer, size_t bytes)
{
	unsigned long used;

	switches(contender, buffer, bytes, &used);
	return used;
}

QUESTION(registers, .name = "registers", .ask = registers_used);
