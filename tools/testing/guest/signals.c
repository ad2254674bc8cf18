// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals each 100 us in the middle of calls, with a handler on an alternate stack:
 *
 *	- no handler's frame holds an instruction address in which a call can be aborted, a
 *	  vector register, or 8 bytes of the state or of the output;
 *	- all requests are whole;
 *	- handlers that call getrandom() themselves get other bytes than the call;
 *	- if a handler forks, parent and child finish the call with different bytes;
 *	- after siglongjmp() out of a handler, calls use the state again.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

#include "../vdso_host/abort_model.h"
#include "guest.h"
#include "ranges.h"

#define LARGEST		65536
#define BLOCK		16
#define STACK_SIZE	(64 * 1024)
#define FRAME_WORDS	1024
#define NESTED		4096		/* blocks that handlers get in a call */
#define SET_BITS	20
#define PERIOD_US	100

enum mode { LOOK, CALL, FORK, JUMP, MODES };

static const struct {
	const char *name;
	unsigned int enough;	/* landings; of FORK, those at which a handler has forked */
} modes[MODES] = {
	[LOOK] = { "handlers that return", 200 },
	[CALL] = { "handlers that call getrandom()", 100 },
	[FORK] = { "handlers that fork", 20 },
	[JUMP] = { "handlers that call siglongjmp()", 60 },
};

/* What a child returns. */
static struct child {
	ssize_t ret;
	uint8_t out[LARGEST], nested[BLOCK];
} *child;

static struct vgetrandom_state *state;
static uint8_t out[LARGEST];
static enum mode mode;
static sigjmp_buf jump;
static long signal_us;			/* what a signal costs */
static unsigned int random_us;

/* Written by handlers, read between calls; of one mode and size. */
static struct {
	unsigned long signals, in_vdso, in_range, landed, forks, with_vectors, with_words;
} seen;
/* Of the current call. */
static struct {
	bool calling, in_vdso, landed, is_child, fork_landed;
	unsigned int nested;
	size_t len;
	pid_t pid;
	uint8_t nested_out[NESTED][BLOCK];
} now;

static void set_timer(long us)
{
	const struct itimerval when = { .it_value = { 0, us } };

	check(!setitimer(ITIMER_REAL, &when, NULL), "setitimer: %s", strerror(errno));
}

/* Often more than one signal in a call; never one before the task has moved on. */
static void set_next_timer(void)
{
	random_us = (random_us + 61) % PERIOD_US;
	set_timer(signal_us + PERIOD_US / 2 + random_us);
}

/* A filter for the words of a frame; then they are compared one by one. */
static struct {
	uint64_t words[FRAME_WORDS];
	unsigned int nr;
	uint64_t filter[64];
} frame;

static unsigned int hash(uint64_t word, unsigned int bits)
{
	return word * 0x9e3779b97f4a7c15ULL >> (64 - bits);
}

static void read_frame(const ucontext_t *context)
{
	const uint8_t *area = (const uint8_t *)context->uc_mcontext.fpregs;
	const uint64_t *word = (const uint64_t *)context;
	const uint64_t *end = (const uint64_t *)(area + frame_area_size(area));

	memset(&frame.filter, 0, sizeof(frame.filter));
	for (frame.nr = 0; word < end && frame.nr < FRAME_WORDS; word++) {
		unsigned int bit = hash(*word, 12);

		if (!*word)
			continue;
		frame.words[frame.nr++] = *word;
		frame.filter[bit / 64] |= 1ULL << bit % 64;
	}
}

static bool has_word(const uint8_t *p)
{
	unsigned int bit;
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	bit = hash(word, 12);
	/* Skip the zeros in which a batch ends. */
	if (!(uint32_t)word || !(word >> 32) || !(frame.filter[bit / 64] >> bit % 64 & 1))
		return false;
	for (unsigned int i = 0; i < frame.nr; i++)
		if (frame.words[i] == word)
			return true;
	return false;
}

