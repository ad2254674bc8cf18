// SPDX-License-Identifier: MIT
/*
 * Requests before the library's own constructor has run succeed too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "early.h"
#include "test.h"

/* The results of the first constructor of this program. */
static struct early first;

static void draw_first(void)
{
	vgetrandom_info(&first.info, sizeof(first.info));
	first.small = vgetrandom(first.bytes, 64, 0);
	first.large = vgetrandom(first.bytes + 64, sizeof(first.bytes) - 64, 0);
	first.has_run = 1;
}

__attribute__((section(".init_array.00001"), used))
static void (*const before_others)(void) = draw_first;

static void check_early(const struct early *result)
{
	check(result->has_run);
	check(result->small == 64, "%zd", result->small);
	check(result->large == sizeof(result->bytes) - 64, "%zd", result->large);
	test_unseen(result->bytes, 64);
	for (size_t i = 64; i < sizeof(result->bytes); i += 64)
		test_unseen(result->bytes + i, 64);
}

static void draw(void)
{
	test_draw(16);
	test_draw(4096);
}

TEST(the_first_constructor_of_the_program_may_make_requests)
{
	test_unseen_init();
	check_early(&first);
	draw();
}

TEST(a_constructor_that_runs_before_the_library_s_may_make_requests)
{
#ifdef EARLY
	const struct early *result = &early;
#else
	/* In a static program the first constructor runs before the library's. */
	const struct early *result = &first;
#endif

	test_unseen_init();
	check(!result->info.core, "the library had started already");
	check(result->info.small == VGETRANDOM_SYSCALL);
	check(result->info.large == VGETRANDOM_SYSCALL);
	check(result->info.small_why && result->info.large_why);
	check_early(result);
	draw();
}

/* The early requests must not keep the library from starting. */
TEST(early_requests_do_not_affect_later_ones)
{
	struct vgetrandom_info info = test_info();

	check(info.core && info.version);
	if (info.vdso)
		check(info.small != VGETRANDOM_SYSCALL && info.states);
	test_unseen_init();
	draw();
	test_in_child(draw);
	draw();
}

#ifdef EARLY
/* The library has one page of data: its decisions at startup, and addresses of functions. */
TEST(after_startup_the_library_s_data_is_read_only)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int mappings = 0;
	char line[4096], prot[5];

	check(maps, "/proc/self/maps: %s", strerror(errno));
	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "/libvgetrandom.so"))
			continue;
		check(sscanf(line, "%*s %4s", prot) == 1 && prot[1] == '-', "%s", line);
		mappings++;
	}
	fclose(maps);
	check(mappings == 2, "%u mappings of the library", mappings);
}
#endif
