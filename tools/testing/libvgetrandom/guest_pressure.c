// SPDX-License-Identifier: MIT
/*
 * In the guest, on the patched kernel: threads draw from the library, while the kernel drops the
 * library's droppable memory again and again. No request may return zeros or repeated bytes.
 *
 * usage: guest_pressure SECONDS: runs longer until enough pages were dropped
 *	  guest_pressure --droppable: status 0 if the kernel has droppable memory
 *
 * It drops the states for the vDSO, and, with VGETRANDOM_LARGE in the environment, the memory
 * in which large requests are expanded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vgetrandom.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define THREADS		4
#define KEPT		65536		/* chunks of output that each thread keeps */
#define CHUNK		16
#define LARGE		6000
#define AREAS		16
#define ENOUGH		100		/* dropped pages, of which it needs more */
#define MAX_SECONDS	60		/* beyond the requested time */
#define GROUP		"/sys/fs/cgroup/pressure"

#define check(condition, ...) do {		\
	if (!(condition)) {			\
		printf("FAIL: " __VA_ARGS__);	\
		printf("\n");			\
		fflush(stdout);			\
		_exit(1);			\
	}					\
} while (0)

static uint8_t (*kept)[CHUNK];
static bool stop;

struct worker {
	pthread_t id;
	uint8_t (*out)[CHUNK];
	unsigned long calls, kept;
};

static struct area {
	char *start, *end;
} areas[AREAS];

static void keep(struct worker *w, const uint8_t *from)
{
	if (w->kept < KEPT)
		memcpy(w->out[w->kept++], from, CHUNK);
}

static void *work(void *arg)
{
	uint8_t buffer[LARGE];
	struct worker *w = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		size_t len = CHUNK;
		ssize_t ret;

		/* Some requests need a refill, and some are large. */
		if (w->calls % 8 == 0)
			len = 200;
		if (w->calls % 16 == 4)
			len = LARGE - w->calls % 512;
		ret = vgetrandom(buffer, len, 0);
		check(ret == (ssize_t)len, "%zu bytes: vgetrandom() returned %zd: %s", len, ret,
		      strerror(errno));
		/*
		 * Memory is short in the guest: keep only a sample of the small requests. Keep
		 * both ends and the middle of large ones, which take many steps.
		 */
		if (len > 200) {
			keep(w, buffer);
			keep(w, buffer + len / 2);
			keep(w, buffer + len - CHUNK);
		} else if (w->calls % 64 == 0 || len == 200) {
			keep(w, buffer + (w->calls / 8) % (len - CHUNK + 1));
		}
		w->calls++;
	}
	return NULL;
}

static int cmp(const void *a, const void *b)
{
	return memcmp(a, b, CHUNK);
}

static void write_file(const char *file, const char *text, bool must)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	check(done || !must, "writing \"%s\" to %s: %s", text, file, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Find the process's droppable mappings: those with the flag "dp". */
static int find_areas(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[1024];
	struct area area = { NULL, NULL };
	unsigned long start, end;
	int n = 0;

	check(smaps, "/proc/self/smaps: %s", strerror(errno));
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			area = (struct area){ (char *)start, (char *)end };
		if (!strncmp(line, "VmFlags:", 8) && strstr(line, " dp")) {
			check(n < AREAS, "more than %d droppable areas", AREAS);
			areas[n++] = area;
		}
	}
	fclose(smaps);
	return n;
}

/* Drop all pages of @area, recently used or not; return their number. */
static unsigned long drop(const struct area *area)
{
	size_t page = getpagesize(), pages = (area->end - area->start) / page;
	unsigned char before[4096], after[4096];
	unsigned long dropped = 0;

	check(pages <= sizeof(before), "an area of %zu pages", pages);
	if (mincore(area->start, pages * page, before))
		return 0;
	madvise(area->start, pages * page, MADV_PAGEOUT);
	if (mincore(area->start, pages * page, after))
		return 0;
	for (size_t i = 0; i < pages; i++)
		dropped += before[i] & ~after[i] & 1;
	return dropped;
}

/*
 * Run all threads on one processor. A new page stays in the per-CPU list of its processor for a
 * while, where only that processor can reclaim it. And a switch from a worker to the reclaimer
 * is always during a request.
 */
static void share_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	check(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity: %s",
	      strerror(errno));
}

int main(int argc, char **argv)
{
	struct worker workers[THREADS] = { 0 };
	static const uint8_t zero[CHUNK];
	unsigned long calls = 0, dropped = 0, n = 0;
	struct timespec tick = { 0, 2000000 };
	char pid[32];
	int nr;
	time_t end;

	check(argc == 2, "usage: guest_pressure SECONDS | --droppable");
	if (!strcmp(argv[1], "--droppable"))
		return mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			    MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
	if (getenv("TEST_WAY")) {
		struct vgetrandom_info info;

		vgetrandom_info(&info, sizeof(info));
		check(info.small == VGETRANDOM_MODULE, "%s", info.module_why);
	}
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory", true);
	check(!mkdir(GROUP, 0755) || errno == EEXIST, "%s: %s", GROUP, strerror(errno));
	snprintf(pid, sizeof(pid), "%d", getpid());
	write_file(GROUP "/cgroup.procs", pid, true);

	share_one_cpu();
	kept = malloc((size_t)THREADS * KEPT * CHUNK);
	check(kept, "no memory");
	for (int i = 0; i < THREADS; i++) {
		workers[i].out = kept + i * KEPT;
		check(!pthread_create(&workers[i].id, NULL, work, &workers[i]), "pthread_create");
	}
	nr = find_areas();
	check(nr, "no memory here is droppable");
	/* A debug kernel takes longer to drop enough pages. */
	for (end = time(NULL) + atoi(argv[1]);
	     time(NULL) < end + (dropped > ENOUGH ? 0 : MAX_SECONDS);) {
		for (int i = 0; i < 20; i++) {
			for (int j = 0; j < nr; j++)
				dropped += drop(&areas[j]);
			/* Let the workers run. */
			nanosleep(&tick, NULL);
		}
		/*
		 * Reclaim what has not been used recently, too. Only a little, because the kernel
		 * goes on as long as it finds pages of these areas. EAGAIN: it found fewer.
		 */
		write_file(GROUP "/memory.reclaim", "128K", false);
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
		check(memcmp(kept[i], zero, CHUNK), "a request returned zeros");
		check(!i || memcmp(kept[i - 1], kept[i], CHUNK), "two requests returned the same bytes");
	}
	printf("%lu calls, pages dropped %lu times of %d areas, %lu chunks compared\n",
	       calls, dropped, nr, n);
	check(dropped > ENOUGH, "only %lu pages were dropped: the test shows nothing", dropped);
	check(calls > 1000, "only %lu requests: the test shows nothing", calls);
	return 0;
}
