// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests the unwind information of the vDSO's getrandom and its ChaCha20 cores, or of
 * libvgetrandom: from every instruction, libunwind must walk to main() through the calls
 * that were really made. It finds the vDSO as debuggers and profilers do.
 *
 * usage: unwind_walk LIST [none | library FILE | library-none FILE]
 *
 * unwind_test.sh makes LIST, the instructions of the image, and starts this program with the
 * image in place of the kernel's vDSO and with writable data pages. These are needed to reach
 * all instructions: by errors, drops, reseeds and time namespaces. An instruction that no
 * call reached fails the test. With "none" the image has no unwind information, and no walk
 * may reach main(). Prints TAP without a plan.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vdso/getrandom.h>

#include "../../../module/page.h"
#include "../../lib/vgetrandom/pool.h"
#include "../../lib/vgetrandom/setup.h"
#include "../../lib/vgetrandom/thread.h"
#include "lock_limit.h"
#include "walk.h"

#define PAGE		4096
#define SYSCALL		0x050f	/* opcode of the syscall instruction */
#define SYSCALL_SIZE	2
#define OUT_SIZE	20000

/* The cores' numbers; CORES is how many there are. */
enum {
#define VGETRANDOM_CORE(NAME, ...)	NAME,
#include <asm/vdso/getrandom-cores.h>
	CORES
};

struct clock_data {	/* the start of the kernel's struct vdso_data */
	__u32	seq;
	__s32	clock_mode;
};

static struct vdso_rng_data *rng, *timens_rng;
static struct pool *pool;	/* the library's pool of states */
static uint8_t widest;		/* the widest core that runs here */
static struct clock_data *clock_data;
static struct vgetrandom_state *state;
static uint8_t *page, out[OUT_SIZE];
static unsigned int tests, bad;

static void result(bool good, const char *what, const char *name)
{
	printf("%sok %u %s%s\n", good ? "" : "not ", ++tests, what, name);
	bad += !good;
}

/*
 * Hooks that disturb a call.
 */

static unsigned long disturb_at;

static void drop(unsigned long step, long ip, ucontext_t *context)
{
	(void)ip;
	(void)context;
	if (step == disturb_at)
		memset(page, 0, PAGE);
}

static void reseed(unsigned long step, long ip, ucontext_t *context)
{
	(void)ip;
	(void)context;
	if (step == disturb_at)
		rng->generation++;
}

/* After a system call that returned bytes; mlock2(2) returns 0. */
static bool after_key(long ip, const greg_t *regs)
{
	uint16_t last;

	memcpy(&last, (void *)(walk.base + ip - SYSCALL_SIZE), sizeof(last));
	return last == SYSCALL && regs[REG_RAX] > 0;
}

/* Both attempts of the call fail. */
static void drop_all_keys(unsigned long step, long ip, ucontext_t *context)
{
	(void)step;
	if (after_key(ip, context->uc_mcontext.gregs))
		memset(page, 0, PAGE);
}

static void fail_syscalls(unsigned long step, long ip, ucontext_t *context)
{
	(void)step;
	if (after_key(ip, context->uc_mcontext.gregs))
		context->uc_mcontext.gregs[REG_RAX] = -EINTR;
}

static int reason;	/* for an abort */

static void abort_at(unsigned long step, long ip, ucontext_t *context)
{
	(void)ip;
	if (step == disturb_at)
		walk_abort(context, reason);
}

/* The call is made in small chunks, and loses them all. */
static unsigned long aborts;

static void abort_and_drop(unsigned long step, long ip, ucontext_t *context)
{
	if (aborts < 3)
		aborts += walk_abort(context, -EINTR);
	else
		drop(step, ip, context);
}

static void abort_always(unsigned long step, long ip, ucontext_t *context)
{
	(void)step;
	(void)ip;
	walk_abort(context, -EINTR);
}

/*
 * Calls. Other tests check their results.
 */

