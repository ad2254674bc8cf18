// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compare the vDSO's ChaCha20 cores with libsodium and with the vectors of RFC 8439.
 *
 * usage: vdso_test_chacha [CORE]...	(default: all cores)
 *
 * Both buffers of a call adjoin an inaccessible page, once before and once after the
 * buffer, so that an access even one byte outside faults. Each call has a stack of one
 * word, and starts with all vector registers zero. It must return with them zero.
 */
#include <cpuid.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sodium.h>
#include <sys/mman.h>

#include "../kselftest.h"
#include "vdso_test_chacha.h"

#define KEY_SIZE	VGETRANDOM_KEY_SIZE
#define BLOCK_SIZE	VGETRANDOM_BLOCK_SIZE
#define MAX_BLOCKS	70
#define MANY_BLOCKS	65600		/* needs a counter of more than 16 bits */
#define PAGE		4096
#define AREA_SIZE		(2 * PAGE)	/* of a guarded area */
#define FILL_BYTE	0xa5

/* The token that a core must store to lock the state. */
#define TOKEN		0x1122334455667788UL

#define XSAVE_SIZE	16384
#define XMM_OFFSET	160		/* in the legacy region */
#define XMM_SIZE	(16 * 16)
#define MXCSR_OFFSET	24
#define MXCSR_DEFAULT	0x1f80

void *one_word_stack;
alignas(64) uint8_t saved_registers[XSAVE_SIZE];
alignas(64) uint8_t initial_registers[XSAVE_SIZE];
uint32_t has_xsave, has_xinuse, saved_xinuse;

/*
 * 0xe7: x87, SSE, AVX, and AVX-512's masks, upper halves and upper registers. XRSTOR
 * from an area with an empty XSTATE_BV sets all of them to zero.
 */
asm(".text\n"
	".globl call_core\n\t"
	".type call_core, @function\n"
	"call_core:\n\t"
	"push %rbp\n\t"
	"push %rbx\n\t"
	"push %r12\n\t"
	"push %r13\n\t"
	"push %r14\n\t"
	"push %r15\n\t"
	"mov %rsp, saved_rsp(%rip)\n\t"
	"mov %rdx, %rbx\n\t"
	"cmpl $0, has_xsave(%rip)\n\t"
	"je 1f\n\t"
	"mov $0xe7, %eax\n\t"
	"xor %edx, %edx\n\t"
	"xrstor initial_registers(%rip)\n\t"
	"jmp 2f\n"
	"1:\n\t"
	"fxrstor initial_registers(%rip)\n"
	"2:\n\t"
	"mov %rbx, %rdx\n\t"
	"mov one_word_stack(%rip), %rsp\n\t"
	"add $8, %rsp\n\t"
	"mov $0x1111, %ebp\n\t"
	"mov $0x2222, %ebx\n\t"
	"mov $0x3333, %r12d\n\t"
	"mov $0x4444, %r13d\n\t"
	"mov $0x5555, %r14d\n\t"
	"mov $0x6666, %r15d\n\t"
	"call *%r8\n\t"
	"cmpl $0, has_xinuse(%rip)\n\t"
	"je 3f\n\t"
	"mov $1, %ecx\n\t"
	"xgetbv\n\t"
	"mov %eax, saved_xinuse(%rip)\n"
	"3:\n\t"
	"cmpl $0, has_xsave(%rip)\n\t"
	"je 4f\n\t"
	"mov $0xe7, %eax\n\t"
	"xor %edx, %edx\n\t"
	"xsave saved_registers(%rip)\n\t"
	"jmp 5f\n"
	"4:\n\t"
	"fxsave saved_registers(%rip)\n"
	"5:\n\t"
	"sub $8, %rsp\n\t"
	"xor %eax, %eax\n\t"
	"cmp %rsp, one_word_stack(%rip)\n\t"
	"jne 6f\n\t"
	"cmp $0x1111, %rbp\n\t"
	"jne 6f\n\t"
	"cmp $0x2222, %rbx\n\t"
	"jne 6f\n\t"
	"cmp $0x3333, %r12\n\t"
	"jne 6f\n\t"
	"cmp $0x4444, %r13\n\t"
	"jne 6f\n\t"
	"cmp $0x5555, %r14\n\t"
	"jne 6f\n\t"
	"cmp $0x6666, %r15\n\t"
	"jne 6f\n\t"
	"inc %eax\n"
	"6:\n\t"
	"mov saved_rsp(%rip), %rsp\n\t"
	"pop %r15\n\t"
	"pop %r14\n\t"
	"pop %r13\n\t"
	"pop %r12\n\t"
	"pop %rbx\n\t"
	"pop %rbp\n\t"
	"ret\n\t"
	".size call_core, . - call_core\n\t"
	".local saved_rsp\n\t"
	".comm saved_rsp, 8, 8\n");

