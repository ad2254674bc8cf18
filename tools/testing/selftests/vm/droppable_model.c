// SPDX-License-Identifier: GPL-2.0
/*
 * Long random sequences of operations on droppable and ordinary memory, compared
 * with a model of what each page may hold and what each call must return.
 *
 *	droppable_model [SECONDS [SEED]]
 *
 * A seed always produces the same sequence, as far as the kernel's results are the same.
 * If the kernel or the machine lacks a feature, the test says so and runs without it;
 * with DROPPABLE_STRICT in the environment, it fails instead.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <time.h>

#include "../kselftest.h"
#include "droppable_model.h"
#include "droppable_util.h"

#define LOG_SIZE		24
#define CHILD_OPS	12
#define CHILD_SECONDS	300
#define MANY_OPS	1000

bool in_child, newer_kernel, strict;
unsigned int lock_future;

static char event_log[LOG_SIZE][128];
static unsigned long nr_logged, nr_ops;
static uint64_t seed, random_state;

static const struct operation {
	void (*run)(void);
	unsigned int weight;
	bool in_child;
} operations[] = {
	{ op_mmap, 60, true },
	{ op_refused_mmap, 4, true },
	{ op_munmap, 20, true },
	{ op_mprotect, 40, true },
	{ op_madvise, 160, true },
	{ op_mlock, 30, true },
	{ op_mlockall, 12, true },
	{ op_mremap_resize, 40, true },
	{ op_mremap_move, 40, true },
	{ op_read, 40, true },
	{ op_write, 120, true },
	{ op_write_words, 40, true },
	{ op_poke, 10, true },
	{ op_child_writes, 10, false },
	{ op_fork, 6, false },
	{ op_wait, 8, false },
	{ op_pin, 10, false },
	{ op_unpin, 10, false },
	{ op_reclaim, 30, true },
	{ op_limit, 8, false },
	{ op_global_pressure, 2, false },
	{ op_move_pages, 20, true },
	{ op_migrate_pages, 2, false },
	{ op_compact, 2, false },
	{ op_check_smaps, 20, true },
	{ op_check_flags, 40, true },
	{ op_check_swap, 2, false },
	{ op_check_all, 6, true },
};

/* xorshift64*. */
uint32_t rnd(uint32_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1d >> 32) % below;
}

void log_event(const char *fmt, ...)
{
	char *to = event_log[nr_logged++ % LOG_SIZE];
	int n = snprintf(to, sizeof(event_log[0]), "%s%lu: ", in_child ? "child " : "", nr_ops);
	va_list args;

	va_start(args, fmt);
	vsnprintf(to + n, sizeof(event_log[0]) - n, fmt, args);
	va_end(args);
}

void fail(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ksft_print_msg("seed %llu operation %lu%s: %s\n", (unsigned long long)seed, nr_ops,
		       in_child ? " of a child" : "", text);
	for (unsigned long i = nr_logged > LOG_SIZE ? nr_logged - LOG_SIZE : 0; i < nr_logged; i++)
		ksft_print_msg("  %s\n", event_log[i % LOG_SIZE]);
	fflush(stdout);
	if (in_child)
		_exit(KSFT_FAIL);
	ksft_test_result_fail("random_operations_match_the_model\n");
	ksft_finished();
	exit(KSFT_FAIL);
}

void report_missing(const char *what)
{
	if (strict)
		fail("missing: %s", what);
	if (!in_child)
		ksft_print_msg("running without %s\n", what);
}

/* A short or long range, or a whole huge page. */
struct range pick_any(void)
{
	int kind = rnd(8), first = rnd(PAGES), nr = 1 + rnd(kind < 4 ? 16 : kind < 7 ? 128 : 1024);

	if (kind == 6 || kind == 3) {
		first &= ~(HUGE_PAGES - 1);
		nr = HUGE_PAGES;
	}
	return (struct range){ first, first + nr > PAGES ? PAGES - first : nr };
}

/* A range of mapped pages; any range if no page from a random one on is mapped. */
struct range pick_mapped(void)
{
	struct range r = pick_any();
	int end = r.first + r.nr, first = r.first;

	while (first < PAGES && !pages[first].mapped)
		first++;
	if (first == PAGES)
		return r;
	end += first - r.first;
	r.first = first;
	while (first < PAGES && first < end && pages[first].mapped)
		first++;
	r.nr = first - r.first;
	return r;
}

static void run_random_operation(void)
{
	static unsigned int total;
	const struct operation *op = operations;
	unsigned int pick;

	if (!total)
		for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
			total += operations[i].weight;
	pick = rnd(total);
	while (pick >= op->weight)
		pick -= op++->weight;
	nr_ops++;
	if (op->in_child || !in_child)
		op->run();
}

void child_operations(void)
{
	/* Kills a child that hangs. */
	alarm(CHILD_SECONDS);
	init_child();
	random_state ^= 0x5851f42d4c957f2d;
	op_check_smaps();
	op_check_all();
	for (int i = 0; i < CHILD_OPS; i++)
		run_random_operation();
	op_check_smaps();
}

static void init_arena(void)
{
	long len = (long)PAGES * PAGE;

	newer_kernel = kernel_is_at_least(6, 2);
	if (getpagesize() != PAGE)
		ksft_exit_skip("the model needs pages of %d bytes\n", PAGE);
	if (mmap(ARENA, len, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0) != ARENA)
		fail("mapping the arena: %s", strerror(errno));
	munmap(ARENA, len);
	/* Allocate it now: memory may be short later. */
	locked_buffer();
}

static void end_checks(void)
{
	wait_child();
	op_reclaim();
	/* First: the other checks read the pages, which brings them back from swap. */
	op_check_swap();
	op_check_smaps();
	op_check_all();
	ksft_print_msg("%lu operations, %ld forks; pages: %ld written, %ld pinned, %ld on swap\n",
		       nr_ops, counts.forks, counts.writes, counts.pinned, counts.swapped);
	ksft_print_msg("drops seen: %ld droppable, %ld partial, %ld lazily freed\n", counts.drops,
		       counts.partial_drops, counts.lazy_frees);
	/* Without drops and swapping, the test would prove nothing. */
	if (strict && nr_ops >= MANY_OPS && !counts.drops)
		fail("the kernel dropped no page");
	if (strict && nr_ops >= MANY_OPS && swap_is_on() && !vm_counter("pswpout"))
		fail("the kernel swapped no page");
}

int main(int argc, char **argv)
{
	long end = now_ms() + 1000 * (argc > 1 ? atol(argv[1]) : 60);

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL) << 16 ^ getpid();
	random_state = (seed + 1) * 0x9e3779b97f4a7c15 | 1;
	strict = getenv("DROPPABLE_STRICT");
	ksft_print_header();
	ksft_set_plan(1);
	ksft_print_msg("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	init_key(seed);
	init_arena();
	init_stress();
	while (now_ms() < end)
		run_random_operation();
	end_checks();
	ksft_test_result_pass("random_operations_match_the_model\n");
	ksft_finished();
}
