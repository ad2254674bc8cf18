// SPDX-License-Identifier: MIT
/*
 * syscall() with other numbers than SYS_getrandom: the kernel gets all arguments, and result and
 * errno are those of libc's syscall(), which runs through the same tests. contract.c compares
 * the results of syscall(SYS_getrandom, ...).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"
#include "test.h"

#define UNTOUCHED	12345	/* an errno that no call sets */
#define HIGH		(1L << 32)
#define ANY		LONG_MIN
#define NO_DESCRIPTOR	-1L

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

typedef long (*syscall_fn)(long number, ...);

#ifdef __GLIBC__
#define LIBC	"libc.so.6"
#else
#define LIBC	"libc.so"
#endif

/* Call @test with the syscall() of this program, and with libc's. */
static void with_each(void (*test)(syscall_fn fn, const char *label))
{
	test(syscall, "this program's");
#ifndef STATIC
	syscall_fn fn = (syscall_fn)dlsym(dlopen(LIBC, RTLD_LAZY | RTLD_NOLOAD), "syscall");

	check(fn);
	test(fn, "libc's");
#endif
}

/* A file with a word at an offset that has more than 32 bits. */
#define WORD		"vget"
#define WORD_AT		(HIGH + 4096)

static int create_file(void)
{
	int fd = (int)raw_syscall(SYS_memfd_create, "syscalls", 0);

	check(fd >= 0 && pwrite(fd, WORD, sizeof(WORD), WORD_AT) == sizeof(WORD));
	return fd;
}

/* @want is what the kernel returns: -errno on error, or ANY value. */
struct call {
	long want, number, args[6];
};

