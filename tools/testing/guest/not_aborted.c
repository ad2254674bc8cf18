// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel leaves alone when it aborts calls of getrandom():
 *
 *	- the system call that gets a key, for a sandbox that traps it: SIGSYS has the number, the
 *	  arguments and the address of the system call, and the sandbox can serve it;
 *	- other code that a process has mapped where its vDSO was.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include "guest.h"
#include "ranges.h"

#define ROUNDS		100000000UL
#define PERIOD_US	1000

static struct vgetrandom_state *state;
static volatile unsigned int signals;
static volatile bool is_wrong;
static volatile char selector = SYSCALL_DISPATCH_FILTER_ALLOW;

/* Serves the system call, as a sandbox does. */
static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	signals++;
	if (info->si_syscall != SYS_getrandom || regs[REG_RAX] != SYS_getrandom ||
	    regs[REG_RIP] != (greg_t)info->si_call_addr ||
	    regs[REG_RDI] != (greg_t)state->key || regs[REG_RSI] != VGETRANDOM_KEY_SIZE) {
		is_wrong = true;
		regs[REG_RAX] = -EPERM;
		return;
	}
	memset(state->key, 0x55, VGETRANDOM_KEY_SIZE);
	regs[REG_RAX] = VGETRANDOM_KEY_SIZE;
}

static void trapped(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
	uint8_t buffer[16];
	ssize_t ret;

	memset(state, 0, sizeof(*state));
	check(!sigaction(SIGSYS, &sa, NULL) &&
	      !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector),
	      "PR_SET_SYSCALL_USER_DISPATCH: %s", strerror(errno));
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
	ret = guest_getrandom(state, buffer, sizeof(buffer), 0);
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	check(ret == sizeof(buffer), "a call returns %zd after %u signals", ret, signals);
	check(!is_wrong && signals == 1, "%u signals, or their registers are wrong", signals);
}

static void on_alarm(int sig)
{
	(void)sig;
	signals++;
}

static void replaced(void)
{
	/* mov %rdi,%r9; xor %eax,%eax; 1: inc %rax; mov %rax,%r10; cmp %r9,%r10; jne 1b; ret */
	static const uint8_t code[] = {
		0x49, 0x89, 0xf9, 0x31, 0xc0, 0x48, 0xff, 0xc0, 0x49, 0x89, 0xc2, 0x4d, 0x39, 0xca,
		0x75, 0xf5, 0xc3,
	};
	struct itimerval timer = { { 0, PERIOD_US }, { 0, PERIOD_US } };
	struct sigaction sa = { .sa_handler = on_alarm };
	uint8_t *range = (uint8_t *)ranges + ranges[0].start;
	size_t size;
	uint8_t *vdso = guest_vdso(&size);
	unsigned long (*fn)(unsigned long rounds, long b, long c, void *address);
	uint64_t words[8];

	/* Linux replaces it only as a whole. */
	check(mmap(vdso, size, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == vdso, "mmap: %s",
	      strerror(errno));
	memset(vdso, 0xcc, size);
	fn = (void *)memcpy(range, code, sizeof(code));
	memset(words, 0xff, sizeof(words));
	check(!sigaction(SIGALRM, &sa, NULL) && !setitimer(ITIMER_REAL, &timer, NULL),
	      "setitimer: %s", strerror(errno));
	check(fn(ROUNDS, 0, 0, words) == ROUNDS, "the code returns another value");
	timer = (struct itimerval) { 0 };
	setitimer(ITIMER_REAL, &timer, NULL);
	for (size_t i = 0; i < 8; i++)
		check(words[i] == UINT64_MAX, "a store where rcx points to");
	check(signals > 10, "%u signals are too few", signals);
}

int main(void)
{
	guest_open();
	guest_wait_ready();
	ranges_open();
	state = guest_map_states();
	guest_in_child(trapped);
	passed("a sandbox can serve the system call for a key");
	guest_in_child(replaced);
	passed("code in place of the vDSO is not aborted");
	return 0;
}
