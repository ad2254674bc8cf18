/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events injected into a call of a generator, between two of its instructions.
 *
 * A call is single-stepped. At a step of it the process forks; in the copy, which
 * stands for the process itself, an event happens, and the call goes on to its end.
 * Everything that the copy, and children that the event forks, see of the generator is
 * logged in shared memory, and judged when they are done: see inject_check.c.
 *
 * The generator is ours, hosted, or the running kernel's (vdso_running.c).
 */
#ifndef _INJECT_H
#define _INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "chain.h"
#include "mock_getrandom.h"
#include "step.h"
#include "testbed.h"

#define MAX_LEN		3200	/* longest request */
#define MAX_STATE	1280
#define INNER_CALL	40	/* length of a call in a signal handler */
#define NEXT_CALL	50	/* length of the call after it all */

/*
 * A call looks at its state for the last time a few instructions before it
 * returns. What happens after that look happens after the call: its bytes are as
 * good as handed out. This is how many instructions may follow it: to mark the
 * state as free, load the result, restore registers and return.
 */
#define MAX_TAIL	24

/* What happens, as a string of these. */
enum {
	DROPS = 'd',		/* reclaim zeroes the page; locked states: testbed_drop() */
	RESEEDS = 'r',		/* the kernel has a new generation */
	UNREADY = 'u',		/* the RNG is no longer ready, which no kernel does */
	LIMITED = 'l',		/* the process may lock no more memory */
	CALLS = 'c',		/* a signal handler calls on the same state */
	FORKS = 'f',		/* the child's page is wiped; what follows happens there */
	/* In logs only. */
	WIPED = 'w',		/* the child's side of FORKS */
	NEXT = 'n',		/* the call after it all; before, one until the RNG is ready */
};

struct event {
	const char *name, *what;
};

/* One call, as the process that made it reports it. */
struct call_record {
	uint8_t *buffer;
	ssize_t ret;
	size_t len;
	unsigned int flags;
	unsigned int from, to;		/* requests before it, and before its end */
	bool in_use, ready;		/* what it finds */
	bool may_hold_keys, limited;		/* what it leaves, of locked states */
	uint64_t generation;		/* that is published as it begins */
	uint8_t out[MAX_LEN];
	uint8_t after[MAX_STATE];	/* the state */
};

struct log_entry {
	char what;
	unsigned int serial;		/* children have copies of what was before them */
	unsigned long step;
	unsigned int at;		/* requests before it */
	union {
		struct call_record made;
		uint8_t out[MAX_LEN];	/* the interrupted call's buffer then */
	};
};

#define MAX_ENTRIES	8
#define MAX_LINEAGE	4
#define MAX_HISTORIES	8

/* What one process knows, and what its ancestors knew when they forked it. */
struct history {
	struct {
		pid_t pid;
		unsigned int from, to;	/* requests that it made as this history */
	} lineage[MAX_LINEAGE];
	unsigned int nlineage;	/* of the lineage */
	bool finished, canaries_ok;
	uint64_t generation;		/* at the end */
	unsigned int nentries;
	struct log_entry entries[MAX_ENTRIES];
	struct call_record outer;		/* the interrupted call */
};

/* What is examined. */
struct subject {
	vgetrandom_fn fn;
	void *state;
	size_t state_len;
	struct vdso_rng_data *rng;	/* NULL: the kernel's, which is not ours to change */
	struct layout layout;
	bool is_hosted;			/* its states can be read, and have rules */
	/* From a state without anything: this many bytes leave a full batch. */
	size_t whole, part_left;
};

struct inject_shared {
	unsigned long cases, pairs;	/* tried, by all tests */
	unsigned int nhistories, serial;
	struct history histories[MAX_HISTORIES];	/* [0] is the stepping process, which is not judged */
};

extern struct inject {
	struct subject subject;
	struct inject_shared *shared;

	enum start start;
	size_t len;
	struct chain before;		/* what the state has as the call begins */
	uint8_t out[MAX_LEN];		/* the call's buffer */
	unsigned long steps;		/* of the call, once it is over */

	struct history *history;		/* of this process */
	bool limited;			/* is it? */
	bool is_copy;			/* to run on to the end, and to exit then */
} inject;

/*
 * Before main(), so that every test's process has it: count the cases, and say at the end
 * how many there were, as "# @name: N (@what)".
 */
void inject_count_cases(const char *name, const char *what);

/* Step through a call of @len bytes that begins with @start. */
ssize_t inject_step(enum start start, size_t len, step_fn step, void *arg);

/*
 * In the stepping process for good: @event. Where it forks, the process goes on as the
 * child if @as_child, and the copy as the parent; the copy has come to its end when this
 * returns. In the copy, inject.is_copy is set then, and the step function has to return
 * false.
 */
bool inject_event(const struct event *event, unsigned long step, bool as_child);

/* The same in a copy. Returns whether there is something to judge; false in the copy. */
bool inject_try(const struct event *event, unsigned long step, const char **why);

/* After inject_try() has been judged: as if nothing had been. */
void inject_undo(void);

/* inject_check.c: of all processes but the stepping one. */
struct verdict {
	const char *why;		/* NULL: all is well */
	const char *process;		/* which of them */
	bool committed;			/* an event came after the call's last look */
	unsigned long committed_at;	/* the first that did */
};

void inject_check(struct verdict *verdict);

#endif /* _INJECT_H */
