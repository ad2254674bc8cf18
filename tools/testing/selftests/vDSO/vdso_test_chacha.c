// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vDSO's ChaCha20 against libsodium's, and against RFC 8439.
 *
 * Every buffer given to the function lies against an inaccessible page: once
 * with the page right after it, once with the page right before it, so that an
 * access of one byte too many is a crash and not luck.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "vdso_test_chacha.h"

#define KEY_SIZE	32
#define BLOCK_SIZE	64
#define MAX_BLOCKS	32
#define PAGE		4096
#define ROOM		(2 * PAGE)	/* of a guarded buffer */

static uint8_t *map_guarded(void)
{
	uint8_t *p = mmap(NULL, ROOM + 2 * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + PAGE, ROOM, PROT_READ | PROT_WRITE))
		ksft_exit_fail_msg("mapping a guarded buffer: %s\n",
				   strerror(errno));
	return p + PAGE;
}

static uint8_t *dst_room, *key_room, *counter_room, *owner_room;

/* What the function is to write where it locks a state. */
#define CALL		0x1122334455667788UL

/* Where in its room a buffer lies: against the page after it, or before it. */
static uint8_t *place(uint8_t *room, size_t len, bool high)
{
	return high ? room + ROOM - len : room;
}

/* One block at a time, so that libsodium's own carrying is not at work. */
static void reference(uint8_t *out, const uint8_t *key, uint64_t counter,
		      size_t nblocks)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	for (size_t i = 0; i < nblocks; i++) {
		memset(out + i * BLOCK_SIZE, 0, BLOCK_SIZE);
		crypto_stream_chacha20_xor_ic(out + i * BLOCK_SIZE,
					      out + i * BLOCK_SIZE, BLOCK_SIZE,
					      nonce, counter + i, key);
	}
}

static bool all_bytes(const uint8_t *p, size_t len, uint8_t value)
{
	while (len--)
		if (*p++ != value)
			return false;
	return true;
}

/*
 * Makes the blocks from @counter on in calls of parts[0..nparts) blocks, and
 * checks bytes, counter, key, lock, and the bytes of the page that were not asked
 * for.
 */
static bool run_parts(const uint8_t *key, uint64_t counter,
		      const size_t *parts, size_t nparts, bool high,
		      size_t dst_shift, size_t key_shift)
{
	uint8_t want[MAX_BLOCKS * BLOCK_SIZE];
	size_t total = 0, len, done = 0;
	uint8_t *dst, *k, *c;
	unsigned long *owner;
	uint64_t counter_end;
	bool locked = true;

	for (size_t i = 0; i < nparts; i++)
		total += parts[i];
	len = total * BLOCK_SIZE;
	reference(want, key, counter, total);

	dst = place(dst_room, len + dst_shift, high) + (high ? 0 : dst_shift);
	k = place(key_room, KEY_SIZE + key_shift, high) + (high ? 0 : key_shift);
	c = place(counter_room, sizeof(counter), high);
	memset(dst_room, 0xa5, ROOM);
	memcpy(k, key, KEY_SIZE);
	memcpy(c, &counter, sizeof(counter));

	owner = (unsigned long *)place(owner_room, sizeof(*owner), high);
	for (size_t i = 0; i < nparts; i++) {
		*owner = 0;
		vgetrandom_chacha20_blocks(dst + done, k, (uint64_t *)c,
					   parts[i], owner, CALL + i);
		locked &= *owner == (parts[i] ? CALL + i : 0);
		done += parts[i] * BLOCK_SIZE;
	}
	memcpy(&counter_end, c, sizeof(counter_end));
	return locked && !memcmp(dst, want, len) && !memcmp(k, key, KEY_SIZE) &&
	       counter_end == counter + total &&
	       all_bytes(dst_room, dst - dst_room, 0xa5) &&
	       all_bytes(dst + len, dst_room + ROOM - dst - len, 0xa5);
}

static bool run(const uint8_t *key, uint64_t counter, size_t nblocks)
{
	return run_parts(key, counter, &nblocks, 1, true, 0, 0) &&
	       run_parts(key, counter, &nblocks, 1, false, 0, 0);
}

/*
 * RFC 8439 splits the 128 bits after the key into a 32-bit counter and a 96-bit
 * nonce; here they are a 64-bit counter and a nonce of zero. So of appendix A.1
 * vectors 1 to 4 apply. Vector 5, section 2.3.2 and all of appendix A.2 but its
 * first vector (which is A.1's first again) have bits set in the last two words
 * of the nonce, which this function cannot express.
 */
