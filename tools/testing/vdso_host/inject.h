/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inject events between two instructions of a getrandom call.
 *
 * The process single-steps a call and forks at a step. The child, called the copy, stands
 * for the process itself: an event happens there, and the call then runs to its end. The
 * copy, and children that the event forks, log all their calls and events in shared memory.
 * When they have exited, inject_check.c checks the logs.
 *
 * The generator is the hosted one (vdso_host.h) or the running kernel's (vdso_running.h).
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
#define NEXT_CALL	50	/* length of the call after the interrupted one */

/*
 * A call is committed when it checks its state for the last time, shortly before it
 * returns. It does not notice a later event, and returns its bytes: the test accepts that,
 * as if the event came after the call. At most this many instructions may follow the check:
 * they unlock the state, load the result, restore registers and return.
 */
#define MAX_TAIL	40

/* An event is a string of these. */
enum {
	DROPS = 'd',		/* reclaim zeroes the page; locked states: testbed_drop() */
	RESEEDS = 'r',		/* the kernel publishes a new generation */
	UNREADY = 'u',		/* the RNG is no longer ready: no kernel does that */
	LIMITED = 'l',		/* the process may lock no more memory */
	CALLS = 'c',		/* a signal handler makes a call with the same state */
	FORKS = 'f',		/* a handler forks; the child's page is wiped; later events happen there */
	/* In logs only. */
	ABORTED = 'a',		/* the kernel aborted the call, before a handler ran */
	WIPED = 'w',		/* the child's side of FORKS */
	NEXT = 'n',		/* a call after the interrupted one; see finish_copy() */
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
	unsigned int from, to;		/* requests [from, to) were made during the call */
	bool in_use, ready;		/* at its start: the state is locked; the RNG is ready */
	bool may_hold_keys, limited;	/* at its end, of locked states */
	uint64_t generation;		/* published at its start */
	uint8_t out[MAX_LEN];
	uint8_t after[MAX_STATE];	/* the state at its end */
};

struct log_entry {
	char what;
	unsigned int serial;		/* a child's copy of an entry has the same one */
	unsigned long step;
	unsigned int at;		/* number of requests before it */
	union {
		struct call_record call;
		uint8_t out[MAX_LEN];	/* the interrupted call's buffer at that time */
	};
};

#define MAX_ENTRIES	12
#define MAX_LINEAGE	4
#define MAX_HISTORIES	8

/* The log of one process, which begins with its ancestors' logs up to the forks. */
struct history {
	struct {
		pid_t pid;
		unsigned int from, to;	/* its requests in [from, to) belong here */
	} lineage[MAX_LINEAGE];
	unsigned int nlineage;
	bool finished, canaries_ok;
	uint64_t generation;		/* at the end */
	unsigned int nentries;
	struct log_entry entries[MAX_ENTRIES];
	struct call_record outer;		/* the interrupted call */
};

/* The generator under test. */
struct subject {
	vgetrandom_fn fn;
	void *state;
	size_t state_len;
	struct vdso_rng_data *rng;	/* NULL: the kernel's, which the test cannot write */
	struct layout layout;
	bool is_hosted;			/* check this project's whole contract, and the states */
	size_t fill_len;		/* request length that leaves a full batch */
	size_t part_left;		/* bytes in a partly used batch */
};

struct inject_shared {
	unsigned long cases, pairs;	/* tried, by all tests */
	unsigned int nhistories, serial;
	/* [0] belongs to the stepping process, and is not checked. */
	struct history histories[MAX_HISTORIES];
};

extern struct inject {
	struct subject subject;
	struct inject_shared *shared;

	enum start start;
	size_t len;
	struct chain before;		/* the state's key and batch as the call begins */
	uint8_t out[MAX_LEN];		/* the call's buffer */
	unsigned long steps;		/* of the call, once it has returned */

	struct history *history;	/* of this process */
	uint64_t generation;		/* of the RNG, which publishes it while it is ready */
	bool limited;			/* this process may lock no more memory */
	bool is_copy;			/* this process finishes the call and exits */
} inject;

/*
 * Count the cases of all tests. At exit, print them as "# @name: N (@what)". Call it before
 * main(), so that the processes of all tests inherit the counter.
 */
void inject_count_cases(const char *name, const char *what);

/* Step through a call of @len bytes on a state as @start says. */
ssize_t inject_step(enum start start, size_t len, step_fn step, void *arg);

/*
 * Let @event happen in the stepping process itself. If the event forks, the new process is a
 * copy. The copy acts as the child; with @as_child it acts as the parent, and this process as
 * the child. The copy has exited when this returns. In the copy inject.is_copy is set, and
 * the step function must return false.
 */
bool inject_event(const struct event *event, unsigned long step, bool as_child);

/* The same in a copy. Returns true if there is a log to check; false in the copy. */
bool inject_try(const struct event *event, unsigned long step, const char **why);

/* Forget the log and the requests of the last inject_try(). */
void inject_undo(void);

/* What inject_check() found in the logs of all processes but the stepping one. */
struct verdict {
	const char *why;		/* what is wrong, or NULL */
	const char *process;		/* the process that it is wrong in */
	bool invalidated;		/* an event invalidated the call's state */
	bool committed;			/* such an event came after the call was committed */
	unsigned long committed_at;	/* step of the first such event */
};

void inject_check(struct verdict *verdict);

#endif /* _INJECT_H */
