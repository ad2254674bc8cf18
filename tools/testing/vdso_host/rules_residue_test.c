// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rule (j): after a call no key material is on the stack or in a register.
 *
 * A stub clears registers and stack, makes the call, and copies both away before
 * anything else can run. Then every eight bytes in a row of every secret of the
 * call are looked for in the copies: keys old and new, the batch, and the whole
 * key stream, also what has been handed out.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "world.h"

#define STACK_DEPTH	65536	/* looked through, below the call */
#define XSAVE_ROOM	16384
#define MXCSR_DEFAULT	0x1f80
#define MXCSR_OFFSET	24	/* in the legacy region */

/* The stub's, which finds them by name. */
uint64_t residue_regs[16];
uint64_t residue_stack[STACK_DEPTH / 8];
alignas(64) uint8_t residue_xsave[XSAVE_ROOM];
alignas(64) uint8_t residue_init[XSAVE_ROOM];

/*
 * 0xe7: x87, SSE, AVX, and AVX-512's masks, upper halves and upper registers.
 * XRSTOR from an area that says that they are all unused makes them zero.
 */
__attribute__((naked))
static ssize_t residue_call(vgetrandom_fn fn, void *buffer, size_t len, unsigned int flags,
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
	    "mov residue_regs(%rip), %rax\n\t"
	    "add $8, %rsp\n\t"
	    "pop %r15\n\t"
	    "pop %r14\n\t"
	    "pop %r13\n\t"
	    "pop %r12\n\t"
	    "pop %rbx\n\t"
	    "pop %rbp\n\t"
	    "ret");
}

#define MAX_SECRETS	65536

static uint64_t secrets[MAX_SECRETS];
static size_t nsecrets;

static bool mostly_zero(const uint8_t *p)
{
	unsigned int zeros = 0;

	for (int i = 0; i < 8; i++)
		zeros += !p[i];
	return zeros > 3;
}

static void add_secret(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 8 <= len && nsecrets < MAX_SECRETS; i++)
		if (!mostly_zero(p + i))
			memcpy(&secrets[nsecrets++], p + i, 8);
}

static void add_stream(const uint8_t *key)
{
	uint8_t stream[2048];

	add_secret(key, VGETRANDOM_KEY_SIZE);
	oracle_stream(stream, sizeof(stream), key);
	add_secret(stream, sizeof(stream));
}

static int cmp_secret(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool holds_secret(const void *area, size_t len, size_t *where)
{
	uint64_t word;

	for (size_t i = 0; i + 8 <= len; i++) {
		memcpy(&word, area + i, 8);
		if (bsearch(&word, secrets, nsecrets, 8, cmp_secret)) {
			*where = i;
			return true;
		}
	}
	return false;
}

static char found_in[64];

/* Makes a call, then looks for what it should have kept to itself. */
static bool leaves_nothing(uint8_t *out, size_t len)
{
	unsigned int from = gate_count();
	size_t where;

	nsecrets = 0;
	add_secret(world.state->batch, BATCH);
	add_stream(world.state->key);
	memset(residue_xsave, 0, sizeof(residue_xsave));
	if (residue_call(world.fn, out, len, 0, world.state, STATE_SIZE) != (ssize_t)len) {
		snprintf(found_in, sizeof(found_in), "nothing: the call failed");
		return false;
	}
	add_secret(out, len);
	add_secret(world.state->batch, BATCH);
	add_stream(world.state->key);
	for (; from < gate_count(); from++)
		if (gate_request(from)->is_key)
			add_stream(gate_request(from)->bytes);
	qsort(secrets, nsecrets, sizeof(secrets[0]), cmp_secret);

	if (holds_secret(residue_regs, sizeof(residue_regs), &where))
		snprintf(found_in, sizeof(found_in), "general register %zu", where / 8);
	else if (holds_secret(residue_xsave, sizeof(residue_xsave), &where))
		snprintf(found_in, sizeof(found_in), "XSAVE area, offset %zu", where);
	else if (holds_secret(residue_stack, sizeof(residue_stack), &where))
		snprintf(found_in, sizeof(found_in), "stack, %zu bytes below the call",
			 sizeof(residue_stack) - where);
	else
		return true;
	return false;
}

FIXTURE(residue) {
	uint8_t out[2048];
};

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
	ASSERT_TRUE(world_open());
}

FIXTURE_TEARDOWN(residue)
{
}

static const size_t lens[] = { 1, 7, 8, 15, 16, 31, 32, 40, 64, 100, BATCH,
			       BATCH + 1, 192, 224, 333, 500, 1000, 1500 };

TEST_F(residue, rule_j_from_batch)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens) && lens[i] <= BATCH; i++) {
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

/* The search finds what is there: the address that the call returns to. */
TEST_F(residue, the_search_works)
{
	size_t where;

	world_start(PARTLY_USED);
	EXPECT_TRUE(leaves_nothing(self->out, 500));
	nsecrets = 1;
	secrets[0] = (uintptr_t)world.fn;
	EXPECT_TRUE(holds_secret(residue_regs, sizeof(residue_regs), &where));
	secrets[0] = residue_stack[STACK_DEPTH / 8 - 1];
	EXPECT_NE(0, secrets[0]);
	EXPECT_TRUE(holds_secret(residue_stack, sizeof(residue_stack), &where));
}

TEST_HARNESS_MAIN
