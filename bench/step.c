// SPDX-License-Identifier: MIT
/*
 * Single-steps calls. The count of instructions is exact, and covers all instructions that
 * the processor has.
 */
#define _GNU_SOURCE
#include <err.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

#include <trap_flag.h>

#include "step.h"

/* In 64-bit mode, only VEX or EVEX instructions begin with these bytes. */
#define VEX2		0xc5
#define VEX3		0xc4
#define EVEX		0x62

/* The fourth byte of an EVEX instruction has the vector length. */
#define EVEX_LENGTH(ip)	((ip)[3] >> 5 & 3)
#define LENGTH_512	2

/* Generators whose state is opaque: batches have 96 bytes, so their use repeats after 96 calls. */
#define OPAQUE_CALLS	96
#define MIN_CALLS	4
#define MAX_OPAQUE	20000

/* This project's generator: a longer period is cut off here; a refill is a small part of it. */
#define MAX_PERIOD	100000
#define MAX_LEFT	4096

static struct {
	struct steps		steps;
	const void		*watch;
	const unsigned char	*last_ip;
	const unsigned char	*return_ip;	/* NULL: not in the function */
} call;

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

/* Runs before each instruction of run(). Does not count the loop around the call. */
static void on_trap(int sig, siginfo_t *info, void *ucontext)
{
	greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	const unsigned char *ip = (const unsigned char *)regs[REG_RIP];

	(void)sig;
	(void)info;
	if (!call.return_ip) {
		if (ip != fn.address)
			return;
		call.return_ip = *(const unsigned char **)regs[REG_RSP];
	} else if (ip == call.return_ip) {
		regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
		return;
	}
	/* A string instruction traps on each repetition. */
	if (ip == call.last_ip)
		return;
	call.last_ip = ip;
	call.steps.instructions++;
	call.steps.saw |= ip == call.watch;
	if (encoding_of(ip) > call.steps.encoding)
		call.steps.encoding = encoding_of(ip);
}

struct steps step_call(unsigned long (*run)(void *buffer, size_t len, unsigned long calls),
		       void *buffer, size_t len, const void *watch)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	if (sigaction(SIGTRAP, &sa, NULL))
		err(1, "sigaction(SIGTRAP)");
	call = (typeof(call)) { .watch = watch };
	set_trap_flag(TRAP_FLAG);
	if (run(buffer, len, 1))
		errx(1, "a call for %zu bytes returns less", len);
	if (!call.return_ip)
		errx(1, "a call does not enter its function");
	return call.steps;
}

static double count_opaque(const struct contender *contender, void *buffer, size_t bytes)
{
	unsigned long calls = 0, instructions = 0;

	while (calls < MIN_CALLS || (calls < OPAQUE_CALLS && instructions < MAX_OPAQUE)) {
		instructions += step_call(contender->run, buffer, bytes, NULL).instructions;
		calls++;
	}
	return (double)instructions / calls;
}

/* The bytes left in the batch determine all later calls: the period ends when they repeat. */
static double count_period(const struct contender *contender, void *buffer, size_t bytes)
{
	struct { unsigned long calls, instructions; } seen[MAX_LEFT] = { 0 }, here = { 0 }, *before;

	for (here.calls = 1; ; here.calls++) {
		if (contender->left() >= MAX_LEFT)
			errx(1, "a state has %zu bytes left", contender->left());
		before = &seen[contender->left()];
		if (before->calls)
			return (double)(here.instructions - before->instructions) /
				(here.calls - before->calls);
		*before = here;
		here.instructions += step_call(contender->run, buffer, bytes, NULL).instructions;
		if (here.instructions > MAX_PERIOD)
			return (double)here.instructions / here.calls;
	}
}

/* Instructions per call, including its share of refills. */
static double count(const struct contender *contender, void *buffer, size_t bytes)
{
	if (contender->left)
		return count_period(contender, buffer, bytes);
	return count_opaque(contender, buffer, bytes);
}

QUESTION(instructions, .name = "instructions", .ask = count);

static double encoding(const struct contender *contender, void *buffer, size_t bytes)
{
	return step_call(contender->run, buffer, bytes, NULL).encoding;
}

QUESTION(encodings, .name = "encoding", .ask = encoding);
