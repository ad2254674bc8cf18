/* SPDX-License-Identifier: MIT */
/*
 * Predicts what a preloaded library does for a program.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct outlook - what a preloaded library does for a program
 * @preload: preload the library; if false, the program would fail to start, or print an error
 * @gains: the program is statically linked with the library
 * @asan: the program needs the shared runtime of AddressSanitizer
 * @why: why the preload does not help, as a message; else empty
 * @missing: the program's interpreter, if it does not exist; else empty
 */
struct outlook {
	bool	preload;
	bool	gains;
	bool	asan;
	char	why[8192 + 256];
	char	missing[4096];
};

/**
 * program_find - find the file that execvp() would run
 * @name: a path, or a name to look up in PATH
 * @path: buffer for the path of the file
 * @size: size of @path
 *
 * Return: true if there is an executable file.
 */
bool program_find(const char *name, char *path, size_t size);

/**
 * program_predict - predict whether a program uses a preloaded library
 * @path: the program, or a script
 * @library: path of the library
 * @outlook: result; a file of unknown format gets no warning
 */
void program_predict(const char *path, const char *library, struct outlook *outlook);

#endif /* PROGRAM_H */
