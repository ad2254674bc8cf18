/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the rules have in common: a hosted vDSO, a page of states
 * between two inaccessible pages, and a kernel that answers as told.
 *
 * For libvgetrandom there are, in the environment:
 *
 *	VDSO_STATES=locked	the page is one of those that it has where the kernel has no
 *				droppable memory: wiped in a child of fork(), and locked,
 *				which a child has to do itself
 *	VDSO_ENTRY=vgetrandom	calls are of vgetrandom(), which has the generator inlined
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
#define ITERATION_BLOCKS		testbed.iteration_blocks	/* the core makes a multiple of that many blocks */
#define ITERATION_SIZE	(ITERATION_BLOCKS * VGETRANDOM_BLOCK_SIZE)
#define BATCH		(ITERATION_SIZE - VGETRANDOM_KEY_SIZE)	/* the most that is in one */

/* From a state without a batch: what is left of the last block needs another key. */
#define SECOND_KEY	(ITERATION_SIZE - 10)

#define MAX_REPLAY	4096	/* the longest request that is compared with the oracle */
#define CANARY		0x5a

extern struct testbed {
	struct vdso_host *host;
	vgetrandom_fn fn;
	size_t iteration_blocks;
	size_t state_size;
	struct vdso_rng_data *rng;
	uint8_t *page;			/* where states are */
	struct vgetrandom_state *state;
	struct pool *pool;		/* the library's, of locked states; or NULL */
	struct thread *thread;		/* what vgetrandom() knows of this thread; or NULL */
} testbed;

/* Where the state is. The page's other bytes are canaries. */
enum place { FIRST_IN_PAGE, MIDDLE_OF_PAGE, LAST_IN_PAGE };

/*
 * Once in a process. Says why on stderr if it returns false. The core is the one that
 * VDSO_CORE in the environment names, or the widest that this machine runs; where it
 * does not run the one that is asked for, the program skips all of its tests.
 */
bool testbed_open(void);

/* Part of it, for states that no hosted vDSO uses: a page for them. */
bool testbed_open_page(size_t state_size);

/* Part of it, in testbed_library.c: the page, if states are to be locked, and the entry. */
bool testbed_open_library(void);

/* The image. */
const char *testbed_image(void);

/* The state that vgetrandom() has in this thread; and does it know of a call that uses it? */
void testbed_use_state(void *state);
bool testbed_thread_in_use(void);

/* The state is here. The page's other bytes are canaries. */
void testbed_place_at(void *state);

/* Take this place for the state, all zeros. */
void testbed_place(enum place place);

/*
 * The states are lost. Droppable ones have been dropped. Locked ones never are: this is the
 * child of a fork from here on, whose states are zeros, and not locked.
 */
void testbed_drop(void);

/* As the library has left it at its start. */
void testbed_restore(void);

/* A copy of this process, which has the states as they are: no child, to the generator. */
pid_t testbed_fork(void);

/* Is the memory of states as it has to be for keys? */
bool testbed_may_hold_keys(void);

/* From now on this process may lock no more memory; or it may again. */
void testbed_limit_locking(bool limited);

/* Are all bytes of the page but the state's as testbed_place() left them? */
bool testbed_canaries_ok(void);

/* The core that is in use from now on; false if it does not run here. */
bool testbed_set_core(const char *name);

/* Is this instruction of the hosted vDSO one of a core? */
bool testbed_in_core(const void *ip);

/* The state as it is before a call. */
enum start { EMPTY, PARTLY_USED, FULL_BATCH };

#define PART_LEFT	(BATCH > 179 ? 179 : BATCH / 2 + 3)	/* partly used */

void testbed_start(enum start start);

/* A call with the testbed's state. */
ssize_t testbed_call(void *buffer, size_t len, unsigned int flags);

/*
 * Does @out hold what a call of @len bytes has to return, that began with what
 * @o is and in the course of which this process asked for the keys in requests
 * [@from, @to)? Brings @o up to date.
 */
bool testbed_replay(struct oracle *o, const uint8_t *out, size_t len,
		    unsigned int from, unsigned int to, pid_t pid);

/* The only request that @pid made in [from, to), or NULL. */
struct mock_request *testbed_only_request(unsigned int from, unsigned int to,
					  pid_t pid);

#endif /* _TESTBED_H */
