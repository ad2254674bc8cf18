/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A traced process that calls the hosted vDSO. The tracer answers its getrandom system
 * calls, disturbs calls between two instructions, and reads all its registers and memory
 * after each call.
 *
 * The traced process knows no secrets: a secret that the tracer finds there was left by the
 * call and not by the test.
 */
#ifndef _TRACEE_H
#define _TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>
#include <vdso/getrandom.h>

#include "step.h"
#include "vdso_host.h"
#include "writable_memory.h"

#define TRACEE_OUT	16384
#define TRACEE_XSAVE	16384
#define TRACEE_KEYS	64
#define TRACEE_HANDLER_OUT 32	/* bytes that the signal handler asks for */

/* Memory that both processes share at the same address. */
struct tracee_shared {
	uint8_t page[4096];			/* with the state in its middle */
	uint8_t out[TRACEE_OUT];		/* the calls' buffer */
	uint8_t handler_out[TRACEE_HANDLER_OUT];
	ssize_t handler_ret;
	uintptr_t place;			/* address of a leak: see planted_leaks.h */
	/* The call to make. */
	vgetrandom_fn fn;
	size_t len;
	void *state;
	size_t state_len;
};

/* Events that can happen during a call. */
enum tracee_event {
	NOTHING,
	DROP,			/* the page is zeroed, and locked states are unlocked */
	RESEED,
	HANDLER,		/* a signal handler makes a call with the same state */
	DROP_AND_HANDLER,
	DROP_EACH_KEY,		/* a drop now and after each key, so that the call falls back */
	DROP_AND_LIMIT,		/* a drop, and states may not be locked again */
};

struct tracee {
	pid_t pid;
	struct tracee_shared *shared;
	struct vgetrandom_state *state;

	/* Of the last call. frame: the signal frame of a handler that interrupted it. */
	struct memory_range frame;
	struct user_regs_struct regs;
	uint8_t xsave[TRACEE_XSAVE];
	size_t xsave_len;
	bool event_happened;

	/* All keys since tracee_forget_keys(). */
	uint8_t keys[TRACEE_KEYS][VGETRANDOM_KEY_SIZE];
	size_t nkeys;

	/* Private. */
	struct vdso_host *host;
	uintptr_t text, text_end, signal_stack_end;
};

/*
 * Start a traced process, which ends with this one. Returns false and prints an error to
 * stderr if it fails.
 */
bool tracee_start(struct tracee *t, struct vdso_host *host);
void tracee_end(struct tracee *t);

/* Zero and unlock its states, and allow it to lock them again. */
bool tracee_drop(struct tracee *t);

/* Forget earlier keys, and zero the buffers: their bytes are no secrets of the next call. */
void tracee_forget_keys(struct tracee *t);
void tracee_clear_buffers(struct tracee *t);

/*
 * Let the process clear all its registers and call @fn with its state. @event happens before
 * the instruction at @ip of the vDSO runs for the @nth time, counted from 0. Afterwards @t
 * has the registers. Returns the call's result. After an error it prints a message to stderr
 * and returns less than -4095.
 */
ssize_t tracee_call(struct tracee *t, vgetrandom_fn fn, size_t len, enum tracee_event event,
		    const void *ip, unsigned long nth);

#endif /* _TRACEE_H */
