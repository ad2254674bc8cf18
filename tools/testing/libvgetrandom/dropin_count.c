// SPDX-License-Identifier: MIT
/*
 * Runs a command and counts the getrandom system calls that it and its descendants make.
 *
 * usage: dropin_count FILE COMMAND [ARG...]
 *	  dropin_count --vdso		status 0 if the vDSO has __vdso_getrandom()
 *
 * It writes a line to FILE for each kind of call: the count, the name of the file that contains
 * the syscall instruction ("[vdso]" for the vDSO), the length and the flags. A count alone would
 * say little, because the vDSO draws its keys by the same call, and libc's malloc() makes some
 * too. The exit status is COMMAND's, or 128 + N for signal N; 125 if dropin_count itself fails.
 *
 * It uses ptrace(2), which the guest's kernel has. That kernel has no seccomp filters, because
 * they need its network code.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILURE		125
#define KINDS		4096

struct kind {
	char where[64];
	unsigned long long len, flags;
	unsigned long count;
};

/* The result of the last find_where(), until a task is created or executes a program. */
static struct {
	pid_t pid;
	unsigned long long ip;
	char where[64];
} last;

static struct kind kinds[KINDS];
static size_t nr_kinds;

static void die(const char *what)
{
	fprintf(stderr, "dropin_count: %s: %s\n", what, strerror(errno));
	exit(FAILURE);
}

/* The base name of the file that is mapped at @ip. */
static void find_where(pid_t pid, unsigned long long ip, char *where, size_t size)
{
	char name[64], line[512];
	FILE *maps;

	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	maps = fopen(name, "re");
	if (!maps)
		die(name);
	snprintf(where, size, "?");
	while (fgets(line, sizeof(line), maps)) {
		unsigned long long from, to;
		char path[256] = "anonymous";
		const char *base;

		if (sscanf(line, "%llx-%llx %*s %*s %*s %*s %255s", &from, &to, path) < 2 ||
		    ip < from || ip >= to)
			continue;
		base = strrchr(path, '/');
		snprintf(where, size, "%.*s", (int)size - 1, base ? base + 1 : path);
		break;
	}
	fclose(maps);
}

static void count(pid_t pid, const struct __ptrace_syscall_info *info)
{
	struct kind new = { .len = info->entry.args[1], .flags = info->entry.args[2] };
	size_t i;

	/* A look-up for each call would make the guest much slower. */
	if (pid != last.pid || info->instruction_pointer != last.ip) {
		find_where(pid, info->instruction_pointer, last.where, sizeof(last.where));
		last.pid = pid;
		last.ip = info->instruction_pointer;
	}
	memcpy(new.where, last.where, sizeof(new.where));
	for (i = 0; i < nr_kinds; i++)
		if (!strcmp(kinds[i].where, new.where) && kinds[i].len == new.len &&
		    kinds[i].flags == new.flags)
			break;
	if (i == KINDS) {
		errno = E2BIG;
		die("too many kinds of calls");
	}
	if (i == nr_kinds)
		kinds[nr_kinds++] = new;
	kinds[i].count++;
}

static void start(char **argv)
{
	/* Wait for the tracer, so that its first event is the execve(). */
	raise(SIGSTOP);
	execvp(argv[0], argv);
	fprintf(stderr, "dropin_count: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Handle a stop of @pid; return the signal to continue it with. */
static int handle_stop(pid_t pid, int status)
{
	struct __ptrace_syscall_info info;
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_getrandom)
			count(pid, &info);
		return 0;
	}
	/* An execve() or a new task is an event, whose number is above the signal's. */
	if (!(status >> 16))
		return sig;
	last.pid = 0;
	return 0;
}

/* The loader treats the vDSO as a library. This check uses no code of this project. */
static int has_vdso_getrandom(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	return vdso && dlvsym(vdso, "__vdso_getrandom", "LINUX_2.6");
}

int main(int argc, char **argv)
{
	pid_t child, pid;
	int status, end = FAILURE;
	FILE *file;

	if (argc == 2 && !strcmp(argv[1], "--vdso"))
		return !has_vdso_getrandom();
	if (argc < 3) {
		fprintf(stderr, "usage: dropin_count FILE COMMAND [ARG...] | --vdso\n");
		return FAILURE;
	}
	file = fopen(argv[1], "we");
	if (!file)
		die(argv[1]);
	child = fork();
	if (child < 0)
		die("fork");
	if (!child)
		start(argv + 2);
	if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
		die("waiting for the child");
	if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
		   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
		   PTRACE_O_EXITKILL))
		die("PTRACE_SEIZE");
	kill(child, SIGCONT);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid < 0)
			continue;
		if (WIFSTOPPED(status)) {
			/* If the task is gone already, waitpid() returns its end next. */
			ptrace(PTRACE_SYSCALL, pid, 0, handle_stop(pid, status));
		} else if (pid == child) {
			end = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
	}
	for (size_t i = 0; i < nr_kinds; i++)
		fprintf(file, "%lu %s %llu %#llx\n", kinds[i].count, kinds[i].where,
			kinds[i].len, kinds[i].flags);
	if (fclose(file))
		die(argv[1]);
	return end;
}
