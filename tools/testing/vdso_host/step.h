/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call of the hosted vDSO, one instruction at a time.
 *
 * The processor's trap flag raises SIGTRAP after every instruction; its handler
 * calls a function of the test's before each instruction of the vDSO's text,
 * and once more after each system call that it makes.
 */
#ifndef _STEP_H
#define _STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "vdso_host.h"

typedef ssize_t (*vgetrandom_fn)(void *buffer, size_t len, unsigned int flags,
				 void *state, size_t state_len);

/*
 * @step: how many steps the call had before this one; @ip: the instruction that
 * comes next. Runs in the signal handler. Returns false to let the call run on to
 * its end without stepping.
 */
typedef bool (*step_fn)(unsigned long step, const void *ip, void *arg);

/* Once in a process: the handler, and the alternate stack that it runs on. */
bool step_open(const struct vdso_host *host);

/* The same for another text than a hosted one. */
bool step_open_text(const void *text, size_t len);

/*
 * Call @fn with @step called at each step. Returns what @fn returns; in @steps
 * how many steps there were, unless @step has returned false.
 */
ssize_t step_call(vgetrandom_fn fn, void *buffer, size_t len, unsigned int flags,
		  void *state, size_t state_len, step_fn step, void *arg,
		  unsigned long *steps);

/* For the handler of another signal: this is a step too. */
void step_here(const void *ip);

#endif /* _STEP_H */