/* The state's header holds no secret; the output is zeros at the start of a call. */
static bool has_secret(void)
{
	const uint8_t *p = state->key, *end = (const uint8_t *)(state + 1);

	for (; p + 8 <= end; p++)
		if (has_word(p))
			return true;
	for (size_t at = 0; at + 8 <= now.len; at += now.len > 1024 ? 8 : 1)
		if (has_word(out + at))
			return true;
	return false;
}

static void look(const ucontext_t *context)
{
	const uint8_t *area = (const uint8_t *)context->uc_mcontext.fpregs;
	uintptr_t ip = context->uc_mcontext.gregs[REG_RIP];

	if (!is_in_vdso(ip))
		return;
	now.in_vdso = true;
	seen.in_vdso++;
	seen.in_range += !!abort_model_range(ranges, ip);
	seen.with_vectors += !are_vectors_zero(area, frame_area_size(area));
	now.landed = is_landing(ip);
	if (!now.landed)
		return;
	seen.landed++;
	read_frame(context);
	seen.with_words += has_secret();
}

static void nested_call(void)
{
	if (now.nested == NESTED)
		return;
	check(guest_getrandom(state, now.nested_out[now.nested], BLOCK, 0) == BLOCK,
	      "a call in a handler fails");
	now.nested++;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	seen.signals++;
	/* The vDSO has other functions, too. And only a call expects changes of "now". */
	if (!now.calling) {
		set_next_timer();
		return;
	}
	now.in_vdso = false;
	now.landed = false;
	look(context);
	if (mode == CALL || mode == FORK)
		nested_call();
	if (mode == FORK && !now.pid && now.in_vdso) {
		now.fork_landed = now.landed;
		now.pid = _Fork();
		check(now.pid >= 0, "fork: %s", strerror(errno));
		seen.forks += now.landed;
		now.is_child = !now.pid;
		nested_call();
	}
	if (mode == JUMP && now.landed)
		siglongjmp(jump, 1);
	if (!now.is_child)
		set_next_timer();
}

/* Blocks that calls have returned, by their first 8 bytes. */
static uint64_t *set;
static unsigned int set_count;

static bool is_new(const uint8_t *block)
{
	unsigned int at;
	uint64_t word;

	memcpy(&word, block, sizeof(word));
	check(word, "8 bytes of zeros");
	for (at = hash(word, SET_BITS); set[at]; at = (at + 1) % (1 << SET_BITS))
		if (set[at] == word)
			return false;
	set[at] = word;
	check(++set_count < 1 << (SET_BITS - 1), "the set is full");
	return true;
}

static unsigned int count_new(const uint8_t *p, size_t len)
{
	unsigned int nr = 0;

	for (size_t at = 0; at + BLOCK <= len; at += BLOCK)
		nr += is_new(p + at);
	return nr;
}

/* Parent and child have no block in common, unless the call was over when the handler forked. */
static void compare_with_child(void)
{
	unsigned int nr = now.len / BLOCK, new;
	int status;

	check(waitpid(now.pid, &status, 0) == now.pid && !status, "a child fails: %#x", status);
	check(child->ret == (ssize_t)now.len, "the child's call returns %zd of %zu bytes",
	      child->ret, now.len);
	check(is_new(child->nested), "a handler's call returns the same bytes in a child");
	new = count_new(child->out, now.len);
	check(new == nr || (!new && !now.fork_landed),
	      "a fork in a handler: of %u blocks, %u are equal in parent and child", nr, nr - new);
}

static void end_child(ssize_t ret)
{
	child->ret = ret;
	memcpy(child->out, out, now.len);
	memcpy(child->nested, now.nested_out[now.nested - 1], BLOCK);
	_exit(0);
}

static void check_used(void)
{
	uint64_t available;
	uint8_t bytes[BLOCK];

	check(guest_getrandom(state, bytes, BLOCK, 0) == BLOCK, "a call fails");
	/* That call draws a key; another one may meet a reseed. */
	for (long end = 0; may_retry(&end);) {
		available = state->available;
		check(guest_getrandom(state, bytes, BLOCK, 0) == BLOCK, "a call fails");
		if (!state->owner && state->generation && state->available + BLOCK == available)
			return;
	}
	fail("after siglongjmp() calls do not use the state");
}

