// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/vgetrandom/pool.h"
#include "abort_model.h"
#include "oracle.h"
#include "tracee.h"
#include "testbed.h"

#define SIGNAL_STACK	65536
#define TRACEE_ERROR	(-4096)	/* no -errno */
#define MAX_STOPS	100000	/* of a call that does not hang */
#define INT3		0xcc
#define MAGIC_OFFSET	464	/* in the XSAVE area of a signal frame */

/*
 * Code of the traced process. It keeps no data of its calls.
 */

static struct tracee_shared *shared;
static vgetrandom_fn getrandom_fn;

static void on_signal(int sig)
{
	(void)sig;
	shared->handler_ret = getrandom_fn(shared->handler_out, sizeof(shared->handler_out), 0,
					   shared->state, shared->state_len);
}

/* XRSTOR from this area, in which no component is in use, zeroes all registers. */
alignas(64) uint8_t tracee_init[TRACEE_XSAVE];
extern const char tracee_returned[];

/* Make the call, and stop at once when it returns. */
__attribute__((naked, noinline, noclone))
static void stub(vgetrandom_fn fn, void *buffer, size_t len, unsigned int flags, void *state,
		 size_t state_len)
{
	asm("push %rbp\n\t"
	    "push %rbx\n\t"
	    "push %r12\n\t"
	    "push %r13\n\t"
	    "push %r14\n\t"
	    "push %r15\n\t"
	    "sub $8, %rsp\n\t"
	    "mov %rdi, %rbx\n\t"
	    "mov %rdx, %r10\n\t"
	    "mov $0xe7, %eax\n\t"
	    "xor %edx, %edx\n\t"
	    "xrstor tracee_init(%rip)\n\t"
	    "mov %rsi, %rdi\n\t"
	    "mov %r10, %rsi\n\t"
	    "mov %ecx, %edx\n\t"
	    "mov %r8, %rcx\n\t"
	    "mov %r9, %r8\n\t"
	    "call *%rbx\n\t"
	    "int3\n"
	    "tracee_returned:\n\t"
	    "add $8, %rsp\n\t"
	    "pop %r15\n\t"
	    "pop %r14\n\t"
	    "pop %r13\n\t"
	    "pop %r12\n\t"
	    "pop %rbx\n\t"
	    "pop %rbp\n\t"
	    "ret");
}

/* Make every getrandom system call stop for the tracer, which answers it. */
static bool filter_getrandom(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void run_traced(const stack_t *signal_stack, pid_t parent)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	const uint32_t mxcsr = 0x1f80;

	memcpy(tracee_init + 24, &mxcsr, sizeof(mxcsr));
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent ||
	    ptrace(PTRACE_TRACEME, 0, 0, 0) || sigaltstack(signal_stack, NULL) ||
	    sigaction(SIGUSR1, &sa, NULL) || raise(SIGSTOP) || !filter_getrandom())
		_exit(1);
	testbed_use_state(shared->state);
	for (;;)
		stub(shared->fn, shared->out, shared->len, 0, shared->state, shared->state_len);
}

/*
 * Code of the tracer.
 */

static bool failed(const char *what)
{
	fprintf(stderr, "tracee: %s: %s\n", what, strerror(errno));
	return false;
}

/* Resume the process by request @how, with signal @sig, and wait for its next stop. */
static bool resume(struct tracee *t, int how, int sig, int *status)
{
	if (ptrace(how, t->pid, 0, sig) || waitpid(t->pid, status, 0) != t->pid)
		return failed("cannot resume the process");
	if (!WIFSTOPPED(*status)) {
		fprintf(stderr, "tracee: the process ended with status %#x\n", *status);
		return false;
	}
	return !ptrace(PTRACE_GETREGS, t->pid, 0, &t->regs);
}

bool tracee_start(struct tracee *t, struct vdso_host *host)
{
	stack_t stack = { .ss_size = SIGNAL_STACK };
	const pid_t self = getpid();
	const void *text;
	size_t len;
	int status;

	t->host = host;
	t->nkeys = 0;
	vdso_host_text(host, &text, &len);
	t->text = (uintptr_t)text;
	t->text_end = t->text + len;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	stack.ss_sp = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || stack.ss_sp == MAP_FAILED)
		return failed("cannot map memory");
	t->signal_stack_end = (uintptr_t)stack.ss_sp + SIGNAL_STACK;
	t->shared = shared;
	t->state = (void *)(shared->page + sizeof(shared->page) / 2);
	shared->state = t->state;
	shared->state_len = sizeof(*t->state);
	getrandom_fn = testbed.fn;

	t->pid = fork();
	if (t->pid < 0)
		return failed("cannot fork");
	if (!t->pid) {
		/* A locked state must be in the pool's memory: make the page the pool's. */
		if (testbed.pool) {
			testbed.pool->chunks[0] = (char *)shared->page;
			testbed.pool->capacity = 1;
		}
		run_traced(&stack, self);
	}
	if (waitpid(t->pid, &status, 0) != t->pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != SIGSTOP ||
	    ptrace(PTRACE_SETOPTIONS, t->pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL)) {
		fprintf(stderr, "tracee: the process does not start: status %#x\n", status);
		return false;
	}
	/* An empty call stops it where each later call begins: at the end of a call. */
	return tracee_call(t, getrandom_fn, 0, NOTHING, NULL, 0) == 0;
}

