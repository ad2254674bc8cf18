// SPDX-License-Identifier: MIT
/*
 * The functions of test.h that call the library. Programs that open it with dlopen() are not
 * linked with this file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_vdso.h"
#include "test.h"

void test_draw(size_t len)
{
	uint8_t small[512], *out = small;
	ssize_t got;

	check(len <= TEST_MAX);
	/* Stacks are small, and handlers may not call malloc(). */
	if (len > sizeof(small))
		out = mmap(NULL, TEST_MAX, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(out != MAP_FAILED);
	got = vgetrandom(out, len, 0);
	if (len <= 256)
		check(got == (ssize_t)len, "%zd of %zu bytes", got, len);
	/* A signal may shorten the result of the system call. */
	check(got > 0 || !len || errno == EINTR, "%zd of %zu bytes", got, len);
	if (got > 0)
		test_unseen(out, got);
	if (out != small)
		munmap(out, TEST_MAX);
}

void test_draw_both(void)
{
	test_draw(16);
	test_draw(1024);
}

struct vgetrandom_info test_info(void)
{
	struct vgetrandom_info info;

	memset(&info, 0xa5, sizeof(info));
	vgetrandom_info(&info, sizeof(info));
	return info;
}

void test_states_are(size_t states)
{
	struct vgetrandom_info info = test_info();

	check(info.states == states, "%zu states became %zu", states, info.states);
}

struct fake_vdso *test_fake(void)
{
	struct vgetrandom_info info = test_info();
	struct fake_vdso *fake = NULL;

	check(info.vdso, "no vDSO function: %s", info.small_why);
	check(!info.vdso(&fake, 0, 0, NULL, FAKE_VDSO_CONTROL) && fake,
	      "not a fake vDSO; run this with with_vdso --image");
	memset(fake, 0, sizeof(*fake));
	return fake;
}

void test_no_misuse(const struct fake_vdso *fake)
{
	check(!fake->shared, "two threads used one state %lu times", fake->shared);
	check(!fake->misplaced, "a state was misplaced %lu times", fake->misplaced);
	check(!fake->wrong_size && !fake->null_state);
}

bool test_request_is_complete(const volatile uint8_t *out, size_t len)
{
	struct vgetrandom_info info = test_info();

	if ((info.large_from && len >= info.large_from ? info.large : info.small) ==
	    VGETRANDOM_SYSCALL)
		return true;
	for (size_t i = len - 8; i < len; i++)
		if (out[i])
			return true;
	return false;
}

static void draw_only_keys(void)
{
	uint8_t byte;

	test_allow_only_keys();
	for (int i = 0; i < 10; i++)
		check(vgetrandom(&byte, 1, 0) == 1);
}

void test_require_module(const struct test *test, bool enters)
{
	struct vgetrandom_info info = test_info();

	check(info.small == VGETRANDOM_MODULE, "%s", info.module_why);
	if (enters)
		return;
	if (test->kind == A_TEST)
		test_allow_only_keys();
	else
		test_in_child(draw_only_keys);
}
