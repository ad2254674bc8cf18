// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ptrace() shows of a task that stops in the middle of a call:
 *
 *	- at stops at random moments, no instruction address in which a call can be aborted, and
 *	  no vector register;
 *	- with a breakpoint on each instruction in turn, for several sizes, the landing,
 *	  registers and state that abort_model() predicts; the frame of the signal is the same;
 *	- a call that is stopped each time that it starts over ends by the system call;
 *	- an instruction that the processor does not know still raises SIGILL.
 *
 * INSTRUCTIONS in the environment is a file of the addresses of the vDSO's instructions.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <ucontext.h>

#include "../vdso_host/abort_model.h"
#include "guest.h"
#include "parse_vdso.h"
#include "ranges.h"

#define LARGEST		20000
#define STACK_SIZE	(64 * 1024)
#define MAX_INSTRUCTIONS 8192
#define SLOTS		4		/* debug registers for addresses */
#define MAX_FRAMES	(2 * SLOTS)
#define MAX_AREA	16384		/* more than any processor's XSAVE area */
#define KEPT		6		/* rbx, rbp, r12-r15 */
#define RANDOM_STOPS	400
#define MAX_ABORTS	200
#define CONTROL_WORD	0x27f		/* double precision, which Linux does not start with */
#define MXCSR		0x3f80		/* rounds down */
#define UD2		0x0b0f

static const size_t lens[] = { 4, 8, 16, 32, 64, 100, 300, 1000, LARGEST };

/* The parent stops its child before and after two calls, the first one without a key. */
static struct shared {
	struct vgetrandom_state state __attribute__((aligned(2048)));
	size_t len;
	uintptr_t sp;			/* at the call instruction */
	bool calling, bad;
	unsigned int frames;
	struct {
		greg_t gregs[NGREG];
		uint8_t area[MAX_AREA];
	} frame[MAX_FRAMES];
	uint8_t out[LARGEST];
} *shared;

/* What a stop shows. */
static struct stop {
	struct user_regs_struct regs;
	size_t area_size;
	uint8_t area[MAX_AREA];
} stops[MAX_FRAMES];

static pid_t pid;
static unsigned long instructions[MAX_INSTRUCTIONS];
static unsigned int nr_instructions;
static unsigned long vdso;

/* For watched_call(): the caller's registers, and what they are on return. */
static const uint64_t __attribute__((used)) watched[KEPT] = {
	0x1111111111111111, 0x2222222222222222, 0x3333333333333333,
	0x4444444444444444, 0x5555555555555555, 0x6666666666666666,
};

static uint64_t __attribute__((used)) returned[KEPT];
static uintptr_t __attribute__((used)) *watched_sp;
static void *watched_fn;