asm(".text\n"
	"leave_xmm15:\n\t"
	"pcmpeqd %xmm15, %xmm15\n\t"
	"ret\n"
	"leave_upper_ymm0:\n\t"
	"pcmpeqd %xmm1, %xmm1\n\t"
	"vinserti128 $1, %xmm1, %ymm0, %ymm0\n\t"
	"pxor %xmm1, %xmm1\n\t"
	"ret\n"
	"leave_upper_ymm31:\n\t"
	"vpcmpeqd %xmm1, %xmm1, %xmm1\n\t"
	"vinserti32x4 $1, %xmm1, %ymm31, %ymm31\n\t"
	"vpxor %xmm1, %xmm1, %xmm1\n\t"
	"ret\n"
	"leave_upper_zmm9:\n\t"
	"vpcmpeqd %ymm1, %ymm1, %ymm1\n\t"
	"vinserti64x4 $1, %ymm1, %zmm9, %zmm9\n\t"
	"vpxor %xmm1, %xmm1, %xmm1\n\t"
	"ret\n"
	"leave_zmm16:\n\t"
	"mov $1, %eax\n\t"
	"vmovd %eax, %xmm16\n\t"
	"ret\n"
	"leave_zmm31:\n\t"
	"vpternlogd $0xff, %zmm31, %zmm31, %zmm31\n\t"
	"ret\n"
	"leave_mask:\n\t"
	"kxnorw %k7, %k7, %k7\n\t"
	"ret\n"
	"leave_r15:\n\t"
	"mov %rsi, %r15\n\t"
	"ret\n"
	"leave_stack:\n\t"
	"mov %rsi, -8(%rsp)\n\t"
	"ret\n"
	"use_ymm:\n\t"
	"vpcmpeqd %ymm9, %ymm9, %ymm9\n\t"
	"vzeroall\n\t"
	"ret\n"
	"use_zmm:\n\t"
	"vpternlogd $0xff, %zmm9, %zmm9, %zmm9\n\t"
	"vzeroall\n\t"
	"ret\n");

struct core {
	const char *name;
	core_fn *fn;
	size_t blocks;		/* blocks per iteration */
	const char *feature;
	bool supported;
};

static uint8_t *map_guarded(size_t size)
{
	uint8_t *p = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (p == MAP_FAILED || mprotect(p + PAGE, size, PROT_READ | PROT_WRITE))
		ksft_exit_fail_msg("mapping a guarded area: %s\n",
				   strerror(errno));
	return p + PAGE;
}

static uint8_t *dst_area, *state_area;
static uint8_t key[KEY_SIZE];
static char message[256];

/* Place a buffer in its area: @shift bytes from the guard page after it (@high) or before it. */
static uint8_t *place(uint8_t *area, size_t len, bool high, size_t shift)
{
	return high ? area + AREA_SIZE - len - shift : area + shift;
}

/* One block per call, so that the result does not depend on libsodium's block counter. */
static void reference(uint8_t *out, uint64_t counter, size_t nblocks)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	memset(out, 0, nblocks * BLOCK_SIZE);
	for (size_t i = 0; i < nblocks; i++, out += BLOCK_SIZE)
		crypto_stream_chacha20_xor_ic(out, out, BLOCK_SIZE, nonce, counter + i, key);
}

