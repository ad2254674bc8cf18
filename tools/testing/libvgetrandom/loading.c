// SPDX-License-Identifier: MIT
/*
 * Whoever asks before the library has started gets randomness too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "early.h"
#include "test.h"

/* Before all constructors with a priority, and those without. */
static struct early first;

static void ask_first(void)
{
	vgetrandom_info(&first.info, sizeof(first.info));
	first.small = vgetrandom(first.bytes, 64, 0);
	first.large = vgetrandom(first.bytes + 64, sizeof(first.bytes) - 64, 0);
	first.asked = 1;
}

__attribute__((section(".init_array.00001"), used))
static void (*const before_others)(void) = ask_first;

static void was_answered(const struct early *who)
{
	check(who->asked);
	check(who->small == 64, "%zd", who->small);
	check(who->large == sizeof(who->bytes) - 64, "%zd", who->large);
	test_unseen(who->bytes, 64);
	for (size_t i = 64; i < sizeof(who->bytes); i += 64)
		test_unseen(who->bytes + i, 64);
}

static void draw(void)
{
	test_draw(16);
	test_draw(4096);
}

TEST(the_first_constructor_of_the_program_may_make_requests)
{
	test_unseen_init();
	was_answered(&first);
	draw();
}

TEST(a_constructor_that_runs_before_the_library_s_may_make_requests)
{
#ifdef EARLY
	const struct early *who = &early;
#else
	/* Statically linked, the program's own is such a one. */
	const struct early *who = &first;
#endif

	test_unseen_init();
	check(!who->info.core, "the library had started already");
	check(who->info.small == VGETRANDOM_SYSCALL && who->info.large == VGETRANDOM_SYSCALL);
	check(who->info.small_why && who->info.large_why);
	was_answered(who);
	draw();
}

/* What it has taken then must not be in its way. */
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
/* The file has one page of data, with what is decided and with addresses of functions. */
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
	check(mappings == 2, "%u mappings of it", mappings);
}
#endif
