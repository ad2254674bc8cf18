/* SPDX-License-Identifier: MIT */
/*
 * What preloading a library does for a program, before it is run.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct outlook - what a preloaded library is for a program
 * @preload: may be preloaded; if not, the program would not start with it, or say so
 * @gains: has the library inside already
 * @asan: is built with AddressSanitizer, in a shared library
 * @why: where there is no gain by the preload, the reason, for people; else empty
 * @missing: the interpreter that the program needs and that is not there; else empty
 */
struct outlook {
	bool	preload;
	bool	gains;
	bool	asan;
	char	why[8192 + 256];
	char	missing[4096];
};

/**
 * program_find - the file that is run
 * @name: of a program: a path, or to be looked for in PATH, as execvp() does
 * @path: its path goes here
 * @size: room for it
 *
 * Return: is there such a file, that may be run?
 */
bool program_find(const char *name, char *path, size_t size);

/**
 * program_look - will a program use a library that is preloaded?
 * @path: the program, or a script
 * @library: the library's path
 * @outlook: filled in; of a file that is not understood, nothing bad is said
 */
void program_look(const char *path, const char *library, struct outlook *outlook);

#endif /* PROGRAM_H */
