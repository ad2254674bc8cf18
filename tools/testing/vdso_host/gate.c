// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "gate.h"

struct gate *gate;

unsigned int gate_count(void)
{
	return __atomic_load_n(&gate->count, __ATOMIC_RELAXED);
}

struct gate_request *gate_request(unsigned int n)
{
	return &gate->requests[n % GATE_REQUESTS];
}

/* As the kernel copies to user space: a bad pointer is no crash, but EFAULT. */
static bool put_user(void *dst, const void *src, size_t len)
{
	struct iovec from = { (void *)src, len }, to = { dst, len };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == (ssize_t)len;
}

static long answer(void *buffer, size_t len, unsigned int flags)
{
	static const uint8_t master[crypto_stream_chacha20_KEYBYTES] = "gate";
	unsigned int n = __atomic_fetch_add(&gate->count, 1, __ATOMIC_RELAXED);
	struct gate_request *r = gate_request(n);
	size_t filled = len < sizeof(r->bytes) ? len : sizeof(r->bytes);
	uint64_t nonce = n;

	r->pid = getpid();
	r->buffer = buffer;
	r->len = len;
	r->flags = flags;
	r->generation = gate->rng ? gate->rng->generation : 0;
	r->is_key = buffer >= gate->states &&
		    buffer < gate->states + gate->states_len;
	crypto_stream_chacha20(r->bytes, filled, (uint8_t *)&nonce, master);

	if (gate->refuse_with)
		return gate->refuse_with;
	if (gate->refuse_keys_with && r->is_key)
		return gate->refuse_keys_with;
	if (filled && !put_user(buffer, r->bytes, filled))
		return -EFAULT;
	return len;
}

static void on_sigsys(int sig, siginfo_t *info, void *ucontext)
{
	greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	int saved_errno = errno;

	(void)sig;
	(void)info;
	regs[REG_RAX] = answer((void *)regs[REG_RDI], regs[REG_RSI],
			       regs[REG_RDX]);
	if (gate->hook)
		gate->hook((void *)regs[REG_RIP]);
	errno = saved_errno;
}

#define LOAD(field)							\
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field)						\
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
#define JUMP(op, value, yes, no)	BPF_JUMP(BPF_JMP | (op) | BPF_K, value, yes, no)

/* A text lies within one 4 GiB range of addresses, or gate_open() refuses it. */
static bool filter_text(uint64_t start, uint64_t end)
{
	struct sock_filter code[] = {
		LOAD(arch),
		JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 0, 8),
		LOAD(nr),
		JUMP(BPF_JEQ, SYS_getrandom, 0, 6),
		LOAD_HIGH(instruction_pointer),
		JUMP(BPF_JEQ, start >> 32, 0, 4),
		LOAD(instruction_pointer),
		JUMP(BPF_JGE, (uint32_t)start, 0, 2),
		JUMP(BPF_JGE, (uint32_t)end, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	if (start >> 32 != end >> 32) {
		fprintf(stderr, "gate: the text at %#lx crosses 4 GiB; run again\n", start);
		return false;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		fprintf(stderr, "gate: installing a seccomp filter: %s\n", strerror(errno));
		return false;
	}
	return true;
}

bool gate_open_text(const void *text, size_t text_len, const void *states,
		    size_t states_len)
{
	/* The hook may make calls that end up here again: not to be blocked. */
	struct sigaction sa = {
		.sa_sigaction = on_sigsys,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	gate = mmap(NULL, sizeof(*gate), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (gate == MAP_FAILED || sigaction(SIGSYS, &sa, NULL)) {
		fprintf(stderr, "gate: %s\n", strerror(errno));
		return false;
	}
	gate->states = states;
	gate->states_len = states_len;
	return filter_text((uintptr_t)text, (uintptr_t)text + text_len);
}

bool gate_open(struct vdso_host *host, const void *states, size_t states_len)
{
	const void *text;
	size_t text_len;

	vdso_host_text(host, &text, &text_len);
	if (!gate_open_text(text, text_len, states, states_len))
		return false;
	gate->rng = vdso_host_rng(host);
	return true;
}