static ssize_t call(size_t len, walk_hook hook, unsigned long *steps)
{
	return walk_call(out, len, 0, state, sizeof(*state), hook, steps);
}

/* Make the state valid, with @available bytes in the batch. */
static void set_batch(size_t available)
{
	state->owner = 0;
	state->generation = rng->generation;
	state->available = available;
}

static const size_t lens[] = {
	0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 96, 128, 129, 300,
};

static void plain_calls(void)
{
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		set_batch(480);
		call(lens[i], NULL, NULL);
		/* The whole batch, and more. */
		set_batch(lens[i]);
		call(lens[i] + 40, NULL, NULL);
		set_batch(lens[i]);
		call(lens[i] + 700, NULL, NULL);
	}
	call(3000, NULL, NULL);
	/* Two chunks. */
	call(17000, NULL, NULL);
	memset(page, 0, PAGE);
	call(100, NULL, NULL);
}

/* At each instruction of the fast path, and at some of a call that takes a key. */
static void aborted_calls(void)
{
	static const int reasons[] = { -EINTR, -ENOMEM, -EFAULT };
	unsigned long steps;

	for (size_t i = 0; i < 3; i++) {
		reason = reasons[i];
		set_batch(480);
		call(33, NULL, &steps);
		for (disturb_at = 0; disturb_at < steps; disturb_at++) {
			set_batch(480);
			call(33, abort_at, NULL);
		}
		set_batch(0);
		state->generation = 0;
		call(129, NULL, &steps);
		for (disturb_at = i; disturb_at < steps; disturb_at += 1 + steps / 200) {
			set_batch(0);
			state->generation = 0;
			call(129, abort_at, NULL);
		}
	}
	for (disturb_at = 0; disturb_at < 2 * steps; disturb_at += 1 + steps / 12) {
		aborts = 0;
		set_batch(480);
		call(1500, abort_and_drop, NULL);
	}
	set_batch(480);
	call(33, abort_always, NULL);
}

static void disturbed_calls(void)
{
	static const walk_hook hooks[] = { drop, reseed };
	static const size_t disturbed[] = { 4, 33, 129, 900 };
	unsigned long steps;

	for (size_t i = 0; i < sizeof(disturbed) / sizeof(disturbed[0]); i++) {
		set_batch(480);
		call(disturbed[i], NULL, &steps);
		for (size_t h = 0; h < 2; h++) {
			for (disturb_at = 0; disturb_at < steps; disturb_at += 1 + steps / 12) {
				set_batch(480);
				call(disturbed[i], hooks[h], NULL);
			}
		}
	}
	for (size_t len = 1; len < 1000; len += 400) {
		set_batch(0);
		state->generation = 0;
		call(len, drop_all_keys, NULL);
		state->generation = 0;
		call(len, fail_syscalls, NULL);
	}
}

/*
 * Make calls with states that must be locked, while RLIMIT_MEMLOCK allows that and while it
 * does not. At the end, make a call with states that need no lock.
 */
static void locked_state_calls(void)
{
	volatile unsigned long *lock = pool->lock;
	const unsigned long locked = *lock;
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	for (rlim_t cur = limit.rlim_cur; ; limit.rlim_cur = 0) {
		setrlimit(RLIMIT_MEMLOCK, &limit);
		*lock = 0;
		for (int i = 0; i < 2; i++) {
			state->generation = 0;
			state->owner = 0;
			call(8, NULL, NULL);
		}
		if (!limit.rlim_cur) {
			limit.rlim_cur = cur;
			break;
		}
	}
	setrlimit(RLIMIT_MEMLOCK, &limit);
	*lock = locked;
	pool->lock = NULL;
	state->generation = 0;
	call(8, NULL, NULL);
	pool->lock = lock;
}