static void same_as_kernel(syscall_fn fn, const char *label, const struct call *call)
{
	const long *a = call->args, number = call->number;
	long kernel, got;
	bool failed;

	kernel = arch_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	/* The kernel may be built without some calls. */
	check(call->want == ANY || kernel == call->want || kernel == -ENOSYS,
	      "system call %ld: the kernel returns %ld", number, kernel);
	failed = kernel < 0 && kernel >= -4095;
	errno = UNTOUCHED;
	got = fn(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	check(got == (failed ? -1 : kernel) && errno == (failed ? -kernel : UNTOUCHED),
	      "%s syscall(%ld): %ld, and the kernel returns %ld", label, number, got, kernel);
}

static void other_numbers(syscall_fn fn, const char *label)
{
	static char buf[64];
	const struct iovec iov = { buf, sizeof(buf) };
	const long pid = getpid(), fd = create_file();
	static int word = 42, other;
	const struct call calls[] = {
		{ pid, SYS_getpid, { 0 } },
		{ ANY, SYS_gettid, { 0 } },
		{ ANY, SYS_getppid, { 0 } },
		{ ANY, SYS_getuid, { 0 } },
		{ 0, SYS_sched_yield, { 0 } },
		{ -EBADF, SYS_close, { NO_DESCRIPTOR } },
		{ -EBADF, SYS_dup, { INT_MAX } },
		{ ANY, SYS_brk, { 0 } },
		{ 0, SYS_kill, { pid, 0 } },
		{ -EINVAL, SYS_munmap, { 1, PAGE_BYTES } },
		{ -ERANGE, SYS_getcwd, { (long)buf, 1 } },
		{ -EFAULT, SYS_getcwd, { 1, PAGE_BYTES } },
		{ ANY, SYS_getpriority, { PRIO_PROCESS, 0 } },
		{ 0x7ffffffff000, SYS_lseek, { fd, 0x7ffffffff000, SEEK_SET } },
		{ -EINVAL, SYS_lseek, { fd, -1, SEEK_SET } },
		{ -EINVAL, SYS_lseek, { fd, 0, 99 } },
		{ sizeof(WORD), SYS_pread64, { fd, (long)buf, sizeof(WORD), WORD_AT } },
		{ 0, SYS_pread64, { fd, (long)buf, sizeof(WORD), WORD_AT + sizeof(WORD) } },
		{ -EINVAL, SYS_rt_sigprocmask, { SIG_BLOCK, 0, 0, 7 } },
		{ 0, SYS_prctl, { PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0 } },
		{ -EINVAL, SYS_prctl, { PR_GET_NO_NEW_PRIVS, 0, 0, 0, 1 } },
		{ 0, SYS_futex, { (long)&word, FUTEX_CMP_REQUEUE, 1, 1, (long)&other, 42 } },
		{ -EAGAIN, SYS_futex, { (long)&word, FUTEX_CMP_REQUEUE, 1, 1, (long)&other, 43 } },
		{ sizeof(buf), SYS_process_vm_readv, { pid, (long)&iov, 1, (long)&iov, 1, 0 } },
		{ -EINVAL, SYS_process_vm_readv, { pid, (long)&iov, 1, (long)&iov, 1, HIGH } },
		{ -ENOSYS, 100000, { 0 } },
		{ -ENOSYS, INT_MAX, { 0 } },
		{ -ENOSYS, -1, { 0 } },
		{ -ENOSYS, -SYS_getrandom, { 0 } },
		{ ANY, LONG_MIN, { 0 } },
		{ ANY, HIGH | SYS_getpid, { 0 } },
		/* Invalid flags, so that it fails if the kernel ignores the upper half. */
		{ ANY, HIGH | SYS_getrandom, { (long)buf, sizeof(buf), INT_MAX } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		same_as_kernel(fn, label, &calls[i]);
	check(!memcmp(buf, WORD, sizeof(WORD)));
	close((int)fd);
}

TEST(other_system_calls_return_what_the_kernel_returns)
{
	with_each(other_numbers);
}

static void six_arguments(syscall_fn fn, const char *label)
{
	/* A free address with more than 32 bits. */
	void *place = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct test_mapping mapping;
	int fd = create_file();
	long got;

	check(place != MAP_FAILED && (long)place > HIGH && !munmap(place, PAGE_BYTES));
	errno = UNTOUCHED;
	got = fn(SYS_mmap, place, PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
		 fd, WORD_AT);
	check(got == (long)place && errno == UNTOUCHED, "%s: %#lx, not %p", label, got, place);
	check(test_mapping(place, &mapping) && mapping.readable && !mapping.writable &&
	      mapping.shared && mapping.end - mapping.start == PAGE_BYTES);
	check(!memcmp(place, WORD, sizeof(WORD)));
	check(!munmap(place, PAGE_BYTES));
	close(fd);
}

TEST(all_six_arguments_reach_the_kernel)
{
	with_each(six_arguments);
}

static volatile int child_ran;

/* Emulators of other architectures may run vfork() as fork(). */
#ifdef __x86_64__
/* The child uses this function's stack frame, so it may not call functions that return. */
static void vfork_with(syscall_fn fn, const char *label)
{
	static const long numbers[] = { SYS_vfork, SYS_clone };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		long pid;
		int status;

		child_ran = 0;
		errno = UNTOUCHED;
		pid = fn(numbers[i], CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
		if (!pid) {
			child_ran = 1;
			raw_syscall(SYS_exit_group, 7);
		}
		/* The parent must not return before the child has ended. */
		check(child_ran && errno == UNTOUCHED, "%s, number %ld", label, numbers[i]);
		status = test_wait(pid);
		check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%s: %#x", label, status);
	}
}

TEST(vfork_returns_in_the_child_and_in_the_parent)
{
	with_each(vfork_with);
}

static void child_of_clone(void)
{
	child_ran = 1;
	raw_syscall(SYS_exit_group, 7);
}

/* The child returns to the address that it finds on the new stack. */
static void clone_with_stack(syscall_fn fn, const char *label)
{
	static struct {
		char		room[PAGE_BYTES];
		void		(*return_to)(void);
	} stack __attribute__((aligned(16)));
	int status;
	long pid;

	child_ran = 0;
	stack.return_to = child_of_clone;
	pid = fn(SYS_clone, CLONE_VM | SIGCHLD, &stack.return_to, 0, 0, 0);
	check(pid > 0);
	status = test_wait(pid);
	check(child_ran && WIFEXITED(status) && WEXITSTATUS(status) == 7, "%s: %#x", label, status);
}

TEST(clone_returns_on_the_child_s_new_stack)
{
#ifdef __GLIBC__
	with_each(clone_with_stack);
#else
	/* musl's syscall() has a stack frame, so it fails this test. */
	clone_with_stack(syscall, "this program's");
#endif
}
#endif

static void fork_with(syscall_fn fn, const char *label)
{
	long pid;
	int status;

	errno = UNTOUCHED;
	pid = fn(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(errno == UNTOUCHED && fn(SYS_getpid) == raw_syscall(SYS_getpid) ? 7 : 1);
	status = test_wait(pid);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%s: %#x", label, status);
}

TEST(fork_returns_in_the_child_and_in_the_parent)
{
	with_each(fork_with);
}
