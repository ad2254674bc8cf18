// SPDX-License-Identifier: MIT
/*
 * No usable vDSO function, and no usable page of the module: all requests succeed as system
 * calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

TEST(info_reports_no_vDSO_function_and_the_reason)
{
	struct vgetrandom_info info = test_info();
	const char *why = getenv("TEST_WHY");

	check(!info.vdso && !info.state_size && !info.states && !info.droppable);
	check(!info.state_prot && !info.state_flags);
	check(info.small == VGETRANDOM_SYSCALL);
	check(strstr(info.small_why, "vDSO"), "%s", info.small_why);
	check(strstr(info.module_why, why ? why : "not loaded"), "%s", info.module_why);
	check(!test_page_mappings());
}

TEST(alloc_fails_with_ENOSYS)
{
	for (int i = 0; i < 1000; i++) {
		errno = 0;
		check(!vgetrandom_alloc() && errno == ENOSYS);
	}
	vgetrandom_free(NULL);
}

static void *draw_all(void *arg)
{
	for (size_t len = 1; len < TEST_MAX; len = len * 2 + 1)
		test_draw(len);
	return arg;
}

TEST(requests_of_all_sizes_are_answered)
{
	test_unseen_init();
	draw_all(NULL);
	test_run_threads(20, draw_all, NULL);
}

static void draw_in_child(void)
{
	draw_all(NULL);
}

TEST(children_get_different_bytes)
{
	test_unseen_init();
	for (int i = 0; i < 10; i++) {
		draw_all(NULL);
		test_in_child(draw_in_child);
	}
}