/* Call the vDSO with known values in the registers that a function keeps. */
static ssize_t watched_call(void *buffer, size_t len, struct vgetrandom_state *state)
{
	register size_t size asm("r8") = sizeof(*state);
	unsigned long flags = 0;
	void *ret = watched_fn;

	asm volatile("sub $128, %%rsp\n\t"		/* the red zone */
		     "push %%rbp\n\t"
		     "mov %%rsp, %%r10\n\t"
		     "and $-16, %%rsp\n\t"
		     "sub $16, %%rsp\n\t"
		     "mov %%r10, (%%rsp)\n\t"
		     "mov watched_sp(%%rip), %%r10\n\t"
		     "mov %%rsp, (%%r10)\n\t"
		     "mov watched+0(%%rip), %%rbx\n\t"
		     "mov watched+8(%%rip), %%rbp\n\t"
		     "mov watched+16(%%rip), %%r12\n\t"
		     "mov watched+24(%%rip), %%r13\n\t"
		     "mov watched+32(%%rip), %%r14\n\t"
		     "mov watched+40(%%rip), %%r15\n\t"
		     "call *%%rax\n\t"
		     "mov %%rbx, returned+0(%%rip)\n\t"
		     "mov %%rbp, returned+8(%%rip)\n\t"
		     "mov %%r12, returned+16(%%rip)\n\t"
		     "mov %%r13, returned+24(%%rip)\n\t"
		     "mov %%r14, returned+32(%%rip)\n\t"
		     "mov %%r15, returned+40(%%rip)\n\t"
		     "mov (%%rsp), %%rsp\n\t"
		     "pop %%rbp\n\t"
		     "add $128, %%rsp"
		     : "+a" (ret), "+D" (buffer), "+S" (len), "+d" (flags), "+c" (state), "+r" (size)
		     : : "rbx", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	return (ssize_t)ret;
}

static void call(void)
{
	memset(shared->out, 0, shared->len);
	clear_vectors();
	shared->calling = true;
	if (watched_call(shared->out, shared->len, &shared->state) != (ssize_t)shared->len ||
	    memcmp(watched, returned, sizeof(watched)))
		shared->bad = true;
	shared->calling = false;
	for (size_t at = 0; at + 8 <= shared->len; at += 8)
		shared->bad |= is_zero(shared->out + at, 8);
}

static void on_sigtrap(int sig, siginfo_t *info, void *context)
{
	mcontext_t *registers = &((ucontext_t *)context)->uc_mcontext;
	const uint8_t *area = (const uint8_t *)registers->fpregs;

	(void)sig;
	(void)info;
	if (shared->frames == MAX_FRAMES)
		_exit(1);
	memcpy(shared->frame[shared->frames].gregs, registers->gregs, sizeof(registers->gregs));
	memcpy(shared->frame[shared->frames++].area, area, frame_area_size(area));
}

static void start(void (*fn)(void))
{
	pid = fork();
	check(pid >= 0, "fork: %s", strerror(errno));
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn();
	_exit(0);
}

static void end_child(void)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void call_in_pairs(void)
{
	static const uint16_t control_word = CONTROL_WORD;
	static const uint32_t mxcsr = MXCSR;
	struct sigaction sa = { .sa_sigaction = on_sigtrap, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_sp = map_pages(MAP_PRIVATE, STACK_SIZE), .ss_size = STACK_SIZE };

	if (sigaltstack(&stack, NULL) || sigaction(SIGTRAP, &sa, NULL) ||
	    ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(1);
	asm volatile("fldpi\n\tfldcw %0\n\tldmxcsr %1" : : "m" (control_word), "m" (mxcsr));
	for (;;) {
		asm volatile("int3" : : : "memory");
		memset(&shared->state, 0, sizeof(shared->state));
		call();
		call();
	}
}

static void call_all_sizes(void)
{
	for (unsigned int i = 0; ; i++) {
		shared->len = lens[i % (sizeof(lens) / sizeof(lens[0]))];
		if (i % 4 == 0)
			memset(&shared->state, 0, sizeof(shared->state));
		call();
	}
}

static void tell(enum __ptrace_request request, void *address, unsigned long data)
{
	check(!ptrace(request, pid, address, data), "ptrace request %d: %s", request,
	      strerror(errno));
}

static void set_debugreg(int number, unsigned long value)
{
	tell(PTRACE_POKEUSER, (void *)(offsetof(struct user, u_debugreg) + number * 8UL), value);
}

static unsigned long debugreg(int number)
{
	return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg) + number * 8UL, 0);
}

/* The next stop's signal. */
static int wait_for_stop(void)
{
	int status;

	check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "the child has ended: %#x",
	      status);
	return WSTOPSIG(status);
}

static void read_stop(struct stop *stop)
{
	struct iovec area = { stop->area, sizeof(stop->area) };

	tell(PTRACE_GETREGS, NULL, (unsigned long)&stop->regs);
	if (ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &area)) {
		check(errno == ENODEV, "NT_X86_XSTATE: %s", strerror(errno));
		area.iov_len = FP_FXSAVE_SIZE;
		tell(PTRACE_GETFPREGS, NULL, (unsigned long)stop->area);
	}
	stop->area_size = area.iov_len;
}

