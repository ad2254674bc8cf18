// SPDX-License-Identifier: MIT
/*
 * Functions that are called in processes of their own: see server.c.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote.h"

/* What would make a server another one than it is to be. */
static const char * const unwanted[] = {
	"LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "OPENSSL_ia32cap",
	"VGETRANDOM_CORE", "VGETRANDOM_LARGE",
};

static void __attribute__((noreturn)) become(const char *const *command,
					     const char *const *environment)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unwanted); i++)
		unsetenv(unwanted[i]);
	for (; *environment; environment++)
		putenv((char *)*environment);
	execv(command[0], (char *const *)command);
	warn("%s", command[0]);
	_exit(127);
}

void remote_start(struct remote *remote, const char *const *command,
		  const char *const *environment)
{
	int there[2], back[2];
	pid_t pid;

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (dup2(there[0], STDIN_FILENO) < 0 || dup2(back[1], STDOUT_FILENO) < 0)
			err(127, "dup2");
		become(command, environment);
	}
	close(there[0]);
	close(back[1]);
	remote->in = there[1];
	remote->out = back[0];
	if (read(remote->out, &remote->hello, sizeof(remote->hello)) != sizeof(remote->hello)) {
		memset(&remote->hello, 0, sizeof(remote->hello));
		snprintf(remote->hello.absent, sizeof(remote->hello.absent),
			 "its process does not start");
	}
}

struct answer remote_time(const struct remote *remote, const struct request *request)
{
	const struct hello *hello = &remote->hello;
	struct answer answer;

	if (write(remote->in, request, sizeof(*request)) != sizeof(*request) ||
	    read(remote->out, &answer, sizeof(answer)) != sizeof(answer))
		errx(1, "%s %s on %s: its process has ended", hello->impl, hello->core,
		     hello->libc);
	if (answer.failed)
		errx(1, "%s %s on %s: %lu of %lu calls for %zu bytes fell short", hello->impl,
		     hello->core, hello->libc, answer.failed, request->calls, request->bytes);
	return answer;
}
