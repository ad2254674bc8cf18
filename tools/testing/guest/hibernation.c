// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hibernates to /dev/vda: see scripts/tests/hibernation, which restores the image twice. Prints
 *
 *   ready DROPPABLE ORDINARY	the words that pages of each kind were filled with
 *   restored CALLER WORD...	after the restore: the first words that each caller gets
 */
#include <pthread.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>

#include "guest.h"

#define WORDS	64

/* Waits for the end of sleep, without a system call, and makes calls at once. */
struct caller {
	const char *name;
	struct vgetrandom_state *state;		/* NULL: makes the system call */
	uint64_t old_generation, new_generation;
	uint64_t words[WORDS];
	pthread_t thread;
};

static struct caller callers[] = {
	{ .name = "vDSO" },
	{ .name = "system call" },
	{ NULL }
};

/* A delay between the two clocks makes this less, never more. */
static long slept_ms(void)
{
	struct timespec with_sleep;

	clock_gettime(CLOCK_BOOTTIME, &with_sleep);
	return with_sleep.tv_sec * 1000 + with_sleep.tv_nsec / 1000000 - now_ms();
}

static void get(struct caller *c, uint64_t *word)
{
	ssize_t len = c->state ? guest_getrandom(c->state, word, sizeof(*word), 0) :
				 syscall(SYS_getrandom, word, sizeof(*word), 0);

	check(len == sizeof(*word), "%s: %zd bytes", c->name, len);
}

static void *call_after_sleep(void *arg)
{
	struct caller *c = arg;

	/* The kernel's RNG has a key for each processor: after each restore, use the same one. */
	check(pin_to_cpu(0), "pinning failed");
	while (slept_ms() < 1000)
		;
	get(c, &c->words[0]);
	if (c->state)
		c->new_generation = c->state->generation;
	for (int i = 1; i < WORDS; i++)
		get(c, &c->words[i]);
	return NULL;
}

static void prepare(struct caller *c)
{
	uint64_t used;

	if (c == &callers[0]) {
		c->state = guest_map_states();
		get(c, &used);
		c->old_generation = c->state->generation;
		check(c->old_generation && c->state->available, "%s: no key", c->name);
	}
	check(!pthread_create(&c->thread, NULL, call_after_sleep, c), "no thread");
}

int main(void)
{
	uint64_t droppable = guest_word(MAP_DROPPABLE), ordinary = guest_word(MAP_PRIVATE);
	uint8_t *dropped = map_huge(MAP_DROPPABLE, 2 * HUGE_SIZE);
	uint8_t *kept = map_pages(MAP_PRIVATE, HUGE_SIZE);

	guest_open();
	guest_wait_ready();
	check(!swapon("/dev/vda", 0), "swapon /dev/vda: %s", strerror(errno));
	/* Do not let the kernel drop pages to make the image smaller. */
	guest_write("/sys/power/image_size", "1073741824");
	guest_write("/sys/power/disk", "shutdown");
	/* A huge page and small ones. */
	madvise(dropped + HUGE_SIZE, HUGE_SIZE, MADV_NOHUGEPAGE);
	guest_fill(dropped, 2 * HUGE_SIZE, droppable);
	check(page_flags(dropped) & KPF_THP && !(page_flags(dropped + HUGE_SIZE) & KPF_THP),
	      "the kernel has no free huge page");
	/* Half of it was lazily freed, and then written again. */
	guest_fill(kept, HUGE_SIZE, ordinary);
	check(!madvise(kept, HUGE_SIZE / 2, MADV_FREE), "MADV_FREE: %s", strerror(errno));
	guest_fill(kept, HUGE_SIZE, ordinary);
	for (struct caller *c = callers; c->name; c++)
		prepare(c);
	printf("ready %016lx %016lx\n", droppable, ordinary);
	fflush(stdout);
	guest_write("/sys/power/state", "disk");

	check(slept_ms() >= 1000, "the machine has not slept");
	for (struct caller *c = callers; c->name; c++) {
		pthread_join(c->thread, NULL);
		printf("restored %s:", c->name);
		for (int i = 0; i < WORDS; i++)
			printf(" %016lx", c->words[i]);
		printf("\n");
	}
	check(callers[0].new_generation != callers[0].old_generation, "the generation is still %lu",
	      callers[0].old_generation);
	/* Still mapped: so they were in the image, as zeros. */
	for (size_t at = 0; at < 2 * HUGE_SIZE; at += page)
		check(page_frame(dropped + at), "a droppable page was dropped before");
	check(is_zero(dropped, 2 * HUGE_SIZE), "droppable memory does not read as zeros");
	for (size_t at = 0; at < HUGE_SIZE; at += sizeof(ordinary))
		check(*(uint64_t *)(kept + at) == ordinary, "ordinary memory has changed");
	return 0;
}
