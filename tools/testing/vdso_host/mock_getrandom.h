/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the hosted vDSO and the kernel: answers every getrandom system call
 * that its text makes, in the kernel's place, and keeps a record of them.
 *
 * Those calls, and no others, raise a signal (machine/machine.h), whose handler answers.
 * So tests know every key, see which calls fall back to the
 * system call and with what arguments, and can fail it.
 */
#ifndef _MOCK_GETRANDOM_H
#define _MOCK_GETRANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <vdso/getrandom.h>

#include "vdso_host.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr) (sizeof(arr) / sizeof((arr)[0]))
#endif

struct mock_request {
	pid_t pid;
	bool is_key;		/* into a state, not into a caller's buffer */
	void *buffer;
	size_t len;
	unsigned int flags;
	uint64_t generation;	/* that was published then; 0 where that is not known */
	bool may_hold_keys;		/* the states' memory is as it has to be for keys */
	uint8_t bytes[4096];	/* the first of those that were the answer */
};

#define MOCK_REQUESTS 256

/*
 * Shared with children, who thus never get a key that another process has had.
 * The record is a ring: number n is in requests[n % MOCK_REQUESTS].
 */
struct mock {
	unsigned int count;
	long refuse_with;	/* answer -errno instead, until it is 0 again */
	long refuse_keys_with;	/* the same, of requests for keys only */
	void (*hook)(const void *ip);	/* called at the end of each answer, which goes to ip */
	const void *states;	/* where states are */
	size_t states_len;
	const struct vdso_rng_data *rng;	/* NULL: the kernel's, wherever it is */
	bool (*may_hold_keys)(void);	/* NULL: it always is */
	struct mock_request requests[MOCK_REQUESTS];
};

extern struct mock *mock;

/* Once in a process. Says why on stderr if it returns false. */
bool mock_open(struct vdso_host *host, const void *states, size_t states_len);

/* The same for another text than a hosted one. */
bool mock_open_text(const void *text, size_t text_len, const void *states,
		    size_t states_len);

struct mock_request *mock_request(unsigned int n);

/* Number of requests until now, of all processes. */
unsigned int mock_count(void);

#endif /* _MOCK_GETRANDOM_H */
