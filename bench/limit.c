// SPDX-License-Identifier: MIT
/*
 * How fast a generator could be. Two contenders measure parts of a call; lib/targets.py adds
 * them up.
 *
 * "rounds": the 20 rounds of ChaCha20 for the bytes of a call, rounds.S. Each iteration starts
 * from the result of the last, and the processor may overlap them.
 *
 * "least-call": a call that finds its bytes in the batch. It does only what every call of this
 * ABI must do: check the arguments, check that no other call uses the state and lock it,
 * compare the generation with the kernel's, copy the bytes from the batch and erase them
 * there, and unlock the state. It ignores dropped pages, forks and signals, and reuses the
 * same bytes instead of a refill.
 */
#include <string.h>

#include <linux/types.h>

#include <vdso_host.h>

#include "worker.h"

#define BLOCK_BYTES	64
#define DOUBLE_ROUNDS	10

void rounds_sse2(unsigned long double_rounds);
void rounds_avx2(unsigned long double_rounds);
void rounds_avx512vl(unsigned long double_rounds);
void rounds_avx512(unsigned long double_rounds);

/* A core without a loop here has no limit, and no target based on it. */
static const struct loop {
	const char	*core;
	void		(*rounds)(unsigned long double_rounds);
	unsigned int	blocks;		/* per iteration */
} loops[] = {
	{ "sse2",	rounds_sse2,	 4 },
	{ "avx2",	rounds_avx2,	 8 },
	{ "avx512vl",	rounds_avx512vl, 16 },
	{ "avx512",	rounds_avx512,	 16 },
}, *loop;

CALLS(run_rounds, (fn.rounds(len / BLOCK_BYTES * DOUBLE_ROUNDS / loop->blocks), true))

static bool is_supported(const char *core)
{
	size_t i;

	for (i = 0; vdso_host_cores[i].name; i++)
		if (!strcmp(vdso_host_cores[i].name, core))
			return vdso_host_runs_here(i);
	return false;
}

static void open_rounds(const char *core)
{
	strcpy(hello.impl, "rounds");
	strncpy(hello.core, core, sizeof(hello.core) - 1);
	for (loop = loops; loop < loops + ARRAY_SIZE(loops); loop++) {
		if (strcmp(loop->core, core))
			continue;
		fn.rounds = loop->rounds;
		if (!is_supported(core))
			absent("the processor or the kernel does not support it");
		return;
	}
	absent("bench/rounds.S has no loop for it");
}

CONTENDER(rounds, .name = "rounds", .open = open_rounds, .run = run_rounds);

static struct least_state {
	__u64	owner;
	__u64	generation;
	__u64	available;
	__u8	unused[40];
	__u8	batch[1024];
} least_state __attribute__((aligned(PAGE_BYTES)));

static volatile __u64 kernel_generation;

typedef __u8 bytes32 __attribute__((vector_size(32), aligned(1), may_alias));
typedef __u8 bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

static __always_inline void copy_and_erase(__u8 *to, __u8 *from, size_t len)
{
	static const __u8 zeros[8];

	for (; len >= 32; len -= 32, to += 32, from += 32) {
		*(bytes32 *)to = *(bytes32 *)from;
		*(bytes32 *)from = (bytes32){ 0 };
	}
	if (len & 16) {
		*(bytes16 *)to = *(bytes16 *)from;
		*(bytes16 *)from = (bytes16){ 0 };
		to += 16;
		from += 16;
	}
	if (len & 8) {
		memcpy(to, from, 8);
		memcpy(from, zeros, 8);
		to += 8;
		from += 8;
	}
	if (len & 4) {
		memcpy(to, from, 4);
		memcpy(from, zeros, 4);
		to += 4;
		from += 4;
	}
	for (len &= 3; len; len--) {
		*to++ = *from;
		*from++ = 0;
	}
}

static __always_inline ssize_t call_least(void *buffer, size_t len, unsigned int flags,
					  struct least_state *state, size_t size)
{
	if (flags || size != sizeof(*state) || len > sizeof(state->batch))
		return -1;
	if (state->owner)
		return -1;
	state->owner = (unsigned long)&len;
	asm volatile("" : : : "memory");
	if (state->generation != kernel_generation)
		return -1;
	if (state->available < len)
		state->available = sizeof(state->batch);
	state->available -= len;
	copy_and_erase(buffer, state->batch + state->available, len);
	asm volatile("" : : : "memory");
	state->owner = 0;
	return len;
}

static __attribute__((target("avx2"), noinline)) ssize_t
least_call_avx2(void *buffer, size_t len, unsigned int flags, void *state, size_t size)
{
	return call_least(buffer, len, flags, state, size);
}

static bool has_avx2;

/* AVX2 moves 32 bytes at once; AVX-512 could slow processors down. */
static ssize_t least_call(void *buffer, size_t len, unsigned int flags, void *state, size_t size)
{
	if (len >= 32 && has_avx2)
		return least_call_avx2(buffer, len, flags, state, size);
	return call_least(buffer, len, flags, state, size);
}

CALLS(run_least, fn.vdso(buffer, len, 0, &least_state, sizeof(least_state)) == (ssize_t)len)

static void open_least(const char *argument)
{
	(void)argument;
	strcpy(hello.impl, "least-call");
	has_avx2 = __builtin_cpu_supports("avx2");
	fn.vdso = least_call;
}

CONTENDER(least, .name = "least-call", .open = open_least, .run = run_least);
