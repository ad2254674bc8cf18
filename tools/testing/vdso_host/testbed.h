/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The setup that the hosted tests share: a hosted vDSO, a page for a state between two
 * inaccessible pages, and a mock of the getrandom system call.
 *
 * If the image has a table of ranges, signals abort calls, as with the kernel that has the hook
 * for it. VDSO_HOOK=0 in the environment tests the image on a kernel without the hook: another
 * kernel's process that CRIU has restored.
 *
 * If the image is libvgetrandom, environment variables select a variant:
 *
 *	VDSO_STATES=locked	use the states of a kernel without droppable memory: wiped in a
 *				fork's child, and locked; the child must lock them again
 *	VDSO_ENTRY=vgetrandom	call vgetrandom(), which has the generator inlined
 */
#ifndef _TESTBED_H
#define _TESTBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mock_getrandom.h"
#include "oracle.h"
#include "step.h"
#include "vdso_host.h"

#define PAGE		4096
#define STATE_SIZE	sizeof(struct vgetrandom_state)
#define ITERATION_BLOCKS testbed.iteration_blocks	/* that the core makes at a time */
#define ITERATION_SIZE	(ITERATION_BLOCKS * VGETRANDOM_BLOCK_SIZE)
#define BATCH		(ITERATION_SIZE - VGETRANDOM_KEY_SIZE)	/* size of a full batch */

/*
 * If the batch is empty, a request of this length uses up the batch of its refill, and takes
 * the rest from the next key.
 */
#define SECOND_KEY	(ITERATION_SIZE - 10)

/* Longer requests are made in chunks: VGETRANDOM_CHUNK_SIZE of lib/vdso/getrandom.c. */
#define MAX_CHUNK	(16384 - VGETRANDOM_BLOCK_SIZE)

#define MAX_REPLAY	40960	/* the longest request that is compared with the oracle */
#define CANARY		0x5a

extern struct testbed {
	struct vdso_host *host;
	vgetrandom_fn fn;
	size_t iteration_blocks;
	size_t state_size;
	struct vdso_rng_data *rng;
	const struct vgetrandom_range *ranges;	/* of the image; NULL: the kernel has no hook */
	uint8_t *page;			/* that the state is in */
	struct vgetrandom_state *state;
	struct pool *pool;		/* of libvgetrandom, if states are locked; or NULL */
	struct thread *thread;		/* of libvgetrandom, if vgetrandom() is called; or NULL */
} testbed;

/* The state's place in the page. The page's other bytes are canaries. */
enum place { FIRST_IN_PAGE, MIDDLE_OF_PAGE, LAST_IN_PAGE };

/*
 * Once in a process. Returns false and prints an error to stderr if it fails. Uses the core
 * that VDSO_CORE in the environment names, or the widest one that this machine runs. If this
 * machine cannot run the named core, the program skips all its tests.
 */
bool testbed_open(void);

/* Part of testbed_open(), for a vDSO that is not hosted: map the page. */
bool testbed_open_page(size_t state_size);

/* Part of testbed_open(), in testbed_library.c: set up VDSO_STATES, VDSO_ENTRY, VDSO_HOOK. */
bool testbed_open_library(void);

/* The path of the image. */
const char *testbed_image(void);

/* Give this thread's vgetrandom() a state. Is a call of this thread using it? */
void testbed_use_state(void *state);
bool testbed_thread_in_use(void);

/* Zero @state and use it from now on; fill the rest of the page with canaries. */
void testbed_place_at(void *state);

/* The same for a place in the page. */
void testbed_place(enum place place);

/*
 * Drop the states. Locked states cannot be dropped: from now on this process is like a
 * fork's child, whose states are zeros and not locked.
 */
void testbed_drop(void);

/* Lock the states again, as the library does at its start. */
void testbed_restore(void);

/* Fork, but keep the states: to the generator the new process is no child. */
pid_t testbed_fork(void);

/* May the states' memory hold keys now? Only if it is droppable or locked. */
bool testbed_may_hold_keys(void);

/* Forbid, or allow, this process to lock more memory. */
void testbed_limit_locking(bool limited);

/* Are all canaries intact? */
bool testbed_canaries_ok(void);

/* Use this core from now on. Returns false if this machine cannot run it. */
bool testbed_set_core(const char *name);

/* Is this instruction of the hosted vDSO in a core? */
bool testbed_in_core(const void *ip);

/* The state's batch at the start of a call. */
enum start { EMPTY, PARTLY_USED, FULL_BATCH };

#define PART_LEFT	(BATCH > 179 ? 179 : BATCH / 2 + 3)	/* bytes, if PARTLY_USED */

void testbed_start(enum start start);

/* A call with the testbed's state. */
ssize_t testbed_call(void *buffer, size_t len, unsigned int flags);

/*
 * Does @out hold the @len bytes that a call must return? @o is the generator at the start
 * of the call; the call used the keys that @pid asked for in requests [@from, @to). Updates
 * @o to the end of the call.
 */
bool testbed_replay(struct oracle *o, const uint8_t *out, size_t len,
		    unsigned int from, unsigned int to, pid_t pid);

/* The only request that @pid made in [from, to), or NULL. */
struct mock_request *testbed_only_request(unsigned int from, unsigned int to,
					  pid_t pid);

#endif /* _TESTBED_H */
