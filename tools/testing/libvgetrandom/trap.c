// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "../vdso_host/trap_flag.h"
#include "test.h"
#include "trap.h"

#define BREAKPOINT	0xcc	/* int3 */
#define MAX_STEPS	(1 << 18)
#define TRIES		5
#define ERRNO_LOCATION_BYTES	32	/* or fewer */

/* Code that the handler itself needs: no breakpoint may be set in it, and it is not recorded. */
#define TRAP_CODE	__attribute__((section("trap"), noinline))
extern const char __start_trap[], __stop_trap[];

static struct path {
	long		length;
	uintptr_t	steps[MAX_STEPS];
} *path;

static uintptr_t within_start, within_end = UINTPTR_MAX;

/* A vDSO whose calls the kernel aborts at each step: its instructions cannot be tried. */
#define ABORTING_VDSO_BYTES	(4 * 4096)
static uintptr_t aborting_vdso = -ABORTING_VDSO_BYTES;
static void (*trap_action)(void);
volatile long trap_at;
static volatile bool is_on, has_happened;

/* The instruction with the breakpoint, its first byte, and how many times to pass it first. */
static uintptr_t target;
static uint8_t original;
static volatile long passes;
static int memory;

void trap_within(const char *start, const char *end)
{
	within_start = (uintptr_t)start;
	within_end = (uintptr_t)end;
}

/* Writes through a file, because text is read-only. Calls no libc function: see TRAP_CODE. */
TRAP_CODE static void write_byte(uint8_t byte)
{
	register long offset asm("r10") = (long)target;
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "0" (SYS_pwrite64), "D" (memory), "S" (&byte), "d" (1), "r" (offset)
		     : "rcx", "r11", "memory");
	if (ret != 1)
		__builtin_trap();
}

TRAP_CODE static bool is_in_path(uintptr_t ip)
{
	return ip >= within_start && ip < within_end && ip - aborting_vdso >= ABORTING_VDSO_BYTES &&
	       !(ip >= (uintptr_t)__start_trap && ip < (uintptr_t)__stop_trap) &&
	       /* on_trap() calls it. */
	       ip - (uintptr_t)__errno_location >= ERRNO_LOCATION_BYTES;
}

/* To pass the breakpoint, it is removed for one step. */
TRAP_CODE static void on_breakpoint(greg_t *regs, bool is_step)
{
	if (is_step) {
		regs[REG_EFL] &= ~TRAP_FLAG;
		if (is_on)
			write_byte(BREAKPOINT);
		return;
	}
	write_byte(original);
	regs[REG_RIP] = target;
	if (passes--) {
		regs[REG_EFL] |= TRAP_FLAG;
		return;
	}
	is_on = false;
	has_happened = true;
	trap_action();
}

TRAP_CODE static void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	int saved = errno;

	(void)sig;
	if (trap_at >= 0) {
		on_breakpoint(regs, info->si_code == TRAP_TRACE);
	} else if (!is_on) {
		regs[REG_EFL] &= ~TRAP_FLAG;
	} else if (is_in_path(regs[REG_RIP])) {
		has_happened = true;
		if (path->length < MAX_STEPS)
			path->steps[path->length++] = regs[REG_RIP];
		if (trap_at == TRAP_EACH)
			trap_action();
	}
	errno = saved;
}

static void need_path(void)
{
	if (!path)
		path = mmap(NULL, sizeof(*path), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(path != MAP_FAILED);
	if (getenv("VDSO_IS_ABORTED"))
		aborting_vdso = getauxval(AT_SYSINFO_EHDR);
}

TRAP_CODE void trap_on(void (*action)(void), long at)
{
	/* @action may jump out of the handler for good, or be interrupted by another trap. */
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };

	check(!sigaction(SIGTRAP, &sa, NULL));
	need_path();
	trap_action = action;
	trap_at = at;
	has_happened = false;
	if (at < 0) {
		path->length = 0;
		is_on = true;
		set_trap_flag(TRAP_FLAG);
		return;
	}
	target = path->steps[at];
	passes = 0;
	for (long i = 0; i < at; i++)
		passes += path->steps[i] == target;
	/* Opened each time: a file that was opened before a fork is the parent's memory. */
	memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	check(memory >= 0, "/proc/self/mem");
	original = *(uint8_t *)target;
	is_on = true;
	write_byte(BREAKPOINT);
}

TRAP_CODE bool trap_off(void)
{
	set_trap_flag(0);
	if (trap_at >= 0) {
		if (is_on)
			write_byte(original);
		close(memory);
	}
	is_on = false;
	return has_happened;
}

long trap_path(void)
{
	return path ? path->length : 0;
}

/*
 * Records until two runs in a row have the same length: a first request, a refill or a reseed takes
 * a path of its own, which later runs would miss.
 */
static long record(bool (*run)(long at))
{
	long length = 0, previous;
	int tries = 0;

	do {
		previous = length;
		check(run(TRAP_RECORD));
		length = trap_path();
	} while (length != previous && ++tries < TRIES);
	check(length < MAX_STEPS, "more than %d steps", MAX_STEPS);
	return length;
}

long trap_each(bool (*run)(long at), long every, long stride)
{
	long points = 0, missed = 0, length;

	need_path();
	length = record(run);
	for (long at = 0; at < length; at += at < every ? 1 : stride, points++) {
		int tries = 0;

		while (!run(at) && ++tries < TRIES)
			;
		missed += tries == TRIES;
	}
	check(missed <= points / 20, "%ld of %ld instructions missed", missed, points);
	return points;
}
