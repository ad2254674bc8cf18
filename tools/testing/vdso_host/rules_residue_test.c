// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rule (j): after a call no key material is on the stack or in a register.
 *
 * A stub clears registers and stack, makes the call, and copies both away before
 * anything else can run. Vector and mask registers have to be as clear then as they
 * were. In the other copies, every eight bytes in a row of every secret of the call
 * are looked for: keys old and new, the batch, and the whole key stream, also what has
 * been handed out; and what a core computes on the way there (secrets.h).
 *
 * VDSO_CORE in the environment names the core.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "secrets.h"
#include "world.h"

#define STACK_DEPTH	65536	/* looked through, below the call */
#define XSAVE_ROOM	16384
#define MXCSR_DEFAULT	0x1f80
#define MXCSR_OFFSET	24	/* in the legacy region */
#define XMM_OFFSET	160
#define XMM_SIZE	256
#define IN_USE_OFFSET	512	/* XSTATE_BV */

/* The stub's, which finds them by name. */
uint64_t residue_regs[16];
uint64_t residue_stack[STACK_DEPTH / 8];
alignas(64) uint8_t residue_xsave[XSAVE_ROOM];
alignas(64) uint8_t residue_init[XSAVE_ROOM];

/*
 * 0xe7: x87, SSE, AVX, and AVX-512's masks, upper halves and upper registers.
 * XRSTOR from an area that says that they are all unused makes them zero.
 * What the call returns is in residue_regs[0].
 */
__attribute__((naked, noipa))
static void residue_call(vgetrandom_fn fn, void *buffer, size_t len, unsigned int flags,
			 void *state, size_t state_len)
{
	asm("push %rbp\n\t"
	    "push %rbx\n\t"
	    "push %r12\n\t"
	    "push %r13\n\t"
	    "push %r14\n\t"
	    "push %r15\n\t"
	    "sub $8, %rsp\n\t"
	    "mov %rdi, %rbx\n\t"
	    "mov %rsi, %r12\n\t"
	    "mov %rdx, %r13\n\t"
	    "mov %ecx, %r14d\n\t"
	    /* Zero the stack below. */
	    "lea -65536(%rsp), %rdi\n\t"
	    "mov $8192, %ecx\n\t"
	    "xor %eax, %eax\n\t"
	    "rep stosq\n\t"
	    "mov $0xe7, %eax\n\t"
	    "xor %edx, %edx\n\t"
	    "xrstor residue_init(%rip)\n\t"
	    "mov %r12, %rdi\n\t"
	    "mov %r13, %rsi\n\t"
	    "mov %r14d, %edx\n\t"
	    "mov %r8, %rcx\n\t"
	    "mov %r9, %r8\n\t"
	    "xor %eax, %eax\n\t"
	    "xor %ebp, %ebp\n\t"
	    "xor %r9d, %r9d\n\t"
	    "xor %r10d, %r10d\n\t"
	    "xor %r11d, %r11d\n\t"
	    "xor %r12d, %r12d\n\t"
	    "xor %r13d, %r13d\n\t"
	    "xor %r14d, %r14d\n\t"
	    "xor %r15d, %r15d\n\t"
	    "call *%rbx\n\t"
	    "mov %rax, residue_regs+0x00(%rip)\n\t"
	    "mov %rbx, residue_regs+0x08(%rip)\n\t"
	    "mov %rcx, residue_regs+0x10(%rip)\n\t"
	    "mov %rdx, residue_regs+0x18(%rip)\n\t"
	    "mov %rsi, residue_regs+0x20(%rip)\n\t"
	    "mov %rdi, residue_regs+0x28(%rip)\n\t"
	    "mov %rbp, residue_regs+0x30(%rip)\n\t"
	    "mov %rsp, residue_regs+0x38(%rip)\n\t"
	    "mov %r8, residue_regs+0x40(%rip)\n\t"
	    "mov %r9, residue_regs+0x48(%rip)\n\t"
	    "mov %r10, residue_regs+0x50(%rip)\n\t"
	    "mov %r11, residue_regs+0x58(%rip)\n\t"
	    "mov %r12, residue_regs+0x60(%rip)\n\t"
	    "mov %r13, residue_regs+0x68(%rip)\n\t"
	    "mov %r14, residue_regs+0x70(%rip)\n\t"
	    "mov %r15, residue_regs+0x78(%rip)\n\t"
	    "mov $0xe7, %eax\n\t"
	    "xor %edx, %edx\n\t"
	    "xsave residue_xsave(%rip)\n\t"
	    "lea -65536(%rsp), %rsi\n\t"
	    "lea residue_stack(%rip), %rdi\n\t"
	    "mov $8192, %ecx\n\t"
	    "rep movsq\n\t"
	    "add $8, %rsp\n\t"
	    "pop %r15\n\t"
	    "pop %r14\n\t"
	    "pop %r13\n\t"
	    "pop %r12\n\t"
	    "pop %rbx\n\t"
	    "pop %rbp\n\t"
	    "ret");
}