static void check_random_stops(void)
{
	unsigned long in_vdso = 0, in_range = 0, landed = 0, with_vectors = 0, valid = 0;
	struct stop *stop = &stops[0];

	start(call_all_sizes);
	tell(PTRACE_SEIZE, NULL, 0);
	for (unsigned int i = 0; i < RANDOM_STOPS; i++) {
		usleep(i * 37 % 300);
		tell(PTRACE_INTERRUPT, NULL, 0);
		wait_for_stop();
		read_stop(stop);
		if (is_in_vdso(stop->regs.rip)) {
			in_vdso++;
			in_range += !!abort_model_range(ranges, stop->regs.rip);
			with_vectors += !are_vectors_zero(stop->area, stop->area_size);
		}
		if (is_landing(stop->regs.rip)) {
			landed++;
			valid += shared->state.owner || shared->state.generation ||
				 shared->state.available;
		}
		tell(PTRACE_CONT, NULL, 0);
	}
	end_child();
	check(!in_range && !with_vectors && !valid,
	      "of %lu stops in the vDSO, %lu are in the generator, %lu have vector registers, %lu a valid state",
	      in_vdso, in_range, with_vectors, valid);
	check(landed > RANDOM_STOPS / 10, "only %lu of %d stops abort a call", landed,
	      RANDOM_STOPS);
	check(!shared->bad, "a call that is stopped returns less, or changes registers");
	passed("stops at random moments show no vector register and no valid state");
	printf("# %d stops at random moments, %lu in the vDSO, of which %lu at a landing\n",
	       RANDOM_STOPS, in_vdso, landed);
}

static void to_context(ucontext_t *context, const struct user_regs_struct *regs)
{
	greg_t *gregs = context->uc_mcontext.gregs;

	gregs[REG_R8] = regs->r8;
	gregs[REG_R9] = regs->r9;
	gregs[REG_R10] = regs->r10;
	gregs[REG_R11] = regs->r11;
	gregs[REG_R12] = regs->r12;
	gregs[REG_R13] = regs->r13;
	gregs[REG_R14] = regs->r14;
	gregs[REG_R15] = regs->r15;
	gregs[REG_RDI] = regs->rdi;
	gregs[REG_RSI] = regs->rsi;
	gregs[REG_RBP] = regs->rbp;
	gregs[REG_RBX] = regs->rbx;
	gregs[REG_RDX] = regs->rdx;
	gregs[REG_RAX] = regs->rax;
	gregs[REG_RCX] = regs->rcx;
	gregs[REG_RSP] = regs->rsp;
	gregs[REG_RIP] = regs->rip;
	gregs[REG_EFL] = regs->eflags;
}

/* The registers that both have: without the segments, and what only a frame has. */
#define COMPARED	(REG_EFL + 1)

static bool same_registers(const greg_t *a, const greg_t *b)
{
	return !memcmp(a, b, COMPARED * sizeof(*a));
}

/* Without the software's bytes. */
static bool same_area(const uint8_t *a, const uint8_t *b, size_t size)
{
	return !memcmp(a, b, FP_SW_BYTES) &&
	       (size <= FP_IN_USE + 8 || !memcmp(a + FP_IN_USE + 8, b + FP_IN_USE + 8,
						 size - FP_IN_USE - 8));
}

/*
 * The registers before the stop are unknown: let the model begin with other values in all
 * registers that the kernel clears.
 */
static void check_model(const struct stop *stop, uintptr_t ip)
{
	static const int junk[] = {
		REG_RAX, REG_R9, REG_R10, REG_R11, REG_R8,	/* of both ranges */
		REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_R12, REG_R13, REG_R14, REG_R15,
	};
	static uint8_t area[MAX_AREA];
	const struct vgetrandom_range *range = abort_model_range(ranges, ip);
	ucontext_t context = { 0 }, actual = { 0 };
	greg_t *gregs = context.uc_mcontext.gregs;
	uint32_t magic = FP_XSTATE_MAGIC1;

	to_context(&actual, &stop->regs);
	to_context(&context, &stop->regs);
	gregs[REG_RIP] = ip;
	gregs[REG_CSGSFS] = stop->regs.cs;
	for (size_t i = 0; i < (range->guarded ? sizeof(junk) / sizeof(junk[0]) : 5); i++)
		gregs[junk[i]] = 0x5a5a5a5a;
	memcpy(area, stop->area, stop->area_size);
	memset(area + FP_XMM, 0x5a, FP_XMM_SIZE);
	if (stop->area_size > FP_FXSAVE_SIZE)
		memcpy(area + FP_SW_BYTES, &magic, sizeof(magic));
	context.uc_mcontext.fpregs = (void *)area;
	check(abort_model(&context, ranges, -EINTR), "%#lx is in no range", ip - vdso);
	check(same_registers(gregs, actual.uc_mcontext.gregs) &&
	      same_area(area, stop->area, stop->area_size),
	      "stopped at %#lx, the kernel's registers differ from the model's", ip - vdso);
}

