// SPDX-License-Identifier: MIT
/*
 * The cost of the module vgetrandom for programs that do not use it: the time of a call with
 * and without the module loaded. Loads and unloads vgetrandom.ko of the working directory, so
 * it needs a kernel that is booted for this.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

#define FILE_NAME	"vgetrandom.ko"
#define SLICE_NS	20e6

static void load(void)
{
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		err(1, "%s: loading failed", FILE_NAME);
	close(fd);
}

/* The best of many short slices: a disturbance of an emulated machine takes much longer. */
static double time_of_call(const struct contender *contender, void *buffer, size_t bytes)
{
	enum { CALLS_MADE = 64 };
	const double until = now() + SLICE_NS;
	double best = INFINITY, start, end;

	do {
		start = now();
		if (contender->run(buffer, bytes, CALLS_MADE))
			errx(1, "a call for %zu bytes returns less", bytes);
		end = now();
		if (end - start < best)
			best = end - start;
	} while (end < until);
	return best / CALLS_MADE;
}

static double ns_with_module(const struct contender *contender, void *buffer, size_t bytes)
{
	double ns;

	load();
	ns = time_of_call(contender, buffer, bytes);
	if (syscall(SYS_delete_module, "vgetrandom", O_NONBLOCK))
		err(1, "%s: unloading failed", FILE_NAME);
	return ns;
}

QUESTION(with_module, .name = "module-loaded", .ask = ns_with_module);

static double ns_without_module(const struct contender *contender, void *buffer, size_t bytes)
{
	if (!access("/sys/module/vgetrandom", F_OK))
		errx(1, "%s: already loaded; unload it first", FILE_NAME);
	return time_of_call(contender, buffer, bytes);
}

QUESTION(without_module, .name = "no-module", .ask = ns_without_module);
