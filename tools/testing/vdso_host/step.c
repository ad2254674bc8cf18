// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "step.h"
#include "trap_flag.h"

#define ALT_STACK	(256 * 1024)	/* for handlers that nest in one another */

static struct {
	uintptr_t text, text_end;
	step_fn fn;
	void *arg;
	unsigned long steps;
	bool active;		/* stepping, and not inside of fn */
	uintptr_t entered;	/* with this stack pointer */
} run;

void step_here(const void *ip)
{
	if (!run.active)
		return;
	/* What fn calls of the vDSO is not part of the call that is stepped. */
	run.active = false;
	run.active = run.fn(run.steps++, ip, run.arg);
}

static void on_sigtrap(int sig, siginfo_t *info, void *ucontext)
{
	greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	uintptr_t ip = regs[REG_RIP];
	int saved_errno = errno;

	(void)sig;
	(void)info;
	if (ip >= run.text && ip < run.text_end) {
		if (!run.entered)
			run.entered = regs[REG_RSP];
		step_here((void *)ip);
	} else if (run.entered && (uintptr_t)regs[REG_RSP] > run.entered) {
		/* Not in a function of libc's, that it has called. */
		run.active = false;
	}
	if (!run.active)
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

	run.text = (uintptr_t)text;
	run.text_end = run.text + len;
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

	run.fn = step;
	run.arg = arg;
	run.steps = 0;
	run.entered = 0;
	run.active = true;
	set_trap_flag(TRAP_FLAG);
	ret = fn(buffer, len, flags, state, state_len);
	asm volatile("" : "+r" (ret) : : "memory");
	*steps = run.steps;
	return ret;
}