static const struct {
	uint8_t key_index, key_byte;	/* the key's only byte that is not 0 */
	uint64_t counter;
	const char *block;
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

static bool test_rfc8439(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rfc8439); i++) {
		uint8_t want[BLOCK_SIZE], got[BLOCK_SIZE], key[KEY_SIZE] = { 0 };
		uint64_t counter = rfc8439[i].counter;
		unsigned long owner;
		size_t len;

		sodium_hex2bin(want, sizeof(want), rfc8439[i].block,
			       strlen(rfc8439[i].block), NULL, &len, NULL);
		key[rfc8439[i].key_index] = rfc8439[i].key_byte;
		vgetrandom_chacha20_blocks(got, key, &counter, 1, &owner, CALL);
		if (len != BLOCK_SIZE || memcmp(got, want, BLOCK_SIZE)) {
			ksft_print_msg("vector %zu differs\n", i + 1);
			return false;
		}
	}
	return true;
}

static uint8_t key[KEY_SIZE];

static bool test_lengths(void)
{
	for (size_t n = 0; n <= MAX_BLOCKS; n++) {
		randombytes_buf(key, sizeof(key));
		if (!run(key, 0, n)) {
			ksft_print_msg("%zu blocks differ\n", n);
			return false;
		}
	}
	return true;
}

static bool split_ok(const size_t *parts, size_t nparts)
{
	for (int high = 0; high < 2; high++) {
		if (!run_parts(key, 7, parts, nparts, high, 0, 0)) {
			ksft_print_msg("%zu+%zu+%zu blocks differ\n", parts[0],
				       parts[1], nparts > 2 ? parts[2] : 0);
			return false;
		}
	}
	return true;
}

static bool test_splits(void)
{
	size_t p[3];

	for (size_t n = 1; n <= MAX_BLOCKS; n++) {
		randombytes_buf(key, sizeof(key));
		for (p[0] = 0; p[0] <= n; p[0]++) {
			p[1] = n - p[0];
			if (!split_ok(p, 2))
				return false;
			if (n > 12)
				continue;
			for (p[1] = 0; p[0] + p[1] <= n; p[1]++) {
				p[2] = n - p[0] - p[1];
				if (!split_ok(p, 3))
					return false;
			}
		}
	}
	return true;
}

/* The carry falls on every block of the run, and just outside of it. */
static bool carries_at(uint64_t edge)
{
	for (size_t n = 1; n <= MAX_BLOCKS; n++) {
		for (size_t before = 0; before <= n + 1; before++) {
			if (!run(key, edge - before, n)) {
				ksft_print_msg("%zu blocks from %#llx differ\n",
					       n, (unsigned long long)(edge - before));
				return false;
			}
		}
	}
	return true;
}

static bool test_carry_32(void)
{
	static const uint64_t edges[] = {
		1ULL << 31, 1ULL << 32, 1ULL << 33, 0xffffffffULL << 32, 1ULL << 63,
	};

	for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
		if (!carries_at(edges[i]))
			return false;
	return true;
}

static bool test_carry_64(void)
{
	return carries_at(0);	/* 0 - before: the last values of 64 bits */
}

static bool test_unaligned(void)
{
	size_t n;

	for (size_t shift = 0; shift < 64; shift++) {
		for (n = 0; n <= 13; n++) {
			if (!run_parts(key, 0, &n, 1, true, shift, 0) ||
			    !run_parts(key, 0, &n, 1, false, shift, 0)) {
				ksft_print_msg("%zu blocks, destination at offset %zu\n",
					       n, shift);
				return false;
			}
		}
	}
	return true;
}

static bool test_unaligned_key(void)
{
	size_t n = 3;

	for (size_t shift = 0; shift < 64; shift++) {
		if (!run_parts(key, 0, &n, 1, true, 0, shift) ||
		    !run_parts(key, 0, &n, 1, false, 0, shift)) {
			ksft_print_msg("key at offset %zu\n", shift);
			return false;
		}
	}
	return true;
}

/* As a refill does it: the run's last 32 bytes are the key it was made with. */
static bool test_overlap(void)
{
	for (size_t n = 1; n <= MAX_BLOCKS; n++) {
		for (int high = 0; high < 2; high++) {
			uint8_t want[MAX_BLOCKS * BLOCK_SIZE];
			size_t len = n * BLOCK_SIZE;
			uint64_t counter = 3;
			unsigned long owner;
			uint8_t *dst;

			randombytes_buf(key, sizeof(key));
			reference(want, key, counter, n);
			dst = place(dst_room, len, high);
			memcpy(dst + len - KEY_SIZE, key, KEY_SIZE);
			vgetrandom_chacha20_blocks(dst, dst + len - KEY_SIZE,
						   &counter, n, &owner, CALL);
			if (memcmp(dst, want, len) || counter != 3 + n) {
				ksft_print_msg("%zu blocks differ\n", n);
				return false;
			}
		}
	}
	return true;
}

