/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process that calls the hosted vDSO and knows nothing: it is traced by this one,
 * which makes the keys in the kernel's place, disturbs calls between two instructions,
 * and reads all registers and all memory when they have returned.
 *
 * So what is found there has been left by the call, and by nothing of the test's.
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

/* Both processes see this, at the same address. It holds no secrets but these. */
struct tracee_shared {
	uint8_t page[4096];			/* where the state is, in the middle */
	uint8_t out[TRACEE_OUT];		/* what the calls return, from its start */
	uint8_t handler_out[TRACEE_HANDLER_OUT];
	ssize_t handler_ret;
	uintptr_t place;			/* of a plant: see planted_leaks.h */
	/* The call to make. */
	vgetrandom_fn fn;
	size_t len;
	void *state;
	size_t state_len;
};

/* What may happen in the middle of a call. */
enum tracee_event {
	NOTHING,
	DROP,			/* the page is zeros from now on; and locked states unlocked */
	RESEED,
	HANDLER,		/* a signal handler makes a call on the same state */
	DROP_AND_HANDLER,
	DROP_EACH_KEY,	/* a drop now, and one after each key: so it falls back */
	DROP_AND_LIMIT,		/* and they may not be locked again */
};

struct tracee {
	pid_t pid;
	struct tracee_shared *shared;
	struct vgetrandom_state *state;

	/* Of the last call: what the kernel has saved of it for a signal handler. */
	struct memory_range frame;
	struct user_regs_struct regs;
	uint8_t xsave[TRACEE_XSAVE];
	size_t xsave_len;
	bool happened;		/* the event */

	/* All keys since tracee_forget_keys(). */
	uint8_t keys[TRACEE_KEYS][VGETRANDOM_KEY_SIZE];
	size_t nkeys;

	/* The processes' own affairs. */
	struct vdso_host *host;
	uintptr_t text, text_end, signal_stack_end;
};

/* Starts one; it ends with this process. Says why on stderr if it returns false. */
bool tracee_start(struct tracee *t, struct vdso_host *host);
void tracee_end(struct tracee *t);

/* Its states are zeros, and not locked; it may lock them. */
bool tracee_drop(struct tracee *t);

/* Forget keys, and clear buffers: what was handed out before is no finding. */
void tracee_forget_keys(struct tracee *t);
void tracee_clear_buffers(struct tracee *t);

/*
 * Has it call @fn with its state, and @event happen before the instruction at @ip of the
 * vDSO, when that is to be run for the @nth time, from 0 on. All registers have been
 * cleared before, and are in @t when it has returned. Returns what the call returned; or
 * less than -4095, and what is wrong is on stderr.
 */
ssize_t tracee_call(struct tracee *t, vgetrandom_fn fn, size_t len, enum tracee_event event,
		    const void *ip, unsigned long nth);

#endif /* _TRACEE_H */
