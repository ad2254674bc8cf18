// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mock_getrandom.h"
#include "machine/machine.h"
#include "oracle.h"

struct mock *mock;

unsigned int mock_count(void)
{
	return __atomic_load_n(&mock->count, __ATOMIC_RELAXED);
}

struct mock_request *mock_request(unsigned int n)
{
	return &mock->requests[n % MOCK_REQUESTS];
}

/*
 * Copy as the kernel does: a bad pointer causes EFAULT, not a crash. Emulators have no
 * process_vm_writev(), so use a pipe.
 */
static bool put_user(void *dst, const void *src, size_t len)
{
	bool good;
	int fds[2];

	if (pipe(fds))
		return false;
	good = write(fds[1], src, len) == (ssize_t)len && read(fds[0], dst, len) == (ssize_t)len;
	close(fds[0]);
	close(fds[1]);
	return good;
}

static long answer(void *buffer, size_t len, unsigned int flags)
{
	uint8_t key[VGETRANDOM_KEY_SIZE] = "mock";
	unsigned int n = __atomic_fetch_add(&mock->count, 1, __ATOMIC_RELAXED);
	struct mock_request *r = mock_request(n);
	size_t filled = len < sizeof(r->bytes) ? len : sizeof(r->bytes);

	r->pid = getpid();
	r->buffer = buffer;
	r->len = len;
	r->flags = flags;
	r->generation = mock->rng ? mock->rng->generation : 0;
	r->may_hold_keys = !mock->may_hold_keys || mock->may_hold_keys();
	r->is_key = buffer >= mock->states &&
		    buffer < mock->states + mock->states_len;
	memcpy(key + 8, &n, sizeof(n));
	oracle_stream(r->bytes, filled, key, 0);

	if (mock->refuse_with)
		return mock->refuse_with;
	if (mock->refuse_keys_with && r->is_key)
		return mock->refuse_keys_with;
	if (filled && !put_user(buffer, r->bytes, filled))
		return -EFAULT;
	return len;
}

static void on_getrandom(int sig, siginfo_t *info, void *ucontext)
{
	int saved_errno = errno;
	long ret;

	(void)sig;
	(void)info;
	ret = answer((void *)machine_argument(ucontext, 0), machine_argument(ucontext, 1),
		     machine_argument(ucontext, 2));
	machine_return_from_syscall(ucontext, ret);
	if (mock->hook)
		mock->hook(ucontext);
	errno = saved_errno;
}

bool mock_open_text(const void *text, size_t text_len, const void *states,
		    size_t states_len)
{
	/* The hook may make calls that raise the signal again: do not block it. */
	struct sigaction sa = {
		.sa_sigaction = on_getrandom,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	mock = mmap(NULL, sizeof(*mock), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mock == MAP_FAILED || sigaction(MACHINE_SYSCALL_SIGNAL, &sa, NULL)) {
		fprintf(stderr, "mock: %s\n", strerror(errno));
		return false;
	}
	mock->states = states;
	mock->states_len = states_len;
	return machine_catch_getrandom(text, text_len);
}

bool mock_open(struct vdso_host *host, const void *states, size_t states_len)
{
	const void *text;
	size_t text_len;

	vdso_host_text(host, &text, &text_len);
	if (!mock_open_text(text, text_len, states, states_len))
		return false;
	mock->rng = vdso_host_rng(host);
	return true;
}