static bool all_bytes(const uint8_t *p, size_t len, uint8_t value)
{
	while (len--)
		if (*p++ != value)
			return false;
	return true;
}

/*
 * Registers after a call.
 */

static const struct {
	unsigned int number;
	const char *name;
} components[] = {
	{ 2, "upper half of a ymm register" },
	{ 5, "mask register" },
	{ 6, "upper half of a zmm register" },
	{ 7, "zmm register from 16 on" },
};

/* Components for which XGETBV(1) reports, after a reset, that they are not in use. */
static uint32_t xinuse_clearable;

static const char *check_registers(void)
{
	unsigned int size, offset, c, d;

	if (!all_bytes(saved_registers + XMM_OFFSET, XMM_SIZE, 0))
		return "an xmm register is not zero";
	for (size_t i = 0; has_xsave && i < ARRAY_SIZE(components); i++) {
		__cpuid_count(0xd, components[i].number, size, offset, c, d);
		if (!all_bytes(saved_registers + offset, size, 0)) {
			snprintf(message, sizeof(message), "the %s is not zero",
				 components[i].name);
			return message;
		}
	}
	if (saved_xinuse & xinuse_clearable)
		return "registers are zero, but XGETBV(1) reports them in use";
	return NULL;
}

static void probe_xsave(void)
{
	unsigned int a, b, c, d, mxcsr = MXCSR_DEFAULT;

	memcpy(initial_registers + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		return;
	__cpuid_count(0xd, 0, a, b, c, d);
	if (b > XSAVE_SIZE)
		ksft_exit_fail_msg("XSAVE needs %u bytes; raise XSAVE_SIZE\n", b);
	has_xsave = true;
	__cpuid_count(0xd, 1, a, b, c, d);
	has_xinuse = a & 1 << 2;
	if (!has_xinuse || !__builtin_cpu_supports("avx2"))
		return;
	/* An emulator may always report all components in use. */
	call_core(NULL, NULL, 0, 0, use_ymm);
	if (!(saved_xinuse & 1 << 2))
		xinuse_clearable |= 1 << 2;
	if (!__builtin_cpu_supports("avx512vl"))
		return;
	call_core(NULL, NULL, 0, 0, use_zmm);
	if (!(saved_xinuse & 1 << 6))
		xinuse_clearable |= 1 << 6;
}

/*
 * Faults on the stack or next to a buffer. The handler runs on an alternate stack, and
 * ends the call. If a test has set on_dst_fault(), and that returns true, the call goes on.
 */

static sigjmp_buf after_fault;
static void *fault_address;
static bool (*on_dst_fault)(uint8_t *where);

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	(void)sig;
	(void)ucontext;
	if (on_dst_fault && on_dst_fault(info->si_addr))
		return;
	fault_address = info->si_addr;
	siglongjmp(after_fault, 1);
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_size = 65536 };

	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) ||
	    sigaction(SIGSEGV, &sa, NULL))
		ksft_exit_fail_msg("catching faults: %s\n", strerror(errno));
}

static const char *describe_fault(void)
{
	const uint8_t *p = fault_address;
	const char *where = "outside the stack and both buffers";

	if (p >= (uint8_t *)one_word_stack - PAGE &&
	    p < (uint8_t *)one_word_stack + AREA_SIZE + PAGE)
		where = "on the stack";
	else if (p >= dst_area - PAGE && p < dst_area + AREA_SIZE + PAGE)
		where = "next to the destination";
	else if (p >= state_area - PAGE && p < state_area + AREA_SIZE + PAGE)
		where = "next to the state";
	snprintf(message, sizeof(message), "an invalid access %s", where);
	return message;
}

static const char *call_checked(core_fn *fn, struct vgetrandom_state *state, uint8_t *dst,
				size_t nblocks)
{
	if (sigsetjmp(after_fault, 1))
		return describe_fault();
	if (!call_core(state, dst, nblocks, TOKEN, fn))
		return "a callee-saved register has changed";
	return check_registers();
}

