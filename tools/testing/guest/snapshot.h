/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What snapshot.c, in the guest, and snapshot_compare, outside of it, share: the log
 * of all calls, in memory that is a file of the host.
 */
#ifndef _SNAPSHOT_H
#define _SNAPSHOT_H

#include <assert.h>
#include <stdint.h>

#define SNAPSHOT_FILE_SIZE	(16u << 20)	/* of the guest's device: a power of 2 */

/* How the host lets the guest know, before it goes on, that it has been restored. */
enum snapshot_mode {
	NOT_RESTORED = 0,
	NEW_ID = 'n',		/* it will be told so */
	SAME_ID = 's',		/* it will not be */
};

/* Who calls. Each is a thread, but for those of idle states. */
enum snapshot_caller { VDSO_1, VDSO_2, SYSCALL, LIBRARY, IDLE, CALLERS };

struct snapshot_call {
	uint64_t begin, end;	/* by the processor's clock */
	uint64_t generation;	/* of the state that has served it; 0: there is none */
	uint64_t word;		/* the first bytes that it has returned */
};

#define BEFORE_CALLS	4096
#define WINDOW_CALLS	65536
#define AFTER_CALLS	8192

/**
 * struct snapshot_calls - one caller's
 * @n_before: that had returned when the guest was saved
 * @n_window: that have returned since then, and were begun before it was told
 * @n_after: that were begun later
 * @before: the last ones of these
 * @window: the first ones
 * @after: all
 */
struct snapshot_calls {
	uint64_t n_before, n_window, n_after;
	struct snapshot_call before[BEFORE_CALLS];
	struct snapshot_call window[WINDOW_CALLS];
	struct snapshot_call after[AFTER_CALLS];
};

/**
 * struct snapshot_log - what is in the file
 * @mode: what the host writes
 * @khz: of the processor's clock
 * @old_generation: when the guest was saved
 * @new_generation: of the first call that had another one, or 0
 * @told: the end of that call; with SAME_ID, the end of the wait for one
 * @due: before that the kernel does not reseed of its own accord
 * @forks: how often the kernel has said that it was told
 * @complete: all the above, and all calls, are in place
 * @of: by caller
 */
struct snapshot_log {
	uint8_t mode;
	uint64_t khz;
	uint64_t old_generation, new_generation;
	uint64_t told, due;
	uint64_t forks;
	uint64_t complete;
	struct snapshot_calls of[CALLERS];
};

static_assert(sizeof(struct snapshot_log) <= SNAPSHOT_FILE_SIZE, "the file is too small");

#endif /* _SNAPSHOT_H */