void tracee_end(struct tracee *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	munmap(t->shared, sizeof(*t->shared));
}

void tracee_forget_keys(struct tracee *t)
{
	t->nkeys = 0;
}

void tracee_clear_buffers(struct tracee *t)
{
	memset(t->shared->out, 0, sizeof(t->shared->out));
	memset(t->shared->handler_out, 0, sizeof(t->shared->handler_out));
}

static bool limit_locks(struct tracee *t, bool limited)
{
	struct rlimit limit;

	if (prlimit(t->pid, RLIMIT_MEMLOCK, NULL, &limit))
		return failed("cannot read RLIMIT_MEMLOCK");
	limit.rlim_cur = limited ? 0 : limit.rlim_max;
	return !prlimit(t->pid, RLIMIT_MEMLOCK, &limit, NULL) ||
	       failed("cannot set RLIMIT_MEMLOCK");
}

static bool drop(struct tracee *t)
{
	memset(t->shared->page, 0, sizeof(t->shared->page));
	return !testbed.pool || !ptrace(PTRACE_POKEDATA, t->pid, testbed.pool->lock, 0) ||
	       failed("cannot unlock its states");
}

bool tracee_drop(struct tracee *t)
{
	return drop(t) && limit_locks(t, false);
}

/* New bytes at each call, which the traced process has never seen. */
static void make_bytes(uint8_t *bytes, size_t len)
{
	static uint8_t key[VGETRANDOM_KEY_SIZE] = "tracee";
	static uint64_t number;

	number++;
	memcpy(key + 8, &number, sizeof(number));
	oracle_stream(bytes, len, key, 0);
}

/* The process is about to make a getrandom system call: answer it as the kernel would. */
static bool answer(struct tracee *t, enum tracee_event event)
{
	uint8_t *buffer = (uint8_t *)t->regs.rdi;
	size_t len = t->regs.rsi;

	if (t->regs.rip <= t->text || t->regs.rip > t->text_end)
		return true;
	if (buffer < (uint8_t *)t->shared || len > sizeof(*t->shared) ||
	    buffer + len > (uint8_t *)(t->shared + 1)) {
		fprintf(stderr, "tracee: getrandom of %zu bytes to %p, outside of shared memory\n",
			len, (void *)buffer);
		return false;
	}
	make_bytes(buffer, len);
	if (buffer == t->state->key) {
		if (t->nkeys == TRACEE_KEYS)
			return failed("the call asked for too many keys");
		memcpy(t->keys[t->nkeys++], buffer, VGETRANDOM_KEY_SIZE);
		if (event == DROP_EACH_KEY && t->event_happened && !drop(t))
			return false;
	}
	t->regs.orig_rax = -1;
	t->regs.rax = len;
	return !ptrace(PTRACE_SETREGS, t->pid, 0, &t->regs);
}

/* User registers as a signal's context has them. */
static const struct {
	int context;
	size_t user;
} registers[] = {
#define R(NAME, name)	{ REG_##NAME, offsetof(struct user_regs_struct, name) }
	R(RAX, rax), R(RBX, rbx), R(RCX, rcx), R(RDX, rdx), R(RSI, rsi), R(RDI, rdi), R(RBP, rbp),
	R(RSP, rsp), R(R8, r8), R(R9, r9), R(R10, r10), R(R11, r11), R(R12, r12), R(R13, r13),
	R(R14, r14), R(R15, r15), R(RIP, rip), R(CSGSFS, cs),
#undef R
};

/*
 * A signal will interrupt the process: abort its call, as the kernel does. The state is in
 * shared memory, so the model can write to it here.
 */
static bool abort_call(struct tracee *t)
{
	static const uint32_t magic = FP_XSTATE_MAGIC1;
	struct iovec iov = { t->xsave, sizeof(t->xsave) };
	ucontext_t context;
	uint8_t *regs = (uint8_t *)&t->regs;

	if (!testbed.ranges)
		return true;
	if (ptrace(PTRACE_GETREGSET, t->pid, NT_X86_XSTATE, &iov))
		return failed("cannot read its vector registers");
	/* Where signal frames say that there is more than FXSAVE's area. */
	memcpy(t->xsave + MAGIC_OFFSET, &magic, sizeof(magic));
	context.uc_mcontext.fpregs = (void *)t->xsave;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		memcpy(&context.uc_mcontext.gregs[registers[i].context],
		       regs + registers[i].user, sizeof(greg_t));
	if (!abort_model(&context, testbed.ranges, -EINTR))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		memcpy(regs + registers[i].user,
		       &context.uc_mcontext.gregs[registers[i].context], sizeof(greg_t));
	t->regs.orig_rax = -1;
	return (!ptrace(PTRACE_SETREGS, t->pid, 0, &t->regs) &&
		!ptrace(PTRACE_SETREGSET, t->pid, NT_X86_XSTATE, &iov)) ||
	       failed("cannot write its registers");
}