/*
 * Check one call: the output at @dst, the state, and that nothing else in both areas has
 * changed. Returns NULL or an error message.
 */
static const char *check_call(const struct core *core, uint8_t *state_at, uint8_t *dst,
			      size_t nblocks)
{
	static uint8_t want[(MAX_BLOCKS + VGETRANDOM_MAX_BLOCKS) * BLOCK_SIZE];
	static uint8_t state_want[AREA_SIZE];
	size_t kept = core->blocks - nblocks % core->blocks, len = nblocks * BLOCK_SIZE;
	const size_t at = state_at - state_area;
	unsigned long token = TOKEN;
	const char *error;

	memset(dst_area, FILL_BYTE, AREA_SIZE);
	memset(state_area, FILL_BYTE, AREA_SIZE);
	memset(state_at + offsetof(struct vgetrandom_state, owner), 0, sizeof(token));
	memset(state_at + offsetof(struct vgetrandom_state, scratch), 0,
	       VGETRANDOM_SCRATCH_SIZE);
	memcpy(state_at + offsetof(struct vgetrandom_state, key), key, KEY_SIZE);

	reference(want, 0, nblocks + kept);
	memcpy(state_want, state_area, AREA_SIZE);
	memcpy(state_want + at + offsetof(struct vgetrandom_state, owner), &token, sizeof(token));
	memcpy(state_want + at + offsetof(struct vgetrandom_state, key), want + len,
	       kept * BLOCK_SIZE);

	error = call_checked(core->fn, (struct vgetrandom_state *)state_at, dst, nblocks);
	if (error)
		return error;
	if (memcmp(dst, want, len))
		return "the output differs from libsodium's";
	if (!all_bytes(dst_area, dst - dst_area, FILL_BYTE) ||
	    !all_bytes(dst + len, dst_area + AREA_SIZE - dst - len, FILL_BYTE))
		return "bytes outside the destination have changed";
	for (size_t i = 0; i < AREA_SIZE; i++) {
		if (state_area[i] == state_want[i])
			continue;
		snprintf(message, sizeof(message), "byte %zd of the state (%zu bytes) is wrong",
			 (ssize_t)(i - at), sizeof(struct vgetrandom_state));
		return message;
	}
	return NULL;
}

/* Check a call for each way to put the two buffers at the edges of their areas. */
static bool check_at_edges(const struct core *core, size_t nblocks, size_t state_shift,
			   size_t dst_shift)
{
	for (unsigned int edges = 0; edges < 4; edges++) {
		uint8_t *state = place(state_area, sizeof(struct vgetrandom_state), edges & 1,
				       state_shift);
		uint8_t *dst = place(dst_area, nblocks * BLOCK_SIZE, edges & 2, dst_shift);
		const char *error = check_call(core, state, dst, nblocks);

		if (!error)
			continue;
		ksft_print_msg("%zu blocks, state %zu bytes from page %s, dst %zu from %s: %s\n",
			       nblocks, state_shift, edges & 1 ? "after" : "before",
			       dst_shift, edges & 2 ? "after" : "before", error);
		return false;
	}
	return true;
}

/*
 * RFC 8439 splits the 128 bits after the key into a 32-bit counter and a 96-bit
 * nonce; in a core the nonce is zero. So vectors 1 to 4 of appendix A.1 apply. Vector 5,
 * section 2.3.2 and appendix A.2 have bits set in the last words of the nonce, which a
 * core cannot express; except the first vector of A.2, which equals A.1's first.
 */
static const struct {
	uint8_t key_index, key_byte;	/* the key's only byte that is not 0 */
	size_t block;
	const char *bytes;
} rfc8439[] = {
	{
		0, 0x00, 0,
		"76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
	},
	{
		0, 0x00, 1,
		"9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
	},
	{
		31, 0x01, 1,
		"3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0",
	},
	{
		1, 0xff, 2,
		"72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096",
	},
};

