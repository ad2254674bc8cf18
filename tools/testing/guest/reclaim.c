// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel drops states while threads use them: calls return no zeros and no bytes
 * twice, and no state is in swap, with either of the kernel's LRUs.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>

#include "guest.h"

#define THREADS		4
#define SECONDS		4
#define MAX_SECONDS	240		/* where drops are rare */
#define ENOUGH		100		/* states that were dropped */
#define KEPT		65536		/* chunks of output that each thread keeps */
#define CHUNK		16
#define BULK		(32 << 20)
#define GROUP		"reclaim"

static bool stop;

struct worker {
	pthread_t id;
	uint8_t (*out)[CHUNK];
	struct vgetrandom_state *state;
	unsigned long calls, kept;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct vgetrandom_state *state = w->state;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint8_t chunk[CHUNK], buffer[200];
		ssize_t ret;

		/* Every eighth call needs a refill in the middle. */
		if (w->calls % 8) {
			ret = guest_getrandom(state, chunk, CHUNK, 0);
			check(ret == CHUNK, "a call returned %zd", ret);
		} else {
			ret = guest_getrandom(state, buffer, sizeof(buffer), 0);
			check(ret == sizeof(buffer), "a call returned %zd", ret);
			memcpy(chunk, buffer + (w->calls / 8) % (sizeof(buffer) - CHUNK), CHUNK);
		}
		/* Keep a sample from the whole time, because memory is short here. */
		if (w->calls++ % 64 == 0 && w->kept < KEPT)
			memcpy(w->out[w->kept++], chunk, CHUNK);
	}
	return NULL;
}

static int cmp(const void *a, const void *b)
{
	return memcmp(a, b, CHUNK);
}

static bool is_resident(void *state)
{
	unsigned char there = 0;

	check(!mincore(state, page, &there), "mincore: %s", strerror(errno));
	return there & 1;
}

/* Reclaim one page, and return whether it was there and is gone. A busy page stays. */
static bool drop(void *state)
{
	if (!is_resident(state))
		return false;
	madvise(state, page, MADV_PAGEOUT);
	return !is_resident(state);
}

/* Threads make calls while their states are reclaimed all the time. */
static void in_use(void)
{
	struct worker workers[THREADS] = { 0 };
	uint8_t (*kept)[CHUNK] = malloc((size_t)THREADS * KEPT * CHUNK);
	unsigned long calls = 0, dropped = 0, n = 0;
	time_t begin = time(NULL);

	check(kept, "no memory");
	stop = false;
	for (int i = 0; i < THREADS; i++) {
		workers[i].out = kept + i * KEPT;
		workers[i].state = guest_map_states();
		check(!pthread_create(&workers[i].id, NULL, work, &workers[i]), "pthread_create");
	}
	while (time(NULL) < begin + (dropped > ENOUGH ? SECONDS : MAX_SECONDS)) {
		/*
		 * Reclaim the states, recently used or not, after each turn of their threads.
		 * Then reclaim what was not used recently, but only a little: the kernel
		 * continues as long as it finds states, which once took more than a minute.
		 */
		for (int i = 0; i < 20; i++) {
			for (int j = 0; j < THREADS; j++)
				dropped += drop(workers[j].state);
			sched_yield();
		}
		reclaim_cgroup(GROUP, 128 << 10);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].id, NULL);
		calls += workers[i].calls;
		memmove(kept + n, workers[i].out, workers[i].kept * CHUNK);
		n += workers[i].kept;
	}
	qsort(kept, n, CHUNK, cmp);
	for (unsigned long i = 0; i < n; i++) {
		check(!is_zero(kept[i], CHUNK), "zeros were returned");
		check(!i || memcmp(kept[i - 1], kept[i], CHUNK), "bytes were returned twice");
	}
	/* Otherwise the next not_swapped() would reclaim and swap this memory. */
	free(kept);
	printf("%lu calls, states dropped %lu times, %lu chunks compared\n",
	       calls, dropped, n);
	check(dropped > ENOUGH, "only %lu states were dropped: this shows nothing", dropped);
}

/* Reclaim as much as possible, and return the number of pages swapped out. */
static long reclaim_all(void)
{
	long before = vm_counter("pswpout");

	for (int i = 0; i < 20; i++)
		reclaim_cgroup(GROUP, 64 << 20);
	return vm_counter("pswpout") - before;
}

/* Reclaim drops droppable memory and does not swap it; it swaps as much ordinary memory. */
static void not_swapped(void)
{
	uint8_t *p = map_pages(MAP_DROPPABLE, BULK), *control = map_pages(MAP_PRIVATE, BULK);
	long dropped = 0, pages = BULK / page, swapped;

	memset(p, 0x5a, BULK);
	swapped = reclaim_all();
	for (long i = 0; i < pages; i++) {
		uint8_t byte = p[i * page];

		check(!byte || byte == 0x5a, "a droppable page holds something else");
		dropped += !byte;
	}
	printf("%ld of %ld droppable pages dropped, %ld pages swapped out\n",
	       dropped, pages, swapped);
	check(dropped > pages * 9 / 10, "droppable memory is not reclaimed");
	check(swapped < pages / 10, "droppable memory is swapped out");

	/* Control: the same with ordinary memory, which must be swapped. */
	memset(control, 0x5a, BULK);
	swapped = reclaim_all();
	printf("ordinary memory: %ld pages swapped out\n", swapped);
	check(swapped > pages / 2, "swap does not work: this shows nothing");
	munmap(p, BULK);
	munmap(control, BULK);
}

static void run(const char *command)
{
	check(!system(command), "%s: failed", command);
}

int main(void)
{
	guest_open();
	guest_wait_ready();
	guest_write("/sys/block/zram0/disksize", "128M");
	run("mkswap /dev/zram0 >/dev/null");
	run("swapon /dev/zram0");
	check(enter_cgroup(GROUP, "max"), "a memory cgroup: %s", strerror(errno));

	/*
	 * Run all threads on one processor. A new page stays in its processor's list of new pages
	 * for a while, where only that processor can reclaim it. And each switch from a worker
	 * to the reclaimer is in the middle of a call.
	 */
	check(pin_to_cpu(0), "sched_setaffinity: %s", strerror(errno));
	for (int lru_gen = 0; lru_gen < 2; lru_gen++) {
		guest_write("/sys/kernel/mm/lru_gen/enabled", lru_gen ? "7" : "0");
		printf("%s LRU:\n", lru_gen ? "multi-gen" : "classic");
		not_swapped();
		in_use();
	}
	return 0;
}