/* The process is stopped at the breakpoint. A signal handler will run when it resumes. */
static bool trigger_event(struct tracee *t, enum tracee_event event)
{
	struct vdso_rng_data *rng = vdso_host_rng(t->host);

	t->event_happened = true;
	if (event == RESEED)
		vdso_host_set_rng(t->host, rng->generation + 1, true);
	if (event != RESEED && event != HANDLER && !drop(t))
		return false;
	if (event == DROP_AND_LIMIT)
		return limit_locks(t, true);
	if (event == HANDLER || event == DROP_AND_HANDLER)
		return abort_call(t) && !syscall(SYS_tgkill, t->pid, t->pid, SIGUSR1);
	return true;
}

static bool read_registers(struct tracee *t)
{
	struct iovec iov = { t->xsave, sizeof(t->xsave) };

	memset(t->xsave, 0, sizeof(t->xsave));
	if (ptrace(PTRACE_GETREGSET, t->pid, NT_X86_XSTATE, &iov))
		return failed("cannot read its vector registers");
	t->xsave_len = iov.iov_len;
	return iov.iov_len < sizeof(t->xsave);
}

/* Write one byte of its text; ptrace(2) writes words. */
static bool poke(struct tracee *t, uintptr_t where, uint8_t byte)
{
	unsigned long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, t->pid, where, 0);
	return !errno && !ptrace(PTRACE_POKETEXT, t->pid, where, (word & ~0xffUL) | byte);
}

static bool set_breakpoint(struct tracee *t, const void *ip)
{
	return poke(t, (uintptr_t)ip, INT3) || failed("cannot write a breakpoint");
}

/* The process hit the breakpoint: remove it, and set the instruction pointer back. */
static bool remove_breakpoint(struct tracee *t, const void *ip)
{
	t->regs.rip = (uintptr_t)ip;
	return (poke(t, (uintptr_t)ip, *(const uint8_t *)ip) &&
		!ptrace(PTRACE_SETREGS, t->pid, 0, &t->regs)) || failed("cannot remove a breakpoint");
}

ssize_t tracee_call(struct tracee *t, vgetrandom_fn fn, size_t len, enum tracee_event event,
		    const void *ip, unsigned long nth)
{
	bool stepping_over = false;	/* running the instruction under the breakpoint */
	int status, sig = 0;

	t->shared->fn = fn;
	t->shared->len = len;
	t->shared->handler_ret = 0;
	t->frame = (struct memory_range) { 0 };
	t->event_happened = false;
	if (event != NOTHING && !set_breakpoint(t, ip))
		return TRACEE_ERROR;
	for (unsigned long i = 0; i < MAX_STOPS; i++) {
		if (!resume(t, stepping_over || sig ? PTRACE_SINGLESTEP : PTRACE_CONT, sig,
			    &status))
			return TRACEE_ERROR;
		/* The signal frame is complete, and the handler has not started yet. */
		if (sig)
			t->frame = (struct memory_range) { t->regs.rsp, t->signal_stack_end };
		sig = 0;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			if (!answer(t, event))
				return TRACEE_ERROR;
			continue;
		}
		if (WSTOPSIG(status) == SIGUSR1) {
			sig = SIGUSR1;
			continue;
		}
		if (WSTOPSIG(status) != SIGTRAP) {
			fprintf(stderr, "tracee: signal %d at %#llx\n", WSTOPSIG(status),
				t->regs.rip);
			return TRACEE_ERROR;
		}
		if (t->regs.rip == (uintptr_t)tracee_returned)
			return read_registers(t) ? (ssize_t)t->regs.rax : TRACEE_ERROR;
		if (stepping_over) {
			stepping_over = false;
			if (!set_breakpoint(t, ip))
				return TRACEE_ERROR;
		} else if (event != NOTHING && !t->event_happened &&
			   t->regs.rip == (uintptr_t)ip + 1) {
			if (!remove_breakpoint(t, ip))
				return TRACEE_ERROR;
			stepping_over = nth--;
			if (!stepping_over && !trigger_event(t, event))
				return TRACEE_ERROR;
		}
	}
	fprintf(stderr, "tracee: the call did not return within %d stops\n", MAX_STOPS);
	return TRACEE_ERROR;
}
