/* SPDX-License-Identifier: MIT */
/*
 * Shared by the source files of the command vgetrandom. See vgetrandom(1).
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <vgetrandom.h>

/* The libcrypto of OpenSSL 3.0 and later. */
#define LIBCRYPTO		"libcrypto.so.3"

#define EXIT_USAGE		2
/* Exit statuses of `vgetrandom run`, the same as env(1)'s. */
#define EXIT_RUN_FAILED		125
#define EXIT_CANNOT_RUN		126
#define EXIT_NOT_FOUND		127

/**
 * struct arguments - the parsed command line of a subcommand
 * @no_large: --no-large
 * @count: --count
 * @json: --json
 * @quick: --quick
 * @core: the name after --core, or NULL
 * @count_file: the file of --count=FILE, or NULL
 * @operands: the arguments after the options, ended by NULL
 * @nr_operands: their number
 */
struct arguments {
	bool		no_large;
	bool		count;
	bool		json;
	bool		quick;
	const char	*core;
	const char	*count_file;
	char		**operands;
	size_t		nr_operands;
};

/* The subcommands. Each returns the exit status. */
int command_run(const struct arguments *args);
int command_info(const struct arguments *args);
int command_bench(const struct arguments *args);
int command_openssl(const struct arguments *args);

/**
 * library_find - find a library to preload
 * @directory: subdirectory of the library directories; "", or with a slash at its end
 * @name: name of the library
 * @path: buffer for the absolute path
 * @size: size of @path
 *
 * Searches the command's directory, then the library directories relative to it, then the
 * directory chosen when the command was built.
 *
 * Return: true if found. If not, @path is the last one tried.
 */
bool library_find(const char *directory, const char *name, char *path, size_t size);

/* Returns the name of @way in JSON. */
const char *way_name(enum vgetrandom_way way);

/* Returns what would make small requests faster than @info says; NULL if nothing would. */
const char *speed_hint(const struct vgetrandom_info *info);

/* Returns a monotonic time in nanoseconds. */
double now(void);

/**
 * bench_time_saved - measure, for some milliseconds, how much faster a call is with the library
 * @bytes: size of the request
 * @way: how the library serves it
 * @by_syscall: compare with the system call instead of libc's getrandom()
 *
 * Return: nanoseconds saved per call
 */
double bench_time_saved(size_t bytes, enum vgetrandom_way way, bool by_syscall);

/**
 * get_libc - which C library this command uses
 * @name: buffer for its name, such as "glibc 2.36"
 * @size: size of @name
 *
 * Return: true if its getrandom() calls the vDSO's function when there is one.
 */
bool get_libc(char *name, size_t size);

/* Prints a JSON string; null for NULL. */
void json_string(FILE *out, const char *text);

#endif /* COMMAND_H */
