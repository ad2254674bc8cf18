// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "abort_model.h"
#include "step.h"
#include "testbed.h"
#include "trap_flag.h"

#define ALT_STACK	(256 * 1024)	/* for handlers that nest in one another */

static struct {
	uintptr_t text, text_end;
	step_fn fn;
	void *arg;
	unsigned long steps;
	bool active;		/* stepping, and fn is not running */
	uintptr_t entry_sp;	/* stack pointer at the call's first instruction */
	ucontext_t *context;	/* of this step */
} stepper;

void step_here(ucontext_t *context)
{
	const void *ip = (void *)context->uc_mcontext.gregs[REG_RIP];

	if (!stepper.active)
		return;
	/* Do not step through calls that fn makes. */
	stepper.active = false;
	stepper.context = context;
	stepper.active = stepper.fn(stepper.steps++, ip, stepper.arg);
}

ucontext_t *step_context(void)
{
	return stepper.context;
}

bool step_abort(int reason)
{
	return testbed.ranges && abort_model(stepper.context, testbed.ranges, reason);
}

static void on_sigtrap(int sig, siginfo_t *info, void *ucontext)
{
	greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	uintptr_t ip = regs[REG_RIP];
	int saved_errno = errno;

	(void)sig;
	(void)info;
	if (ip >= stepper.text && ip < stepper.text_end) {
		if (!stepper.entry_sp)
			stepper.entry_sp = regs[REG_RSP];
		step_here(ucontext);
	} else if (stepper.entry_sp && (uintptr_t)regs[REG_RSP] > stepper.entry_sp) {
		/* The call has returned: a libc function that it calls has a lower stack. */
		stepper.active = false;
	}
	if (!stepper.active)
		regs[REG_EFL] &= ~TRAP_FLAG;
	errno = saved_errno;
}

bool step_open_text(const void *text, size_t len)
{
	struct sigaction sa = {
		.sa_sigaction = on_sigtrap,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	stack_t stack = { .ss_size = ALT_STACK };

	stepper.text = (uintptr_t)text;
	stepper.text_end = stepper.text + len;
	stack.ss_sp = mmap(NULL, ALT_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) ||
	    sigaction(SIGTRAP, &sa, NULL)) {
		fprintf(stderr, "step: %s\n", strerror(errno));
		return false;
	}
	return true;
}

bool step_open(const struct vdso_host *host)
{
	const void *text;
	size_t len;

	vdso_host_text(host, &text, &len);
	return step_open_text(text, len);
}

ssize_t step_call(vgetrandom_fn fn, void *buffer, size_t len, unsigned int flags,
		  void *state, size_t state_len, step_fn step, void *arg,
		  unsigned long *steps)
{
	ssize_t ret;

	stepper.fn = step;
	stepper.arg = arg;
	stepper.steps = 0;
	stepper.entry_sp = 0;
	stepper.active = true;
	set_trap_flag(TRAP_FLAG);
	ret = fn(buffer, len, flags, state, state_len);
	asm volatile("" : "+r" (ret) : : "memory");
	*steps = stepper.steps;
	return ret;
}
