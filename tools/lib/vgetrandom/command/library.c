// SPDX-License-Identifier: MIT
/*
 * Finds libvgetrandom and identifies the C library.
 */
#define _GNU_SOURCE
#include <arch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "command.h"

#ifdef __GLIBC__
#define MULTIARCH	ARCH_MULTIARCH "gnu"
#else
#define MULTIARCH	ARCH_MULTIARCH "musl"
#endif

bool library_find(const char *directory, const char *name, char *path, size_t size)
{
	/* Relative to the command: for a build, Debian, Fedora, other distributions. */
	static const char * const directories[] = {
		"", "../lib/" MULTIARCH "/", "../lib64/", "../lib/",
	};
	char command[PATH_MAX], real[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", command, sizeof(command) - 1);
	size_t i;

	/* Without /proc only LIBDIR is left. */
	if (len > 0) {
		command[len] = '\0';
		*(strrchr(command, '/') + 1) = '\0';
		for (i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
			if (snprintf(path, size, "%s%s%s%s", command, directories[i],
				     *directories[i] ? directory : "", name) >= (int)size)
				continue;
			if (access(path, R_OK) || !realpath(path, real))
				continue;
			return snprintf(path, size, "%s", real) < (int)size;
		}
	}
	snprintf(path, size, LIBDIR "/%s%s", directory, name);
	return !access(path, R_OK);
}

bool get_libc(char *name, size_t size)
{
#ifdef __GLIBC__
	/* From this version on, glibc's getrandom() calls the vDSO's. */
	enum { MAJOR = 2, MINOR = 41 };
	const char *version = gnu_get_libc_version();
	unsigned int major = 0, minor = 0;

	snprintf(name, size, "glibc %s", version);
	if (sscanf(version, "%u.%u", &major, &minor) != 2)
		return false;
	return major > MAJOR || (major == MAJOR && minor >= MINOR);
#else
	snprintf(name, size, "musl");
	return false;
#endif
}