/* vgetrandom() with the vDSO's function, and with an invalid state: it crosses a page. */
static void vgetrandom_calls(void)
{
	struct config *config = walk_data("config");
	struct thread *thread = walk_thread_data("thread");

	if (!thread || !config ||
	    mprotect((void *)((uintptr_t)config & -PAGE), PAGE, PROT_READ | PROT_WRITE))
		return;
	config->way = VGETRANDOM_VDSO;
	call(8, NULL, NULL);
	config->way = VGETRANDOM_MODULE;
	thread->state.idle = page + PAGE - 64;
	call(8, NULL, NULL);
	thread->state.idle = state;
}

/* The library's syscall(), whose first argument is the number. */
static void syscalls(void)
{
	struct config *config = walk_data("config");

	walk.fn = (walk_getrandom_fn)walk_data("syscall");
	walk_call((void *)SYS_getpid, 0, 0, NULL, 0, NULL, NULL);
	walk_call((void *)SYS_close, -1UL, 0, NULL, 0, NULL, NULL);
	for (int off = 0; off < 2; off++) {
		config->leave_syscall = off;
		walk_call((void *)SYS_getrandom, (size_t)out, 8, NULL, 0, NULL, NULL);
	}
	config->leave_syscall = false;
}

static void edge_case_calls(void)
{
	uint64_t generation = rng->generation;
	/* More than struct vgetrandom_opaque_params, of linux/random.h, needs. */
	uint32_t params[64];

	walk_call(NULL, 0, 0, params, ~0UL, NULL, NULL);
	walk_call(out, 0, 0, params, ~0UL, NULL, NULL);
	walk_call(NULL, 1, 0, params, ~0UL, NULL, NULL);
	walk_call(NULL, 0, 1, params, ~0UL, NULL, NULL);
	walk_call(NULL, 0, 0, params, 1, NULL, NULL);
	walk_call(out, 8, 0, page + PAGE - 64, sizeof(*state), NULL, NULL);
	walk_call(out, 8, 6, state, sizeof(*state), NULL, NULL);
	walk_call(out, 8, 64, state, sizeof(*state), NULL, NULL);
	state->owner = 1;
	call(8, NULL, NULL);

	if (pool) {
		locked_state_calls();
		vgetrandom_calls();
	}
	/* An RNG that is not ready, outside and inside of a time namespace. */
	rng->is_ready = 0;
	set_batch(100);
	call(8, NULL, NULL);
	if (pool) {
		rng->is_ready = 1;
		state->owner = 0;
		return;
	}
	*timens_rng = *rng;
	clock_data->clock_mode = INT_MAX;
	call(8, NULL, NULL);
	timens_rng->is_ready = 1;
	rng->generation = 0;
	state->generation = 0;
	call(8, NULL, NULL);
	call(200, NULL, NULL);
	/* Generation 0, which is never valid. */
	clock_data->clock_mode = 0;
	rng->is_ready = 1;
	state->owner = 0;
	call(8, NULL, NULL);
	rng->generation = generation;
}

static void all_calls(void)
{
	plain_calls();
	edge_case_calls();
	disturbed_calls();
	if (!pool)
		aborted_calls();
}

/* A few calls are enough to see walks from a function fail. */
static void few_calls(void)
{
	memset(page, 0, PAGE);
	call(100, NULL, NULL);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		set_batch(480);
		call(lens[i], NULL, NULL);
	}
	state->generation = 0;
	call(1, drop_all_keys, NULL);
}

/* These calls reach all instructions of a core. */
static void core_calls(void)
{
	memset(page, 0, PAGE);
	call(100, NULL, NULL);
	call(3000, NULL, NULL);
	/* The fast path copies long requests with and without AVX. */
	set_batch(480);
	call(129, NULL, NULL);
}

static void with_each_core(void (*calls)(void))
{
	const walk_getrandom_fn fn = walk.fn;

	for (rng->core = 0; rng->core < CORES; rng->core++) {
		if (rng->core != widest)
			core_calls();
		else
			calls();
	}
	/* An unknown core. */
	call(200, NULL, NULL);
	/* vgetrandom() has the start of generator_getrandom() inlined: call that, too. */
	if (pool) {
		rng->core = widest;
		walk.fn = walk_data("generator_getrandom");
		calls();
		syscalls();
		walk.fn = fn;
	}
	rng->core = 0;
}