/* Each vector once at the destination, and once in the state. */
static bool test_rfc8439(const struct core *core)
{
	for (size_t i = 0; i < ARRAY_SIZE(rfc8439); i++) {
		const size_t block = rfc8439[i].block;
		uint8_t want[BLOCK_SIZE];
		size_t len;

		sodium_hex2bin(want, sizeof(want), rfc8439[i].bytes,
			       strlen(rfc8439[i].bytes), NULL, &len, NULL);
		for (size_t nblocks = 0; nblocks <= block + 1; nblocks += block + 1) {
			struct vgetrandom_state state = { .owner = 0 };
			uint8_t got[(MAX_BLOCKS + 1) * BLOCK_SIZE];
			const uint8_t *at = nblocks ? got : state.key;

			state.key[rfc8439[i].key_index] = rfc8439[i].key_byte;
			if (call_checked(core->fn, &state, got, nblocks) || len != BLOCK_SIZE ||
			    memcmp(at + block * BLOCK_SIZE, want, BLOCK_SIZE)) {
				ksft_print_msg("the output differs from vector %zu\n", i + 1);
				return false;
			}
		}
	}
	return true;
}

static bool test_lengths(const struct core *core)
{
	for (size_t n = 0; n <= MAX_BLOCKS; n++) {
		randombytes_buf(key, sizeof(key));
		if (!check_at_edges(core, n, 0, 0))
			return false;
	}
	return true;
}

/* Compare page by page with libsodium, with libsodium's own block counter. */
static bool test_many_blocks(const struct core *core)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	const size_t len = MANY_BLOCKS * BLOCK_SIZE, step = PAGE;
	struct vgetrandom_state state = { .owner = 0 };
	uint8_t *dst = map_guarded(len), want[PAGE];
	bool ok;

	memcpy(state.key, key, KEY_SIZE);
	ok = !call_checked(core->fn, &state, dst, MANY_BLOCKS);
	for (size_t done = 0; ok && done < len; done += step) {
		memset(want, 0, step);
		crypto_stream_chacha20_xor_ic(want, want, step, nonce, done / BLOCK_SIZE, key);
		ok = !memcmp(dst + done, want, step);
		if (!ok)
			ksft_print_msg("the output differs from libsodium's in blocks %zu to %zu\n",
				       done / BLOCK_SIZE, (done + step) / BLOCK_SIZE - 1);
	}
	munmap(dst - PAGE, len + 2 * PAGE);
	return ok;
}

static bool test_unaligned(const struct core *core)
{
	for (size_t shift = 0; shift < 64; shift++)
		for (size_t n = 0; n <= 2 * core->blocks + 1; n += n < 3 ? 1 : core->blocks / 2 - 1)
			if (!check_at_edges(core, n, 0, shift))
				return false;
	return true;
}

static bool test_unaligned_state(const struct core *core)
{
	for (size_t shift = 0; shift < 64; shift++)
		for (size_t n = 0; n <= core->blocks; n += core->blocks / 2)
			if (!check_at_edges(core, n, shift, 0))
				return false;
	return true;
}

/*
 * Two iterations, each with its output on a page that is not accessible yet. The first
 * write of each faults, and the handler checks that the state is locked by then.
 */
static struct {
	struct vgetrandom_state *state;
	unsigned int iterations, locked;
} order;

