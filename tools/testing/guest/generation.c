// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every reseed of the kernel's RNG reaches the states: by RNDRESEEDCRNG, by the
 * timer, on resume from suspend, and when a hibernation image has been made.
 */
#include <linux/suspend_ioctls.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <time.h>

#include "guest.h"

static struct vgetrandom_state *state;

struct watched {
	struct vgetrandom_state *state;
	bool is_over;
	long longest_ms;
	uint64_t generation;
};

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

/* Calls all the time, and remembers the first call after the longest break. */
static void *watch(void *arg)
{
	struct watched *w = arg;
	bool is_over = false;
	long last = now_ms();
	uint8_t byte;

	/* Not behind the task that suspends: it goes on when the kernel has finished. */
	check(pin_to_cpu(1), "pinning failed");
	while (!is_over) {
		long now;

		/* Before the time, because the break may have been just now. */
		is_over = __atomic_load_n(&w->is_over, __ATOMIC_ACQUIRE);
		now = now_ms();
		check(guest_getrandom(w->state, &byte, 1, 0) == 1, "no bytes");
		if (now - last > w->longest_ms) {
			w->longest_ms = now - last;
			__atomic_store_n(&w->generation, w->state->generation, __ATOMIC_RELAXED);
		}
		last = now;
	}
	return NULL;
}

/*
 * Suspend only up to the point where devices sleep, and resume. The kernel stays there for three
 * seconds. The first or second call of a task that was frozen has the new generation.
 */
static void by_resume(const char *sleep)
{
	struct watched w = { .state = state + 1, .longest_ms = -1 };
	uint64_t before;
	pthread_t thread;

	/* Emulated, the kernel's delay loop takes from a third to three times of that. */
	guest_reseed_at(30);
	before = generation();
	guest_write("/sys/module/suspend/parameters/pm_test_delay", "3");
	guest_write("/sys/power/pm_test", "devices");
	check(!pthread_create(&thread, NULL, watch, &w), "no thread");
	while (!__atomic_load_n(&w.generation, __ATOMIC_RELAXED))
		sched_yield();
	guest_write("/sys/power/state", sleep);
	__atomic_store_n(&w.is_over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	check(w.longest_ms > 500, "%s: no break of three seconds, but %ld ms", sleep, w.longest_ms);
	check(w.generation != before, "%s: the generation is still %llu", sleep,
	      (unsigned long long)before);
	guest_write("/sys/power/pm_test", "none");
	printf("resume (%s): followed\n", sleep);
}

/* The program that writes a hibernation image runs while other tasks are frozen. */
static void by_image(void)
{
	int fd = open("/dev/snapshot", O_RDONLY | O_CLOEXEC), in_suspend;
	uint64_t before, after;

	guest_reseed_at(20);
	before = generation();
	check(fd >= 0 && !ioctl(fd, SNAPSHOT_FREEZE), "/dev/snapshot: %s", strerror(errno));
	check(!ioctl(fd, SNAPSHOT_CREATE_IMAGE, &in_suspend) && in_suspend,
	      "there is no image: %s", strerror(errno));
	after = generation();
	check(!ioctl(fd, SNAPSHOT_FREE) && !ioctl(fd, SNAPSHOT_UNFREEZE), "the tasks stay frozen: %s",
	      strerror(errno));
	close(fd);
	check(after != before, "image: the generation is still %llu", (unsigned long long)before);
	printf("hibernation image: followed\n");
}

int main(void)
{
	guest_open();
	guest_wait_ready();
	check(pin_to_cpu(0), "pinning failed");
	state = guest_map_states();
	by_timer();
	by_ioctl();
	by_resume("mem");
	by_resume("freeze");
	by_image();
	return 0;
}
