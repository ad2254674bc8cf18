/* SPDX-License-Identifier: MIT */
/*
 * In what surroundings libvgetrandom, and what it is compared with, are called.
 */
#ifndef _BENCH_SETTINGS_H
#define _BENCH_SETTINGS_H

#include <stdbool.h>

#include "remote.h"

/**
 * enum setting - what a server runs on
 * @HERE: this machine's C library, and its kernel
 * @NEWER: glibc 2.41 instead, which calls the vDSO by itself
 * @MUSL: musl instead
 * @NO_VDSO: a process that the kernel has given no vDSO, as those before 6.11
 * @OUR_VDSO: one that has our vDSO's image instead of the kernel's
 */
enum setting {
	HERE,
	NEWER,
	MUSL,
	NO_VDSO,
	OUR_VDSO,
};

/**
 * struct places - where there is what servers need
 * @build: the folder with everything built
 * @image: our vDSO's image; NULL: none
 */
struct places {
	const char	*build;
	const char	*image;
};

/**
 * struct way - a function, and how it is to be called
 * @setting: see there
 * @function: as server.c names it
 * @preload: with libvgetrandom in place of the C library's functions
 * @core: the core that libvgetrandom is to use; NULL: which it wants
 * @large: from how many bytes on it is to expand keys, or "off"; NULL: likewise
 */
struct way {
	enum setting	setting;
	const char	*function;
	bool		preload;
	const char	*core;
	const char	*large;
};

/**
 * setting_name - as the results name it, in "where"
 * @setting: the setting
 */
const char *setting_name(enum setting setting);

/**
 * way_start - start a server that calls a function in some way
 * @remote: filled in; hello.absent says so if that cannot be
 * @way: the way
 * @places: where there is what it needs
 */
void way_start(struct remote *remote, const struct way *way, const struct places *places);

#endif /* _BENCH_SETTINGS_H */