static bool count_locked(uint8_t *where)
{
	uint8_t *page = where - (uintptr_t)where % PAGE;

	if (where < dst_area || where >= dst_area + AREA_SIZE)
		return false;
	order.iterations++;
	order.locked += order.state->owner == TOKEN;
	order.state->owner = 0;
	return !mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static bool test_lock(const struct core *core)
{
	uint8_t *dst = dst_area + PAGE - core->blocks * BLOCK_SIZE;
	const char *error;

	memset(state_area, 0, AREA_SIZE);
	memset(&order, 0, sizeof(order));
	order.state = (struct vgetrandom_state *)state_area;
	mprotect(dst_area, AREA_SIZE, PROT_NONE);
	on_dst_fault = count_locked;
	error = call_checked(core->fn, order.state, dst, 2 * core->blocks);
	on_dst_fault = NULL;
	mprotect(dst_area, AREA_SIZE, PROT_READ | PROT_WRITE);
	if (!error && order.iterations == 2 && order.locked == 2 && order.state->owner == TOKEN)
		return true;
	ksft_print_msg("%s; expected 2 locked iterations, got %u, %u of them locked\n",
		       error ? error : "the state is not locked",
		       order.iterations, order.locked);
	return false;
}

static const struct {
	const char *name;
	bool (*fn)(const struct core *core);
} tests[] = {
	{ "RFC 8439 vectors", test_rfc8439 },
	{ "0 to 70 blocks match libsodium", test_lengths },
	{ "65600 blocks match libsodium", test_many_blocks },
	{ "all 64 alignments of the destination", test_unaligned },
	{ "all 64 alignments of the state", test_unaligned_state },
	{ "locks the state before each iteration's results", test_lock },
};

/* Control: call_checked() detects each register or stack word that a core leaves behind. */
static bool test_own_checks(void)
{
	const bool avx2 = __builtin_cpu_supports("avx2");
	const bool avx512 = __builtin_cpu_supports("avx512vl");
	const struct {
		const char *name;
		core_fn *fn;
		bool supported;
	} leaky_cores[] = {
		{ "xmm15", leave_xmm15, true },
		{ "r15", leave_r15, true },
		{ "the stack", leave_stack, true },
		{ "the upper half of ymm0", leave_upper_ymm0, avx2 },
		{ "the upper half of ymm31", leave_upper_ymm31, avx512 },
		{ "the upper half of zmm9", leave_upper_zmm9, avx512 },
		{ "zmm16", leave_zmm16, avx512 },
		{ "zmm31", leave_zmm31, avx512 },
		{ "a mask register", leave_mask, avx512 },
	};
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(leaky_cores); i++) {
		if (!leaky_cores[i].supported || call_checked(leaky_cores[i].fn, NULL, NULL, 0))
			continue;
		ksft_print_msg("a core that changes %s is not detected\n", leaky_cores[i].name);
		ok = false;
	}
	return ok;
}

static void test_core(const struct core *core)
{
	if (!core->supported) {
		ksft_test_result_skip("%s: the processor or the kernel lacks %s\n",
				      core->name, core->feature);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		ksft_test_result(tests[i].fn(core), "%s: %s\n", core->name, tests[i].name);
}

int main(int argc, char **argv)
{
	/* The compiler's runtime checks CPUID, and XGETBV for what the kernel enables. */
	const struct core cores[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
		{ #name, vgetrandom_chacha20_##name, blocks, feature,	\
		  __builtin_cpu_supports(feature) },
#include <asm/vdso/getrandom-cores.h>
	};
	const struct core *chosen[ARRAY_SIZE(cores)];
	unsigned int nr_chosen = 0, plan = 1;

	for (size_t i = 0; i < ARRAY_SIZE(cores); i++) {
		bool wanted = argc < 2;

		for (int arg = 1; arg < argc; arg++)
			wanted |= !strcmp(argv[arg], cores[i].name);
		if (!wanted)
			continue;
		chosen[nr_chosen++] = &cores[i];
		plan += cores[i].supported ? ARRAY_SIZE(tests) : 1;
	}
	if (argc > 1 && nr_chosen != (unsigned int)argc - 1)
#define VGETRANDOM_CORE(NAME, name, ...)	" " #name
		ksft_exit_fail_msg("usage: vdso_test_chacha [CORE]...; the cores are"
#include <asm/vdso/getrandom-cores.h>
				   "\n");

	if (sodium_init() < 0)
		ksft_exit_fail_msg("sodium_init() failed\n");
	dst_area = map_guarded(AREA_SIZE);
	state_area = map_guarded(AREA_SIZE);
	one_word_stack = map_guarded(AREA_SIZE);
	randombytes_buf(key, sizeof(key));
	probe_xsave();
	catch_faults();

	ksft_print_header();
	ksft_set_plan(plan);
	ksft_test_result(test_own_checks(), "each check detects what a core leaves behind\n");
	for (size_t i = 0; i < nr_chosen; i++)
		test_core(chosen[i]);
	ksft_finished();
}
