/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log of all calls, in memory that is a file of the host. snapshot.c writes it in the
 * guest, and snapshot_compare reads it outside.
 */
#ifndef _SNAPSHOT_H
#define _SNAPSHOT_H

#include <assert.h>
#include <stdint.h>

#define SNAPSHOT_FILE_SIZE	(16u << 20)	/* of the guest's device: a power of 2 */

/* The host writes this before a restored guest continues. */
enum snapshot_mode {
	NOT_RESTORED = 0,
	NEW_ID = 'n',		/* the kernel will be told of the restore */
	SAME_ID = 's',		/* it will not be told */
};

/* The callers: a thread each, except IDLE, which stands for calls with idle states. */
enum snapshot_caller { VDSO_1, VDSO_2, SYSCALL, LIBRARY, IDLE, CALLERS };

struct snapshot_call {
	uint64_t begin, end;	/* time stamp counter */
	uint64_t generation;	/* of the state that served the call; 0 if none did */
	uint64_t word;		/* the first bytes returned */
};

#define BEFORE_CALLS	4096
#define WINDOW_CALLS	65536
#define AFTER_CALLS	8192

/**
 * struct snapshot_calls - the calls of one caller
 * @n_before: number of calls that had returned when the guest was saved
 * @n_window: number of later calls that began before the guest was told
 * @n_after: number of calls that began after that
 * @before: the last calls of @n_before
 * @window: the first calls of @n_window
 * @after: all calls of @n_after
 */
struct snapshot_calls {
	uint64_t n_before, n_window, n_after;
	struct snapshot_call before[BEFORE_CALLS];
	struct snapshot_call window[WINDOW_CALLS];
	struct snapshot_call after[AFTER_CALLS];
};

/**
 * struct snapshot_log - contents of the file
 * @mode: written by the host
 * @khz: frequency of the processor's clock
 * @old_generation: the generation when the guest was saved
 * @new_generation: the generation of the first call with another one, or 0
 * @told: the end of that call; with SAME_ID, the end of the wait for it
 * @due: the kernel's timer does not reseed before this time
 * @forks: number of notifications in the kernel's log
 * @complete: the guest has written all fields and calls
 * @of: the calls of each caller
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
