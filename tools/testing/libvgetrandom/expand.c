// SPDX-License-Identifier: MIT
/*
 * Large requests with a fake vDSO that looks like the one of Linux 6.11: the library draws a key
 * for each and expands it. VGETRANDOM_CORE selects the core.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_vdso.h"
#include "test.h"

static struct fake_vdso *fake;
static struct vgetrandom_info info;
static uint8_t out[TEST_MAX];

static void set_up_fake(void)
{
	fake = test_fake();
	info = test_info();
	check(info.large == VGETRANDOM_EXPAND, "%s", info.large_why);
}

TEST(each_large_request_draws_one_key)
{
	set_up_fake();
	for (size_t len = info.large_from; len < sizeof(out); len += len / 7 + 1) {
		unsigned long calls = fake->calls, keys = fake->keys;

		fake->longest = 0;
		check(vgetrandom(out, len, 0) == (ssize_t)len);
		check(fake->calls == calls + 1 && fake->keys == keys + 1 && fake->longest == 32,
		      "len %zu: %lu calls", len, fake->calls - calls);
	}
	test_no_misuse(fake);
}

TEST(requests_with_flags_go_to_the_vDSO_function)
{
	set_up_fake();
	for (unsigned int flags = 2; flags < 6; flags++) {
		unsigned long calls = fake->calls;

		fake->longest = 0;
		/* The flags must reach the kernel, so no key is drawn and expanded. */
		check(vgetrandom(out, 10000, flags) == 10000);
		check(fake->calls == calls + 1 && fake->longest == 10000);
	}
	test_no_misuse(fake);
}

/* The fake function returns less than a key. */
TEST(a_partial_result_is_never_used_as_a_key)
{
	set_up_fake();
	for (fake->at_most = 1; fake->at_most < 32; fake->at_most++) {
		ssize_t got;

		memset(out, 0, sizeof(out));
		got = vgetrandom(out, 8192, 0);
		/* The library then passes on the request itself, with the same result. */
		check(got == (ssize_t)fake->at_most, "%zd of %lu", got, fake->at_most);
		for (size_t i = got; i < 8192; i++)
			check(!out[i]);
	}
	test_no_misuse(fake);
}

/*
 * The expected expansion: ChaCha20 as in RFC 8439, section 2.3, with nonce and counter 0.
 */
static uint32_t rotate(uint32_t x, int by)
{
	return x << by | x >> (32 - by);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

static void chacha20(uint8_t *block, const uint8_t *key, uint64_t counter)
{
	uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, x[16];

	memcpy(in + 4, key, 32);
	in[12] = (uint32_t)counter;
	in[13] = (uint32_t)(counter >> 32);
	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 10; i++) {
		quarter_round(&x[0], &x[4], &x[8], &x[12]);
		quarter_round(&x[1], &x[5], &x[9], &x[13]);
		quarter_round(&x[2], &x[6], &x[10], &x[14]);
		quarter_round(&x[3], &x[7], &x[11], &x[15]);
		quarter_round(&x[0], &x[5], &x[10], &x[15]);
		quarter_round(&x[1], &x[6], &x[11], &x[12]);
		quarter_round(&x[2], &x[7], &x[8], &x[13]);
		quarter_round(&x[3], &x[4], &x[9], &x[14]);
	}
	for (int i = 0; i < 16; i++)
		x[i] += in[i];
	memcpy(block, x, sizeof(x));
}

TEST(a_key_is_expanded_by_ChaCha20)
{
	static uint8_t want[TEST_MAX + 64];
	uint8_t key[32];

	set_up_fake();
	memset(key, 'k', sizeof(key));
	for (size_t i = 0; i < sizeof(want) / 64; i++)
		chacha20(want + 64 * i, key, i);
	fake->fixed = 1;
	for (size_t len = info.large_from; len < sizeof(out); len += len < 5000 ? 1 : 1237) {
		memset(out, 0, len + 1 < sizeof(out) ? len + 1 : len);
		check(vgetrandom(out, len, 0) == (ssize_t)len);
		check(!memcmp(out, want, len), "len %zu with core %s", len, info.core);
		check(len + 1 >= sizeof(out) || !out[len]);
	}
	check(vgetrandom(out, sizeof(out), 0) == sizeof(out));
	check(!memcmp(out, want, sizeof(out)));
	test_no_misuse(fake);
}

TEST(VGETRANDOM_CORE_selects_the_core)
{
	const char *name = getenv("VGETRANDOM_CORE");

	set_up_fake();
	if (name)
		check(!strcmp(info.core, name), "core %s, not %s", info.core, name);
}

static int depth;

static void fork_in_call(void)
{
	static int forks;
	pid_t pid;

	if (depth || forks++ > 30)
		return;
	depth++;
	pid = fork();
	if (!pid) {
		/* The child returns into the interrupted request, and the parent too. */
		for (int i = 0; i < 5; i++) {
			test_draw(4096);
			test_draw(16);
		}
		return;
	}
	check(pid > 0);
	test_passes(pid);
	depth--;
}

/* The fork comes when the key is drawn, so parent and child both have it. */
TEST(a_key_drawn_before_a_fork_is_not_used_after_it)
{
	pid_t me = getpid();

	set_up_fake();
	test_unseen_init();
	fake->hook = fork_in_call;
	for (int i = 0; i < 30; i++) {
		test_draw(8192);
		if (getpid() != me)
			_exit(0);
	}
	test_no_misuse(fake);
}
