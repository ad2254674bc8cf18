// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every reseed of the kernel's RNG reaches the states: by RNDRESEEDCRNG, by the
 * timer, and on resume from suspend.
 */
#include <time.h>

#include "guest.h"

static struct vgetrandom_state *state;

static uint64_t generation(void)
{
	uint8_t byte;

	check(guest_getrandom(state, &byte, 1, 0) == 1, "no bytes");
	check(state->generation, "the vDSO has made no state");
	return state->generation;
}

static void by_ioctl(void)
{
	uint64_t before = generation();

	for (int i = 0; i < 20; i++) {
		uint8_t old[VGETRANDOM_KEY_SIZE];
		uint64_t after;

		memcpy(old, state->key, sizeof(old));
		guest_reseed();
		after = generation();
		check(after != before, "RNDRESEEDCRNG: the generation is still %llu",
		      (unsigned long long)after);
		check(memcmp(old, state->key, sizeof(old)),
		      "the generation is new, the key is not");
		before = after;
	}
	printf("RNDRESEEDCRNG: followed\n");
}

/*
 * At first the kernel reseeds each time that the uptime has grown by about half. No
 * program asks the kernel for bytes here, so only the timer can make it reseed. A call
 * that then needs a new key has seen that reseed.
 */
static bool until_there_is_no_key(struct vgetrandom_state *s)
{
	uint8_t byte;

	while (guest_getrandom(s, &byte, 1, 0) == 1)
		;
	return false;
}

static void by_timer(void)
{
	struct timespec up;
	unsigned int limit;

	clock_gettime(CLOCK_BOOTTIME, &up);
	limit = up.tv_sec + 5;
	check(guest_without_syscalls(until_there_is_no_key, state, limit) == MADE_A_SYSCALL,
	      "no reseed from %ld s of uptime on, for %u s", (long)up.tv_sec, limit);
	printf("timer: followed\n");
}

/* Suspend only up to the point where processes are frozen, and resume. */
static void by_resume(void)
{
	uint64_t before;

	/* Otherwise the kernel would spin for 5 s. */
	guest_write("/sys/module/suspend/parameters/pm_test_delay", "0");
	guest_write("/sys/power/pm_test", "freezer");
	before = generation();
	guest_write("/sys/power/state", "freeze");
	check(generation() != before, "resume: the generation is still %llu",
	      (unsigned long long)before);
	guest_write("/sys/power/pm_test", "none");
	printf("resume: followed\n");
}

int main(void)
{
	guest_open();
	guest_wait_ready();
	state = guest_map_states();
	by_timer();
	by_ioctl();
	by_resume();
	return 0;
}
