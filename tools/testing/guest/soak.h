/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The soak: all that can happen to a state, at once, for as long as one likes.
 *
 *	soak.c		the run: what is asked for, the watchdog, and the verdict
 *	soak_draw.c	calls, by threads, by signal handlers and by children
 *	soak_press.c	takes pages away, and reseeds
 *	soak_usage.c	what the process and the kernel have in use
 *	soak_set.c	the values that have been handed out
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

#define VALUE		16		/* bytes of what is compared */
#define WORKERS		6

/* Whoever has to move: the watchdog looks at all of them. */
enum { DROPPER = WORKERS, RESEEDER, HOG, ACTORS };

/* What can be wrong; one test each. */
enum soak_fault { REPEATED, ZERO, BAD_CALL, HANGS, LEAKS, FAULTS };

/* For the controls: a fault to be planted. */
enum soak_plant {
	PLANT_NOTHING, PLANT_REPEAT, PLANT_ZERO, PLANT_SHORT, PLANT_ERRNO, PLANT_OVERRUN,
	PLANT_CHILD, PLANT_HANG, PLANT_LEAK, PLANTS
};

/* Of one worker, its handlers and children. All of them are 64 bits wide: see sum(). */
struct soak_counts {
	alignas(64) uint64_t calls;	/* of all kinds */
	uint64_t library;		/* those by libvgetrandom */
	uint64_t drops;			/* a state in use was zeros before a call */
	uint64_t idle_drops;		/* one that nobody but the pressure takes was */
	uint64_t generations;		/* another generation was in it */
	uint64_t forks, handler_forks, signals, threads;
};

/* Seen by all processes of the run, and locked in memory. */
struct soak_shared {
	bool stop;
	uint64_t faults[FAULTS];
	char text[FAULTS][200];		/* the first of each */
	uint64_t reseeds;		/* that were asked for */
	uint64_t taken;			/* pages that the dropper saw go */
	uint64_t progress[ACTORS];
	bool is_planted;
	uint8_t planted[VALUE];
	struct soak_counts counts[WORKERS];
};

/* What is under test, and how. */
struct soak_vdso {
	ssize_t (*fn)(void *buffer, size_t len, unsigned int flags, void *state, size_t size);
	size_t size;			/* of a state */
	int prot, flags;		/* of its memory */
	bool ours;			/* states are struct vgetrandom_state */
	bool droppable;			/* and the kernel has memory for them */
	struct vdso_host *host;		/* if it is hosted */
};

extern struct soak_shared *soak;
extern struct soak_vdso vdso;
extern enum soak_plant plant;
extern bool strict;			/* nothing may be missing here */

/* Something is wrong. Ends the run, but not the caller. */
void soak_fault(enum soak_fault fault, const char *format, ...);

/* The test cannot be made: says so, and ends the program. */
noreturn void soak_die(const char *format, ...);

static inline void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline bool stopped(void)
{
	return __atomic_load_n(&soak->stop, __ATOMIC_RELAXED);
}

/* Not for secrets: so that a run can be had again, more or less. */
static inline uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * 0x2545f4914f6cdd1dULL;
}

void soak_sleep_us(unsigned int us);
void soak_pin(unsigned int number);

/* soak_set.c: false if the value was there already. For any process, and any handler. */
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
void press_open(void);			/* moves the process into a group that is short of memory */
bool press_real(void);			/* there is such a group */
void press_start(uint64_t seed);
void press_stop(void);

/* soak_draw.c's states: one page each; in use, and idle. */
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