/*
 * Results.
 */

struct count {
	unsigned long there, walked, failed, walks, missed_at;
};

/* Count the instructions in [@from, @to). Padding need not be reached. */
static struct count count_range(long from, long to)
{
	struct count count = { 0 };

	for (long ip = from; ip < to; ip++) {
		const struct walk_instruction *i = &walk.instructions[ip];

		if (i->kind == NO_INSTRUCTION || (i->kind == PADDING && !i->walked))
			continue;
		if (!walk.functions[i->function].runs_here &&
		    ip != walk.functions[i->function].start)
			continue;
		count.there++;
		count.walks += i->walked;
		count.walked += !!i->walked;
		count.failed += !!i->failed;
		if (!i->walked && !count.missed_at)
			count.missed_at = ip;
	}
	return count;
}

static struct count count_function(const struct walk_function *function)
{
	return count_range(function->start, function->start + function->size);
}

static void find_cores(void)
{
	const struct {
		const char *function;
		bool runs_here;
	} cores[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
		{ "vgetrandom_chacha20_" #name, __builtin_cpu_supports(feature) },
#include <asm/vdso/getrandom-cores.h>
	};

	for (size_t core = 0; core < CORES; core++)
		if (cores[core].runs_here)
			widest = core;
	for (int i = 0; i < walk.nfunctions; i++)
		for (size_t core = 0; core < CORES; core++)
			if (!strcmp(walk.functions[i].name, cores[core].function))
				walk.functions[i].runs_here = cores[core].runs_here;
}

/* Functions of the library that also do other things: not all instructions must be reached. */
static bool is_partly_reached(const struct walk_function *function)
{
	return !strncmp(function->name, "slow_path", strlen("slow_path")) ||
	       !strcmp(function->name, "pool_may_hold_keys") ||
	       !strcmp(function->name, "vgetrandom_fail");
}

static void test_functions(void)
{
	unsigned long instructions = 0, walks = 0;

	walk_reset();
	walk.each = 8;
	with_each_core(all_calls);
	for (int i = 0; i < walk.nfunctions; i++) {
		const struct walk_function *f = &walk.functions[i];
		const struct count c = count_function(f);

		instructions += c.walked;
		walks += c.walks;
		if (!f->runs_here && c.walked && !c.failed) {
			printf("ok %u main() is reached from each instruction of %s # SKIP this processor cannot run it\n",
			       ++tests, f->name);
			continue;
		}
		result(c.walked && (c.walked == c.there || is_partly_reached(f)) && !c.failed,
		       "main() is reached from each instruction of ", f->name);
		printf("#   %lu instructions, %lu reached, %lu walks; walks from %lu instructions failed\n",
		       c.there, c.walked, c.walks, c.failed);
		if (c.missed_at)
			printf("#   no call reached the instruction at %#lx\n", c.missed_at);
	}
	if (!pool) {
		result(walk.landings && !walk.failed_landings,
		       "main() is reached from the landings of aborted calls", "");
		printf("#   %lu aborts; %lu walks failed\n", walk.landings, walk.failed_landings);
	}
	if (walk.problem[0])
		printf("#   %s\n", walk.problem);
	printf("# instructions: %lu\n# walks: %lu\n", instructions, walks);
}

/*
 * Control: walks fail from a function without unwind information, and only from there.
 */

/* The header of an entry of .eh_frame. Addresses are relative. */
struct fde {
	uint32_t length, cie;
	int32_t start;
	uint32_t range;
};

/* Find the entry of a function in the image's .eh_frame. */
static struct fde *find_fde(long start)
{
	uint8_t *p = walk_data("eh_frame"), *end = walk_data("eh_frame_end");
	struct fde *fde;

	for (; p && p + sizeof(*fde) <= end; p += sizeof(fde->length) + fde->length) {
		fde = (void *)p;
		if (!fde->length)
			break;
		if (fde->cie && (uint8_t *)&fde->start + fde->start == (uint8_t *)walk.base + start)
			return fde;
	}
	return NULL;
}

/* Keep information for the first half of @function only. Do all walks from the rest fail? */
static bool only_second_half_fails(const struct walk_function *function, struct fde *fde)
{
	const long end = function->start + function->size;
	const uint32_t range = fde->range;
	struct count first, rest;

	if (mprotect((void *)((uintptr_t)fde & -PAGE), 2 * PAGE,
		     PROT_READ | PROT_WRITE | PROT_EXEC))
		return false;
	fde->range /= 2;
	walk_reset();
	walk.each = 1;
	with_each_core(few_calls);
	first = count_range(function->start, function->start + fde->range);
	rest = count_range(function->start + fde->range, end);
	fde->range = range;
	printf("#   of %lu in the first half %lu fail, of %lu in the second %lu\n", first.walked,
	       first.failed, rest.walked, rest.failed);
	return rest.walked && rest.failed == rest.walked && !first.failed;
}

static void test_controls(void)
{
	for (int i = 0; i < walk.nfunctions; i++) {
		const struct walk_function *f = &walk.functions[i];
		struct fde *fde = find_fde(f->start);

		if (!f->runs_here || is_partly_reached(f))
			continue;
		result(fde && only_second_half_fails(f, fde),
		       "main() is not reached without information for half of ", f->name);
	}
}

static void test_none(void)
{
	unsigned long walked = 0, failed = 0;

	/* A few calls: libunwind searches for the information at each walk, which is slow. */
	walk_reset();
	walk.each = 1;
	for (rng->core = 0; rng->core < CORES; rng->core++) {
		memset(page, 0, PAGE);
		call(100, NULL, NULL);
	}
	for (int i = 0; i < walk.nfunctions; i++) {
		const struct count c = count_function(&walk.functions[i]);

		walked += c.walked;
		failed += c.failed;
	}
	result(walked && failed == walked, "main() is not reached without unwind information", "");
	printf("#   %lu instructions, %lu failed\n", walked, failed);
}

static bool open_vdso(void)
{
	rng = walk_data("vvar__vdso_rng_data");
	timens_rng = walk_data("timens__vdso_rng_data");
	clock_data = walk_data("vvar__vdso_data");
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	state = (void *)(page + PAGE / 2);
	return rng && timens_rng && clock_data && page != MAP_FAILED;
}

/* The library uses the page of with_vdso; this thread's state is the pool's first. */
static bool open_library(void)
{
	int fd = open(getenv("TEST_PAGE") ?: "", O_RDWR | O_CLOEXEC);
	struct vgetrandom_page *mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
					      0);

	pool = walk_data("thread_states");
	if (mapped == MAP_FAILED || !pool || !pool->lock || !apply_lock_limit())
		return false;
	rng = &mapped->rng;
	page = (void *)pool->chunks[0];
	state = (void *)page;
	/* The first call of a thread also sets up its state. */
	return walk.fn(out, 8, 0, NULL, 0) == 8 && state->generation == rng->generation;
}

int main(int argc, char **argv)
{
	const bool is_library = argc > 3, none = argc > 2 && strstr(argv[2], "none");

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || !walk_open(argv[1], is_library ? argv[3] : NULL))
		return 2;
	if (!(is_library ? open_library() : open_vdso())) {
		fprintf(stderr, "unwind_walk: cannot find the image's data, or map a page\n");
		return 2;
	}
	rng->generation = 1;
	rng->is_ready = 1;
	find_cores();
	if (none) {
		test_none();
	} else {
		test_functions();
		test_controls();
	}
	return bad != 0;
}