#define STREAM_BLOCKS	64	/* of a key, more than any call here uses up */

/* All that a call can get out of @key: with it, and with the keys that replace it. */
static void add_streams(const uint8_t *key, size_t len)
{
	uint8_t stream[STREAM_BLOCKS * VGETRANDOM_BLOCK_SIZE];

	secrets_add_stream(key, STREAM_BLOCKS);
	oracle_stream(stream, sizeof(stream), key, 0);
	/* The next one, used up at once, if the rest of the last block asks for it. */
	if (len % VGETRANDOM_BLOCK_SIZE > VGETRANDOM_KEY_SIZE)
		secrets_add_stream(stream + len / VGETRANDOM_BLOCK_SIZE * VGETRANDOM_BLOCK_SIZE,
				   STREAM_BLOCKS);
}

static char found_in[64];

static bool all_zero(const uint8_t *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

/* In use are registers that have been written to: upper halves make SSE slower then. */
static uint64_t in_use_known;

/* Where in the copy a register is not zero, or its upper half in use. */
static bool registers_clean(void)
{
	static const unsigned int components[] = { 2, 5, 6, 7 };
	uint64_t in_use;

	if (!all_zero(residue_xsave + XMM_OFFSET, XMM_SIZE)) {
		snprintf(found_in, sizeof(found_in), "an xmm register");
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
		unsigned int size, offset, c, d;

		__cpuid_count(0xd, components[i], size, offset, c, d);
		if (all_zero(residue_xsave + offset, size))
			continue;
		snprintf(found_in, sizeof(found_in), "a register of XSAVE's component %u",
			 components[i]);
		return false;
	}
	memcpy(&in_use, residue_xsave + IN_USE_OFFSET, sizeof(in_use));
	if (in_use & in_use_known) {
		snprintf(found_in, sizeof(found_in), "upper halves that are in use");
		return false;
	}
	return true;
}

/*
 * Does the processor know that upper halves are out of use when they have been cleared?
 * An emulator may say of all that they are in use always.
 */
static ssize_t use_ymm(void *buffer, size_t len, unsigned int flags, void *state,
		       size_t state_len)
{
	asm volatile("vpcmpeqd %ymm9, %ymm9, %ymm9\n\tvzeroall");
	return (void)buffer, (void)flags, (void)state, (void)state_len, (ssize_t)len;
}

static ssize_t use_zmm(void *buffer, size_t len, unsigned int flags, void *state,
		       size_t state_len)
{
	asm volatile("vpternlogd $0xff, %zmm9, %zmm9, %zmm9\n\tvzeroall");
	return (void)buffer, (void)flags, (void)state, (void)state_len, (ssize_t)len;
}

static void find_in_use(void)
{
	static const struct {
		vgetrandom_fn fn;
		uint64_t bit;
	} probes[] = { { use_ymm, 1 << 2 }, { use_zmm, 1 << 6 } };
	uint64_t in_use;

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		if (!(i ? __builtin_cpu_supports("avx512f") : __builtin_cpu_supports("avx2")))
			return;
		residue_call(probes[i].fn, NULL, 0, 0, NULL, 0);
		memcpy(&in_use, residue_xsave + IN_USE_OFFSET, sizeof(in_use));
		if (!(in_use & probes[i].bit))
			in_use_known |= probes[i].bit;
	}
}

/* Makes a call, then looks for what it should have kept to itself. */
static bool leaves_nothing(uint8_t *out, size_t len)
{
	unsigned int from = gate_count();
	size_t where;

	secrets_clear();
	secrets_add(world.state->batch, sizeof(world.state->batch));
	/* What the batch gives is not made. */
	add_streams(world.state->key, len - (len < world.state->available ? len :
					     world.state->available));
	memset(residue_xsave, 0, sizeof(residue_xsave));
	residue_call(world.fn, out, len, 0, world.state, STATE_SIZE);
	if (residue_regs[0] != len) {
		snprintf(found_in, sizeof(found_in), "nothing: the call failed");
		return false;
	}
	secrets_add(out, len);
	secrets_add(world.state->batch, sizeof(world.state->batch));
	secrets_add_key(world.state->key);
	for (; from < gate_count(); from++)
		if (gate_request(from)->is_key)
			add_streams(gate_request(from)->bytes, len);

	if (!secrets_complete())
		snprintf(found_in, sizeof(found_in), "nothing: there are too many secrets");
	else if (!registers_clean())
		return false;
	else if (secrets_found(residue_regs, sizeof(residue_regs), &where))
		snprintf(found_in, sizeof(found_in), "general register %zu", where / 8);
	else if (secrets_found(residue_xsave, sizeof(residue_xsave), &where))
		snprintf(found_in, sizeof(found_in), "XSAVE area, offset %zu", where);
	else if (secrets_found(residue_stack, sizeof(residue_stack), &where))
		snprintf(found_in, sizeof(found_in), "stack, %zu bytes below the call",
			 sizeof(residue_stack) - where);
	else
		return true;
	return false;
}