/* The other half of "any place in the last block": the key is its first half. */
static bool test_overlap_first_half(void)
{
	for (size_t n = 1; n <= MAX_BLOCKS; n++) {
		uint8_t want[MAX_BLOCKS * BLOCK_SIZE];
		size_t len = n * BLOCK_SIZE;
		uint64_t counter = 0;
		unsigned long owner;
		uint8_t *dst = place(dst_room, len, true);

		reference(want, key, counter, n);
		memcpy(dst + len - BLOCK_SIZE, key, KEY_SIZE);
		vgetrandom_chacha20_blocks(dst, dst + len - BLOCK_SIZE,
					   &counter, n, &owner, CALL);
		if (memcmp(dst, want, len)) {
			ksft_print_msg("%zu blocks differ\n", n);
			return false;
		}
	}
	return true;
}

void *one_word_stack;

#ifdef __x86_64__
asm(".text\n"
	".type call_without_stack, @function\n"
	"call_without_stack:\n\t"
	"push %rbp\n\t"
	"push %rbx\n\t"
	"push %r12\n\t"
	"push %r13\n\t"
	"push %r14\n\t"
	"push %r15\n\t"
	"mov %rsp, saved_rsp(%rip)\n\t"
	"mov one_word_stack(%rip), %rsp\n\t"
	"add $8, %rsp\n\t"
	"mov $0x1111, %ebp\n\t"
	"mov $0x2222, %ebx\n\t"
	"mov $0x3333, %r12d\n\t"
	"mov $0x4444, %r13d\n\t"
	"mov $0x5555, %r14d\n\t"
	"mov $0x6666, %r15d\n\t"
	"call vgetrandom_chacha20_blocks\n\t"
	"xor %eax, %eax\n\t"
	"cmp $0x1111, %rbp\n\t"
	"jne 1f\n\t"
	"cmp $0x2222, %rbx\n\t"
	"jne 1f\n\t"
	"cmp $0x3333, %r12\n\t"
	"jne 1f\n\t"
	"cmp $0x4444, %r13\n\t"
	"jne 1f\n\t"
	"cmp $0x5555, %r14\n\t"
	"jne 1f\n\t"
	"cmp $0x6666, %r15\n\t"
	"jne 1f\n\t"
	"inc %eax\n\t"
	"1:\n\t"
	"mov saved_rsp(%rip), %rsp\n\t"
	"pop %r15\n\t"
	"pop %r14\n\t"
	"pop %r13\n\t"
	"pop %r12\n\t"
	"pop %rbx\n\t"
	"pop %rbp\n\t"
	"ret\n\t"
	".size call_without_stack, . - call_without_stack\n\t"
	".local saved_rsp\n\t"
	".comm saved_rsp, 8, 8\n\t");

/* In a child, which a push, or a word below the stack pointer, crashes. */
static bool test_no_stack(void)
{
	static const size_t blocks[] = { 0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 31, 32 };
	uint8_t *stack = map_guarded();
	unsigned long owner;
	int status;
	pid_t pid;

	fflush(stdout);
	one_word_stack = stack;
	pid = fork();
	if (!pid) {
		for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
			uint8_t want[MAX_BLOCKS * BLOCK_SIZE];
			uint64_t counter = 0;

			reference(want, key, 0, blocks[i]);
			if (!call_without_stack(dst_room, key, &counter,
						blocks[i], &owner, CALL))
				_exit(1);
			if (memcmp(dst_room, want, blocks[i] * BLOCK_SIZE))
				_exit(2);
		}
		_exit(0);
	}
	munmap(stack - PAGE, ROOM + 2 * PAGE);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		ksft_print_msg("fork or waitpid: %s\n", strerror(errno));
		return false;
	}
	if (WIFSIGNALED(status))
		ksft_print_msg("a stack of one word: killed by signal %d\n",
			       WTERMSIG(status));
	else if (WEXITSTATUS(status) == 1)
		ksft_print_msg("a register that the callee must save has changed\n");
	else if (WEXITSTATUS(status))
		ksft_print_msg("wrong bytes\n");
	return WIFEXITED(status) && !WEXITSTATUS(status);
}
#endif

static const struct {
	const char *name;
	bool (*fn)(void);
} tests[] = {
	{ "RFC 8439 vectors", test_rfc8439 },
	{ "0 to 32 blocks", test_lengths },
	{ "every split into two or three calls", test_splits },
	{ "counter carries across 32 bits", test_carry_32 },
	{ "counter wraps at 64 bits", test_carry_64 },
	{ "destination at all 64 offsets", test_unaligned },
	{ "key at all 64 offsets", test_unaligned_key },
	{ "key at the end of the destination", test_overlap },
	{ "key in the last block's first half", test_overlap_first_half },
#ifdef __x86_64__
	{ "no stack, callee-saved registers kept", test_no_stack },
#endif
};

int main(void)
{
	if (sodium_init() < 0)
		ksft_exit_fail_msg("libsodium does not initialize\n");
	dst_room = map_guarded();
	key_room = map_guarded();
	counter_room = map_guarded();
	owner_room = map_guarded();
	randombytes_buf(key, sizeof(key));

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(tests));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		ksft_test_result(tests[i].fn(), "%s\n", tests[i].name);
	ksft_finished();
}
