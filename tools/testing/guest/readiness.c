// SPDX-License-Identifier: GPL-2.0-only
/*
 * Before the kernel's RNG is seeded, calls make the system call; afterwards they do
 * not need it.
 *
 * Needs a boot without any trusted seed:
 *	random.trust_cpu=off random.trust_bootloader=off
 */
#include <linux/random.h>
#include <sys/syscall.h>

#include "guest.h"

#define TRACING	"/sys/kernel/tracing/"
#define RESEED	"vdso_rng_reseed"

static struct vgetrandom_state *state;
static uint8_t out[64];

/* Has the kernel run its work that reseeds, since tracing began? */
static bool reseed_has_run(void)
{
	char line[512];
	FILE *f = fopen(TRACING "trace", "re");
	bool found = false;

	check(f, TRACING "trace: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		found |= !!strstr(line, RESEED);
	fclose(f);
	return found;
}

/* The work that reseeds starts when the RNG becomes ready. It does not wait by polling. */
static void check_no_polling(void)
{
	check(write_to_file(TRACING "events/workqueue/workqueue_execute_start/enable", "1"),
	      TRACING ": %s", strerror(errno));
	sleep(3);
	check(!reseed_has_run(), "not ready, and the kernel polls to reseed");
}

/* Linux 6.12 has its own work. */
static bool has_reseed_work(void)
{
	char line[256];
	FILE *f = fopen("/proc/kallsyms", "re");
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		found |= !!strstr(line, " " RESEED "\n");
	if (f)
		fclose(f);
	return found;
}

static void check_start(void)
{
	for (long end = 0; has_reseed_work() && !reseed_has_run();)
		check(may_retry(&end), "ready, and the kernel does not plan to reseed");
}

int main(void)
{
	static const struct vgetrandom_state zero;
	static const uint8_t zeros[64];

	guest_open();
	state = guest_map_states();
	check(syscall(SYS_getrandom, out, 1, GRND_NONBLOCK) == -1 && errno == EAGAIN,
	      "the RNG is ready already: boot with random.trust_cpu=off random.trust_bootloader=off");

	check(guest_getrandom(state, out, 16, GRND_NONBLOCK) == -EAGAIN,
	      "not ready, and GRND_NONBLOCK is not EAGAIN");
	check(guest_getrandom(state, out, 16, GRND_NONBLOCK | GRND_RANDOM) == -EAGAIN,
	      "not ready, and GRND_NONBLOCK | GRND_RANDOM is not EAGAIN");
	check(guest_getrandom(state, NULL, 0, GRND_NONBLOCK) == -EAGAIN,
	      "not ready, and GRND_NONBLOCK for no bytes is not EAGAIN");
	check(guest_getrandom(state, out, 64, GRND_INSECURE) == 64,
	      "not ready, and GRND_INSECURE gives nothing");
	check(memcmp(out, zeros, 64), "GRND_INSECURE gives zeros");
	check(!memcmp(state, &zero, sizeof(zero)),
	      "not ready, and yet there is something in the state");
	check_no_polling();
	check(syscall(SYS_getrandom, out, 1, GRND_NONBLOCK) == -1 && errno == EAGAIN,
	      "the RNG has become ready during the test");
	printf("not ready: as the system call has it\n");

	guest_add_entropy();
	check(syscall(SYS_getrandom, out, 1, GRND_NONBLOCK) == 1,
	      "not ready after RNDADDENTROPY");
	check(guest_getrandom(state, out, 64, GRND_NONBLOCK) == 64, "ready, and no bytes");
	check(state->generation, "ready, and the vDSO has made no state");
	guest_check_served(state);
	check_start();
	printf("ready: served without the system call\n");
	return 0;
}