static void check_hit(const struct stop *stop, uintptr_t ip)
{
	const struct user_regs_struct *regs = &stop->regs;
	const struct vgetrandom_range *range = abort_model_range(ranges, ip);
	const unsigned long at = ip - vdso;
	static uint8_t pi[10];
	uint16_t control_word;
	uint32_t mxcsr;

	check(regs->rip != ip, "a breakpoint at %#lx does not abort the call", at);
	check(regs->rip == abort_model_landing(ranges, range), "stopped at %#lx, the landing is %#llx",
	      at, (unsigned long long)regs->rip - vdso);
	check((long)regs->orig_rax == -1, "stopped at %#lx: orig_rax is %lld", at,
	      (long long)regs->orig_rax);
	check((long)regs->r8 == -EINTR, "stopped at %#lx: the reason is %lld", at,
	      (long long)regs->r8);
	check(are_vectors_zero(stop->area, stop->area_size),
	      "stopped at %#lx: a vector register is not zero", at);
	memcpy(&control_word, stop->area + FP_CW, sizeof(control_word));
	memcpy(&mxcsr, stop->area + FP_MXCSR, sizeof(mxcsr));
	asm("fldpi\n\tfstpt %0" : "=m" (pi));
	check(control_word == CONTROL_WORD && mxcsr == MXCSR &&
	      !memcmp(stop->area + FP_ST0, pi, sizeof(pi)),
	      "stopped at %#lx: control word %#x, MXCSR %#x, or an x87 register has changed", at,
	      control_word, mxcsr);
	check(!shared->state.owner && !shared->state.generation && !shared->state.available,
	      "stopped at %#lx: the state is locked or valid", at);
	if (range->guarded)
		check(regs->rbx == (uintptr_t)&shared->state && regs->rsp < shared->sp &&
		      regs->rsp > shared->sp - 4096 && regs->rbp < shared->sp &&
		      regs->rbp >= regs->rsp,
		      "stopped at %#lx: a register of the stub's frame is wrong", at);
	else
		check(regs->rdi == (uintptr_t)shared->out && regs->rsi == shared->len &&
		      !regs->rdx && regs->rcx == (uintptr_t)&shared->state &&
		      regs->rsp == shared->sp - 8 && regs->rbx == watched[0] &&
		      regs->rbp == watched[1] && regs->r12 == watched[2] &&
		      regs->r13 == watched[3] && regs->r14 == watched[4] && regs->r15 == watched[5],
		      "stopped at %#lx: an argument or a caller's register is wrong", at);
	check_model(stop, ip);
}

/* The signal's handler has seen what the stop showed. */
static void check_frames(unsigned int nr)
{
	check(shared->frames == nr, "%u frames at %u stops", shared->frames, nr);
	for (unsigned int i = 0; i < nr; i++) {
		ucontext_t context = { 0 };

		to_context(&context, &stops[i].regs);
		check(same_registers(shared->frame[i].gregs, context.uc_mcontext.gregs) &&
		      same_area(shared->frame[i].area, stops[i].area, stops[i].area_size),
		      "the signal's frame differs from the stop at %#llx",
		      (unsigned long long)stops[i].regs.rip - vdso);
	}
}

static void check_calls(void)
{
	check(!shared->bad, "a call of %zu bytes that is stopped returns less, or changes registers",
	      shared->len);
}

/* Two calls with breakpoints at these instructions; each stops once. Return how many do. */
static unsigned int run_with_breakpoints(const unsigned long *at, unsigned int nr, bool *hit)
{
	unsigned long enabled = 0;
	unsigned int hits = 0;

	shared->frames = 0;
	for (unsigned int i = 0; i < nr; i++) {
		set_debugreg(i, vdso + at[i]);
		enabled |= 1UL << 2 * i;
	}
	set_debugreg(6, 0);
	set_debugreg(7, enabled);
	for (int sig = 0; ; sig = SIGTRAP) {
		unsigned int i;

		tell(PTRACE_CONT, NULL, sig);
		check(wait_for_stop() == SIGTRAP, "a stop by another signal");
		if (!shared->calling)
			break;
		read_stop(&stops[hits]);
		i = __builtin_ctzl(debugreg(6) | 1UL << nr);
		check(i < nr, "a stop without a breakpoint");
		check_hit(&stops[hits++], vdso + at[i]);
		hit[i] = true;
		enabled &= ~(1UL << 2 * i);
		set_debugreg(6, 0);
		set_debugreg(7, enabled);
	}
	if (enabled)
		set_debugreg(7, 0);
	check_calls();
	check_frames(hits);
	return hits;
}

