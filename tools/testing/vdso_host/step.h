/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Single-steps a call of the vDSO.
 *
 * The processor's trap flag raises SIGTRAP after every instruction. The signal handler calls
 * a function of the test before each instruction of the vDSO's text, and once more after
 * each system call that the mock kernel answers. Each such call is a step.
 *
 * The running kernel does not know the hosted image, so signals do not abort its calls. If the
 * testbed has the image's ranges (testbed.h), step_signal() does that in the kernel's place.
 */
#ifndef _STEP_H
#define _STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <ucontext.h>

#include "vdso_host.h"

typedef ssize_t (*vgetrandom_fn)(void *buffer, size_t len, unsigned int flags,
				 void *state, size_t state_len);

/*
 * @step: number of the step, from 0; @ip: the next instruction. Runs in the signal handler.
 * Returns false to let the call run to its end without further steps.
 */
typedef bool (*step_fn)(unsigned long step, const void *ip, void *arg);

/* Once in a process: install the handler, and the alternate stack that it runs on. */
bool step_open(const struct vdso_host *host);

/* The same for a vDSO that is not hosted. */
bool step_open_text(const void *text, size_t len);

/*
 * Call @fn, and @step at each step. Returns @fn's result; @steps is the number of steps,
 * unless @step returned false.
 */
ssize_t step_call(vgetrandom_fn fn, void *buffer, size_t len, unsigned int flags,
		  void *state, size_t state_len, step_fn step, void *arg,
		  unsigned long *steps);

/* A step. The mock's signal handler calls this after each system call. */
void step_here(ucontext_t *context);

/* In a step function: the registers of the call. */
ucontext_t *step_context(void);

/*
 * In a step function: abort the call with @reason, as the kernel does before it looks for
 * signals (-EINTR) or after a fault. Returns false if the kernel would not: the call is outside
 * of the ranges, or testbed.ranges is NULL.
 */
bool step_abort(int reason);

#endif /* _STEP_H */
