/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The soak test: everything that can happen to a state, at the same time, for a chosen time.
 *
 *	soak.c		the main program: arguments, watchdog and results
 *	soak_draw.c	calls, by threads, by signal handlers and by children
 *	soak_press.c	drops pages, and makes the kernel reseed
 *	soak_usage.c	resources in use by the process and the kernel
 *	soak_set.c	the values that calls have returned
 */
#ifndef _SOAK_H
#define _SOAK_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#endif

#define VALUE		16		/* bytes; the unit in which results are compared */
#define WORKERS		6

/* After the workers: the other actors whose progress the watchdog checks. */
enum { DROPPER = WORKERS, RESEEDER, HOG, ACTORS };

/* Kinds of faults; one test for each. */
enum soak_fault { REPEATED, ZERO, BAD_CALL, HANGS, LEAKS, FAULTS };

/* For the controls: the fault to plant. */
enum soak_plant {
	PLANT_NOTHING, PLANT_REPEAT, PLANT_ZERO, PLANT_SHORT, PLANT_ERRNO, PLANT_OVERRUN,
	PLANT_CHILD, PLANT_HANG, PLANT_LEAK, PLANTS
};

/* Counts of one worker, its handlers and children. All fields have 64 bits: see sum(). */
struct soak_counts {
	alignas(64) uint64_t calls;	/* of all kinds */
	uint64_t library;		/* calls of libvgetrandom */
	uint64_t drops;			/* a state in use was zeros before a call */
	uint64_t idle_drops;		/* an idle state was; only memory pressure drops those */
	uint64_t generations;		/* a state had another generation than before */
	uint64_t forks, handler_forks, signals, jumps, threads;
};

/* Shared by all processes of the test, and locked in memory. */
struct soak_shared {
	bool stop;
	uint64_t faults[FAULTS];
	char text[FAULTS][200];		/* the first fault of each kind */
	uint64_t reseeds;		/* requested by this test */
	uint64_t taken;			/* pages that the dropper has dropped */
	uint64_t progress[ACTORS];
	bool is_planted;
	uint8_t planted[VALUE];
	struct soak_counts counts[WORKERS];
};

/* The vDSO under test. */
struct soak_vdso {
	ssize_t (*fn)(void *buffer, size_t len, unsigned int flags, void *state, size_t size);
	size_t size;			/* of a state */
	int prot, flags;		/* of its memory */
	bool ours;			/* states are struct vgetrandom_state */
	bool aborts;			/* the kernel aborts calls that signals interrupt */
	bool droppable;			/* the kernel has droppable memory for states */
	struct vdso_host *host;		/* not NULL if the vDSO is hosted */
};

extern struct soak_shared *soak;
extern struct soak_vdso vdso;
extern enum soak_plant plant;
extern bool strict;			/* nothing may be missing here */

/* Report a fault, and stop the test; returns to the caller. */
void soak_fault(enum soak_fault fault, const char *format, ...);

/* The test cannot run: print why, and exit. */
noreturn void soak_die(const char *format, ...);

static inline void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline bool stopped(void)
{
	return __atomic_load_n(&soak->stop, __ATOMIC_RELAXED);
}

/* Not for secrets. A seed repeats a test approximately. */
static inline uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * 0x2545f4914f6cdd1dULL;
}

void soak_sleep_us(unsigned int us);
void soak_pin(unsigned int number);

/* soak_set.c: set_add() is false if the set has the value. Any process or handler may call it. */
void set_open(size_t mib);
bool set_add(const uint8_t value[VALUE]);

struct set_figures {
	uint64_t asked, compared, held, slots;
	unsigned int bits;
};

struct set_figures set_figures(void);

/* soak_draw.c */
void draw_start(uint64_t seed);
void draw_stop(void);

/* soak_press.c */
void press_open(void);			/* move the process to a cgroup that is short of memory */
bool press_real(void);			/* whether there is such a cgroup */
void press_start(uint64_t seed);
void press_stop(void);

/* The states of soak_draw.c, one in each page: in use (hot), and idle. */
extern struct soak_states {
	uint8_t *hot, *idle;
	size_t hot_size, idle_size;
} states;

/* soak_usage.c */
#define USES	6

struct soak_usage {
	long of[USES];
};

struct soak_usage usage_now(void);
void usage_compare(const struct soak_usage *before, const struct soak_usage *after);

#endif /* _SOAK_H */
