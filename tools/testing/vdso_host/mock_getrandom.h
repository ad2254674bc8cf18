/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mock of the getrandom system call, for the hosted vDSO.
 *
 * Each getrandom system call of the vDSO's text raises a signal (machine/machine.h). The
 * signal handler answers in the kernel's place and records the request. So tests know every
 * key, see which calls fall back to the system call and with what arguments, and can make
 * the system call fail.
 */
#ifndef _MOCK_GETRANDOM_H
#define _MOCK_GETRANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <ucontext.h>
#include <vdso/getrandom.h>

#include "vdso_host.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr) (sizeof(arr) / sizeof((arr)[0]))
#endif

struct mock_request {
	pid_t pid;
	bool is_key;		/* the buffer is in a state and not the caller's */
	void *buffer;
	size_t len;
	unsigned int flags;
	uint64_t generation;	/* published at that time; 0 if that is not known */
	bool may_hold_keys;	/* the states' memory may hold keys: see testbed.h */
	uint8_t bytes[4096];	/* the first bytes of the answer */
};

#define MOCK_REQUESTS 256

/*
 * Shared with children, so that no two processes get the same key. The record is a ring:
 * request n is in requests[n % MOCK_REQUESTS].
 */
struct mock {
	unsigned int count;
	long refuse_with;	/* if not 0: return this -errno */
	long refuse_keys_with;	/* the same, for requests for keys only */
	void (*hook)(ucontext_t *context);	/* called after each answer */
	const void *states;	/* the memory of states */
	size_t states_len;
	const struct vdso_rng_data *rng;	/* NULL: the running kernel's, unknown */
	bool (*may_hold_keys)(void);	/* NULL: states may always hold keys */
	struct mock_request requests[MOCK_REQUESTS];
};

extern struct mock *mock;

/* Once in a process. Returns false and prints an error to stderr if it fails. */
bool mock_open(struct vdso_host *host, const void *states, size_t states_len);

/* The same for a vDSO that is not hosted. */
bool mock_open_text(const void *text, size_t text_len, const void *states,
		    size_t states_len);

struct mock_request *mock_request(unsigned int n);

/* The number of requests so far, of all processes. */
unsigned int mock_count(void);

#endif /* _MOCK_GETRANDOM_H */
