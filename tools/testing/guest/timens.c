// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a time namespace the vDSO finds the RNG's data: calls do not need the system
 * call, and notice reseeds.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <time.h>

#include "guest.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x00000080
#endif

#define AHEAD	1000000		/* seconds, of the namespace's clocks */

static struct vgetrandom_state *state;
static struct timespec outside;

static void inside(void)
{
	struct timespec now;
	uint8_t byte;
	uint64_t before;

	clock_gettime(CLOCK_MONOTONIC, &now);
	check(now.tv_sec - outside.tv_sec >= AHEAD, "this is no other time namespace");
	state = guest_map_states();
	check(guest_getrandom(state, &byte, 1, 0) == 1, "no bytes");
	check(state->generation, "in the namespace the vDSO makes no state");

	before = state->generation;
	guest_reseed();
	check(guest_getrandom(state, &byte, 1, 0) == 1, "no bytes after a reseed");
	check(state->generation != before, "reseeds do not reach the namespace");
	guest_check_served(state);
}

int main(void)
{
	char text[64];

	guest_open();
	guest_wait_ready();
	clock_gettime(CLOCK_MONOTONIC, &outside);
	check(!unshare(CLONE_NEWTIME), "unshare(CLONE_NEWTIME): %s", strerror(errno));
	snprintf(text, sizeof(text), "monotonic %d 0", AHEAD);
	guest_write("/proc/self/timens_offsets", text);
	guest_in_child(inside);
	printf("time namespace: served, and reseeds followed\n");
	return 0;
}