static void one_call(void)
{
	ssize_t ret;

	memset(out, 0, now.len);
	now.nested = 0;
	now.pid = 0;
	if (mode == JUMP && sigsetjmp(jump, 1)) {
		now.calling = false;
		check_used();
		set_next_timer();
		return;
	}
	clear_vectors();
	now.calling = true;
	ret = guest_getrandom(state, out, now.len, 0);
	now.calling = false;
	if (now.is_child)
		end_child(ret);
	check(ret == (ssize_t)now.len, "%s: a call returns %zd of %zu bytes", modes[mode].name,
	      ret, now.len);
	check(count_new(out, now.len) == now.len / BLOCK &&
	      count_new(now.nested_out[0], now.nested * BLOCK) == now.nested,
	      "%s: a call of %zu bytes returns a block twice", modes[mode].name, now.len);
	if (now.pid)
		compare_with_child();
}

static void make_calls(size_t len)
{
	const unsigned int enough = modes[mode].enough / (len == LARGEST ? 2 : 1);
	unsigned long *counted = mode == FORK ? &seen.forks : &seen.landed;
	long begin = now_ms();
	unsigned int calls = 0;

	memset(&seen, 0, sizeof(seen));
	now.len = len;
	set_next_timer();
	for (; *counted < enough && now_ms() - begin < 20000; calls++) {
		/* The set must not fill up with blocks that are all alike. */
		if (set_count > 1 << (SET_BITS - 2)) {
			memset(set, 0, sizeof(*set) << SET_BITS);
			set_count = 0;
		}
		one_call();
	}
	set_timer(0);
	printf("# %s, %zu bytes, %u calls, %ld ms: ", modes[mode].name, len, calls,
	       now_ms() - begin);
	printf("%lu signals, %lu in the vDSO, of which %lu at a landing\n", seen.signals,
	       seen.in_vdso, seen.landed);
	check(!seen.in_range && !seen.with_vectors && !seen.with_words,
	      "of %lu frames, %lu interrupt the generator, %lu have vector registers, %lu secrets",
	      seen.in_vdso, seen.in_range, seen.with_vectors, seen.with_words);
	check(*counted >= enough, "only %lu calls were aborted", *counted);
}

static void measure_signal(void)
{
	enum { SIGNALS = 100 };
	long begin = now_ms();

	signal_us = 0;
	mode = LOOK;
	for (int i = 0; i < SIGNALS; i++) {
		raise(SIGALRM);
		set_timer(0);
	}
	signal_us = (now_ms() - begin) * 1000 / SIGNALS;
}

int main(void)
{
	static const size_t lens[] = { BLOCK, 1024, LARGEST };
	struct sigaction sa = {
		.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};
	stack_t stack = { .ss_size = STACK_SIZE };

	guest_open();
	guest_wait_ready();
	ranges_open();
	state = guest_map_states();
	child = (void *)map_pages(MAP_SHARED, sizeof(*child));
	set = (void *)map_pages(MAP_PRIVATE, sizeof(*set) << SET_BITS);
	stack.ss_sp = map_pages(MAP_PRIVATE, STACK_SIZE);
	check(!sigaltstack(&stack, NULL) && !sigaction(SIGALRM, &sa, NULL),
	      "a handler on an alternate stack: %s", strerror(errno));
	measure_signal();
	printf("# a signal takes %ld us\n", signal_us);
	for (mode = 0; mode < MODES; mode++)
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
			make_calls(lens[i]);
	guest_check_served(state);
	passed("signal frames hold no vector register, key or keystream");
	passed("requests are whole in spite of signals");
	passed("parent and child differ after a fork in a handler");
	passed("calls use the state again after siglongjmp()");
	return 0;
}
