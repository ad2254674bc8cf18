// SPDX-License-Identifier: GPL-2.0-only
/*
 * For each bad buffer, the vDSO's getrandom() returns what the system call returns: -EFAULT,
 * or a short count if the buffer begins in memory that can be written. It raises no signal,
 * and afterwards the state serves calls.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>

#include "guest.h"

#define MAPPED		(5UL * 4096)
#define NON_CANONICAL	(1UL << 47 | 1UL << 62)

static struct vgetrandom_state *state;
static unsigned int calls, shorter;

static void on_signal(int sig)
{
	static const char text[] = "FAIL: a bad buffer raises a signal\n";

	(void)sig;
	if (write(1, text, sizeof(text) - 1))
		_exit(1);
	_exit(1);
}

static long by_syscall(void *buffer, size_t len)
{
	long ret = syscall(SYS_getrandom, buffer, len, 0);

	return ret < 0 ? -errno : ret;
}

/* How the state is when the call begins. */
enum before { NO_KEY, EMPTY_BATCH, FULL_BATCH, BEFORE };

static void prepare(enum before before)
{
	uint8_t byte;

	memset(state, 0, sizeof(*state));
	if (before == NO_KEY)
		return;
	check(guest_getrandom(state, &byte, 1, 0) == 1, "a call fails");
	if (before == EMPTY_BATCH) {
		memset(state->batch, 0, sizeof(state->batch));
		state->available = 0;
	}
}

static void compare(const char *what, uint8_t *buffer)
{
	static const size_t lens[] = { 1, 4, 8, 16, 33, 64, 300, 1000, 16321, 65536 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		long expected = by_syscall(buffer, lens[i]);

		for (enum before before = 0; before < BEFORE; before++) {
			long ret;

			prepare(before);
			ret = guest_getrandom(state, buffer, lens[i], 0);
			check(ret == expected,
			      "%zu bytes, %s: the vDSO returns %ld, the system call %ld",
			      lens[i], what, ret, expected);
			calls++;
			shorter += ret > 0 && ret < (long)lens[i];
		}
	}
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	uint8_t *p, *read_only;
	char what[64];

	guest_open();
	guest_wait_ready();
	state = guest_map_states();
	check(!sigaction(SIGSEGV, &sa, NULL) && !sigaction(SIGBUS, &sa, NULL), "sigaction: %s",
	      strerror(errno));
	/* 64 KiB after it are not mapped. */
	p = map_pages(MAP_PRIVATE, MAPPED + 2 * 65536);
	munmap(p + MAPPED, 2 * 65536);
	read_only = map_pages(MAP_PRIVATE, 2 * 65536);
	check(!mprotect(read_only, 2 * 65536, PROT_READ), "mprotect: %s", strerror(errno));

	compare("NULL", NULL);
	compare("not mapped", p + MAPPED);
	compare("read-only", read_only);
	compare("not canonical", (uint8_t *)NON_CANONICAL);
	compare("in the kernel", (uint8_t *)-4096UL);
	for (size_t mapped = 1; mapped <= MAPPED; mapped = mapped * 3 + mapped % 7) {
		snprintf(what, sizeof(what), "of which %zu are mapped", mapped);
		compare(what, p + MAPPED - mapped);
	}
	check(shorter, "no call has returned a short count");
	guest_check_served(state);
	passed("calls with bad buffers return what the system call returns");
	printf("%u calls with bad buffers, of which %u return a short count\n", calls, shorter);
	return 0;
}