FIXTURE(residue) {
	uint8_t out[MAX_REPLAY];
};

static size_t lens[24];

FIXTURE_SETUP(residue)
{
	unsigned int a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		SKIP(return, "the processor or its kernel has no XSAVE");
	__cpuid_count(0xd, 0, a, b, c, d);
	ASSERT_GE(XSAVE_ROOM, b);
	a = MXCSR_DEFAULT;
	memcpy(residue_init + MXCSR_OFFSET, &a, sizeof(a));
	ASSERT_TRUE(world_open() && step_open(world.host));
	ASSERT_LE(0, sodium_init());
	find_in_use();

	const size_t all[] = {
		1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 40, 64, 100, BATCH - 1, BATCH, BATCH + 1,
		PASS_SIZE / 2, SECOND_KEY, PASS_SIZE, BATCH + 33, 500, 1500, BATCH + PASS_SIZE + 50,
	};

	ASSERT_EQ(sizeof(all), sizeof(lens));
	memcpy(lens, all, sizeof(lens));
}

FIXTURE_TEARDOWN(residue)
{
}

TEST_F(residue, rule_j_from_batch)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		if (lens[i] > BATCH)
			continue;
		world_start(FULL_BATCH);
		EXPECT_TRUE(leaves_nothing(self->out, lens[i])) {
			TH_LOG("%zu bytes: %s", lens[i], found_in);
		}
	}
}

TEST_F(residue, rule_j_refill_and_bulk)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		world_start(PARTLY_USED);
		EXPECT_TRUE(leaves_nothing(self->out, lens[i])) {
			TH_LOG("%zu bytes: %s", lens[i], found_in);
		}
	}
}

TEST_F(residue, rule_j_first_key)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		world_start(EMPTY);
		EXPECT_TRUE(leaves_nothing(self->out, lens[i])) {
			TH_LOG("%zu bytes: %s", lens[i], found_in);
		}
	}
}

TEST_F(residue, rule_j_rekey)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		world_start(FULL_BATCH);
		world.rng->generation++;
		EXPECT_TRUE(leaves_nothing(self->out, lens[i])) {
			TH_LOG("%zu bytes: %s", lens[i], found_in);
		}
	}
}

static int drops;

/* While the call waits for its key. */
static void drop_state(const void *ip)
{
	(void)ip;
	if (drops-- > 0)
		memset(world.state, 0, STATE_SIZE);
}

/* An attempt that is thrown away is as secret as one that is not. */
TEST_F(residue, rule_j_second_attempt_and_fallback)
{
	for (int n = 1; n <= 2; n++) {
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			world_start(PARTLY_USED);
			world.rng->generation++;
			gate->hook = drop_state;
			drops = n;
			EXPECT_TRUE(leaves_nothing(self->out, lens[i])) {
				TH_LOG("%zu bytes: %s", lens[i], found_in);
			}
			EXPECT_GE(0, drops);
			gate->hook = NULL;
		}
	}
}

/* What all tests compare with, and what is looked for here, is made of these rounds. */
TEST_F(residue, the_oracle_agrees_with_libsodium)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint8_t key[VGETRANDOM_KEY_SIZE], got[1000], want[sizeof(got)];

	for (uint32_t block = 0; block < 100000; block = block * 3 + 1) {
		randombytes_buf(key, sizeof(key));
		memset(want, 0, sizeof(want));
		crypto_stream_chacha20_xor_ic(want, want, sizeof(want), nonce, block, key);
		oracle_stream(got, sizeof(got), key, block);
		EXPECT_EQ(0, memcmp(got, want, sizeof(want)));
	}
}

/* The search finds what is there: the address that the call returns to. */
TEST_F(residue, the_search_works)
{
	uint64_t word;
	size_t where;

	world_start(PARTLY_USED);
	EXPECT_TRUE(leaves_nothing(self->out, 500));
	secrets_clear();
	word = (uintptr_t)world.fn;
	secrets_add(&word, sizeof(word));
	EXPECT_TRUE(secrets_found(residue_regs, sizeof(residue_regs), &where));
	secrets_clear();
	word = residue_stack[STACK_DEPTH / 8 - 1];
	EXPECT_NE(0, word);
	secrets_add(&word, sizeof(word));
	EXPECT_TRUE(secrets_found(residue_stack, sizeof(residue_stack), &where));
}

TEST_HARNESS_MAIN
