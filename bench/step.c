// SPDX-License-Identifier: MIT
/*
 * Calls made instruction by instruction.
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "step.h"

#define TRAP_FLAG	0x100

/* In 64-bit mode no other instructions begin with these. */
#define VEX2		0xc5
#define VEX3		0xc4
#define EVEX		0x62

/* The length of its vectors is in the fourth byte of an instruction with EVEX. */
#define EVEX_LENGTH(ip)	((ip)[3] >> 5 & 3)
#define LENGTH_512	2

static const unsigned char *return_ip;

static struct {
	const unsigned char	*last_ip;
	unsigned long		instructions;
	enum encoding		encoding;
} seen;

static enum encoding encoding_of(const unsigned char *ip)
{
	switch (*ip) {
	case EVEX:
		return EVEX_LENGTH(ip) == LENGTH_512 ? ENCODING_ZMM : ENCODING_EVEX;
	case VEX2:
	case VEX3:
		return ENCODING_VEX;
	default:
		return ENCODING_LEGACY;
	}
}

/* Comes before each instruction, but for the call itself, which is ours. */
static void on_trap(int sig, siginfo_t *info, void *ucontext)
{
	greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	const unsigned char *ip = (const unsigned char *)regs[REG_RIP];

	(void)sig;
	(void)info;
	if (ip == return_ip) {
		regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
		return;
	}
	/* A string instruction traps each time that it repeats itself. */
	if (ip == seen.last_ip)
		return;
	seen.last_ip = ip;
	seen.instructions++;
	if (encoding_of(ip) > seen.encoding)
		seen.encoding = encoding_of(ip);
}

/* The first instruction that traps is the one after that which sets the flag. */
static long call_with_traps(const struct call *call)
{
	/* cppcheck-suppress constStatement ; it does not know asm("r8") */
	register long fifth asm("r8") = call->arguments[4];
	long value = (long)call->fn;
	long first = call->arguments[0], second = call->arguments[1];
	long third = call->arguments[2], fourth = call->arguments[3];

	asm volatile("mov %%rsp, %%rbx\n\t"
		     "lea 1f(%%rip), %%r12\n\t"
		     "mov %%r12, %[return_ip]\n\t"
		     "sub $128, %%rsp\n\t"		/* the red zone */
		     "and $-16, %%rsp\n\t"
		     "pushfq\n\t"
		     "orq %[flag], (%%rsp)\n\t"
		     "popfq\n\t"
		     "call *%%rax\n"
		     "1:\n\t"
		     "mov %%rbx, %%rsp"
		     : "+a" (value), "+D" (first), "+S" (second), "+d" (third),
		       "+c" (fourth), "+r" (fifth), [return_ip] "=m" (return_ip)
		     : [flag] "i" (TRAP_FLAG)
		     : "rbx", "r9", "r10", "r11", "r12", "cc", "memory",
		       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return value;
}

void step_call(const struct call *call, struct step_result *result)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	if (sigaction(SIGTRAP, &sa, NULL))
		err(1, "sigaction(SIGTRAP)");
	memset(&seen, 0, sizeof(seen));
	result->value = call_with_traps(call);
	result->instructions = seen.instructions;
	result->encoding = seen.encoding;
}
