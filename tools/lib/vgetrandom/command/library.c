// SPDX-License-Identifier: MIT
/*
 * Which libraries there are: ours, and the C library.
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
	/* As seen from the command's directory: the build's, Debian's, Fedora's, others'. */
	static const char * const directories[] = {
		"", "../lib/" MULTIARCH "/", "../lib64/", "../lib/",
	};
	char own[PATH_MAX], real[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	size_t i;

	/* Without /proc, there is still the last place. */
	if (len > 0) {
		own[len] = '\0';
		*(strrchr(own, '/') + 1) = '\0';
		for (i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
			if (snprintf(path, size, "%s%s%s%s", own, directories[i],
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

bool own_libc(char *name, size_t size)
{
#ifdef __GLIBC__
	/* Since this version, glibc's getrandom() calls the vDSO's. */
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
