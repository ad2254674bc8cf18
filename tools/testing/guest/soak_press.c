// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drops states and makes the kernel reseed. In a cgroup with far less memory than it needs,
 * a process writes to one page after another: the kernel's LRU then drops idle states. A
 * thread asks for the pages of states in use to be reclaimed, also in the middle of calls.
 * Another thread asks the kernel to reseed.
 */
#define _GNU_SOURCE
#include <linux/random.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../vdso_host/vdso_host.h"
#include "droppable_util.h"
#include "soak.h"

#define PAGE		4096
#define AREAS		64
#define AREA_PAGES	1024
#define GROUP		"soak"
#define GROUP_HAS	"32M"
#define RECLAIM		(2 << 20)
#define HOG_DROPPABLE	(40 << 20)	/* more than the group may have */
#define HOG_USUALLY	(4 << 20)	/* the part that is written in turn */
#define HOG_SWAPPABLE	(6 << 20)
#define HOG_AT_ONCE	256		/* pages */
#define HOG_ALL_EVERY	32

struct area {
	uint8_t *start, *end;
};

static struct press {
	pthread_t dropper, reseeder;
	pid_t hog;
	bool real;
	uint64_t seed;
} press;

void press_open(void)
{
	press.real = enter_cgroup(GROUP, GROUP_HAS);
	if (strict && !press.real)
		soak_die("the memory cgroup %s: %s", GROUP, strerror(errno));
}

bool press_real(void)
{
	return press.real;
}

/*
 * Find all droppable memory (flag "dp") except idle states, which only memory pressure may
 * drop.
 */
static int find_areas(struct area *areas)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	struct area area = { 0 };
	char line[1024];
	int n = 0;

	areas[n++] = (struct area){ states.hot, states.hot + states.hot_size };
	while (smaps && n < AREAS && fgets(line, sizeof(line), smaps)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			area = (struct area){ (uint8_t *)start, (uint8_t *)end };
		if (!strncmp(line, "VmFlags:", 8) && strstr(line, " dp") &&
		    area.start != states.idle && area.start != states.hot &&
		    area.end - area.start <= AREA_PAGES * PAGE)
			areas[n++] = area;
	}
	if (smaps)
		fclose(smaps);
	return n;
}

static void drop(const struct area *area)
{
	size_t pages = (area->end - area->start) / PAGE;
	unsigned char before[AREA_PAGES], after[AREA_PAGES];
	uint64_t taken = 0;

	if (mincore(area->start, pages * PAGE, before))
		return;
	/* Without droppable memory: do what a drop would do. */
	madvise(area->start, pages * PAGE, vdso.droppable ? MADV_PAGEOUT : MADV_DONTNEED);
	if (mincore(area->start, pages * PAGE, after))
		return;
	for (size_t i = 0; i < pages; i++)
		taken += before[i] & ~after[i] & 1;
	__atomic_fetch_add(&soak->taken, taken, __ATOMIC_RELAXED);
}

static void *take_pages(void *arg)
{
	uint64_t seed = press.seed + 1;
	struct area areas[AREAS];
	int n = 0;

	/* Many threads share this processor. Without privileges this thread has no priority. */
	setpriority(PRIO_PROCESS, syscall(SYS_gettid), -10);
	for (unsigned int round = 0; !stopped(); round++) {
		/* The library may have mapped more memory. */
		if (round % 1024 == 0)
			n = find_areas(areas);
		for (int i = 0; i < n; i++)
			drop(&areas[i]);
		count(&soak->progress[DROPPER]);
		soak_sleep_us(500 + next_random(&seed) % 2000);
	}
	return arg;
}

static void *reseed(void *arg)
{
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	uint64_t seed = press.seed, generation = 1;

	while (!stopped()) {
		bool done = fd >= 0 && !ioctl(fd, RNDRESEEDCRNG);

		if (!done && strict)
			soak_die("RNDRESEEDCRNG: %s", strerror(errno));
		if (vdso.host)
			vdso_host_set_rng(vdso.host, ++generation, true);
		if (done || vdso.host)
			count(&soak->reseeds);
		count(&soak->progress[RESEEDER]);
		soak_sleep_us(next_random(&seed) % 10000);
	}
	close(fd);
	return arg;
}

static void touch(uint8_t *p, size_t pages, uint8_t what)
{
	for (size_t i = 0; i < pages && !stopped(); i++) {
		memset(p + i * PAGE, what, 64);
		if (i % HOG_AT_ONCE == 0)
			count(&soak->progress[HOG]);
	}
}

/*
 * Make memory pressure. Each round writes to some memory, and has the kernel reclaim memory
 * that was not used recently: it drops or swaps it. Every HOG_ALL_EVERY rounds, write to more
 * memory than the group may have, so that each task that needs a page must reclaim some first.
 * Not in each round, because the kernel then makes these tasks wait.
 */
static void hog(void)
{
	bool swap = swap_is_on();
	uint8_t *p = map_pages(vdso.flags, HOG_DROPPABLE), *q = NULL;

	soak_pin(1);
	if (swap)
		q = map_pages(MAP_PRIVATE, HOG_SWAPPABLE);
	for (unsigned int i = 1; !stopped(); i++) {
		touch(p + i * HOG_AT_ONCE * PAGE % HOG_USUALLY, HOG_AT_ONCE, i);
		if (swap)
			touch(q + i * HOG_AT_ONCE * PAGE % HOG_SWAPPABLE, HOG_AT_ONCE, i);
		reclaim_cgroup(GROUP, RECLAIM);
		if (i % HOG_ALL_EVERY == 0)
			touch(p, HOG_DROPPABLE / PAGE, i);
		soak_sleep_us(2000);
	}
	_exit(0);
}

static void start(pthread_t *id, void *(*fn)(void *arg))
{
	if (pthread_create(id, NULL, fn, NULL))
		soak_die("pthread_create failed");
}

void press_start(uint64_t seed)
{
	press.seed = seed;
	if (press.real && vdso.droppable) {
		pid_t parent = getpid();

		press.hog = fork();
		if (press.hog < 0)
			soak_die("fork: %s", strerror(errno));
		if (!press.hog) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() == parent)
				hog();
			_exit(0);
		}
	}
	start(&press.dropper, take_pages);
	start(&press.reseeder, reseed);
}

void press_stop(void)
{
	int status = 0;

	pthread_join(press.dropper, NULL);
	pthread_join(press.reseeder, NULL);
	if (press.hog && (waitpid(press.hog, &status, 0) != press.hog || status))
		soak_die("the process that makes memory pressure ended with status %#x", status);
	press.hog = 0;
}