static unsigned long first_hit[VGETRANDOM_NR_RANGES];

static void check_all_instructions(void)
{
	unsigned int hits[VGETRANDOM_NR_RANGES] = { 0 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		shared->len = lens[i];
		for (unsigned int j = 0; j < nr_instructions; j += SLOTS) {
			unsigned int nr = nr_instructions - j < SLOTS ? nr_instructions - j : SLOTS;
			bool hit[SLOTS] = { false };

			run_with_breakpoints(instructions + j, nr, hit);
			for (unsigned int k = 0; k < nr; k++) {
				unsigned long at = instructions[j + k];
				int range = abort_model_range(ranges, vdso + at) - ranges;

				hits[range] += hit[k];
				if (hit[k] && !first_hit[range])
					first_hit[range] = at;
			}
		}
	}
	printf("# breakpoints at %u instructions, %u and %u stops\n", nr_instructions, hits[0],
	       hits[1]);
	check(hits[0] > 60 && hits[1] > 1000, "breakpoints have stopped too few calls");
	passed("stops and frames at each instruction are those of the model");
}

/* With a breakpoint that stays, a call ends after a few attempts. */
static void check_calls_end(void)
{
	for (int i = 0; i < VGETRANDOM_NR_RANGES; i++) {
		unsigned int aborts = 0;

		shared->len = i ? LARGEST : 16;
		set_debugreg(0, vdso + first_hit[i]);
		set_debugreg(7, 1);
		for (; ; aborts++) {
			tell(PTRACE_CONT, NULL, 0);
			wait_for_stop();
			if (!shared->calling)
				break;
			check(aborts < MAX_ABORTS, "a call that is stopped each time does not end");
		}
		set_debugreg(7, 0);
		check(aborts >= 2, "a breakpoint stops %u times", aborts);
		check_calls();
	}
	passed("a call that is stopped at each attempt ends");
}

static void check_sigill(int range)
{
	int status;

	start(call_in_pairs);
	wait_for_stop();
	shared->len = range ? LARGEST : 16;
	tell(PTRACE_POKETEXT, (void *)(vdso + first_hit[range]), UD2);
	tell(PTRACE_CONT, NULL, 0);
	check(wait_for_stop() == SIGILL, "an unknown instruction does not raise SIGILL");
	tell(PTRACE_CONT, NULL, SIGILL);
	check(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGILL,
	      "SIGILL does not kill: %#x", status);
}

static void read_instructions(void)
{
	const char *name = getenv("INSTRUCTIONS");
	FILE *file = name ? fopen(name, "r") : NULL;
	unsigned long at;

	check(file, "INSTRUCTIONS: cannot read it; run scripts/tests/aborts");
	while (fscanf(file, "%lx", &at) == 1) {
		if (!abort_model_range(ranges, vdso + at))
			continue;
		check(nr_instructions < MAX_INSTRUCTIONS, "INSTRUCTIONS: too many");
		instructions[nr_instructions++] = at;
	}
	fclose(file);
}

int main(void)
{
	guest_open();
	guest_wait_ready();
	ranges_open();
	vdso = getauxval(AT_SYSINFO_EHDR);
	watched_fn = vdso_sym("LINUX_2.6", "__vdso_getrandom");
	/* Not droppable: the parent reads the state, too. */
	shared = (void *)map_pages(MAP_SHARED, sizeof(*shared));
	watched_sp = &shared->sp;
	read_instructions();

	check_random_stops();
	start(call_in_pairs);
	check(wait_for_stop() == SIGTRAP, "the child does not start");
	check_all_instructions();
	check_calls_end();
	end_child();
	for (int i = 0; i < VGETRANDOM_NR_RANGES; i++)
		check_sigill(i);
	passed("unknown instructions raise SIGILL");
	return 0;
}
