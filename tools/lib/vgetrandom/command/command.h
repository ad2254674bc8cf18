/* SPDX-License-Identifier: MIT */
/*
 * The command vgetrandom: what its parts offer each other. See vgetrandom(1).
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <vgetrandom.h>

/* The libcrypto of OpenSSL 3.0 and later. */
#define LIBCRYPTO		"libcrypto.so.3"

/* A usage error. */
#define EXIT_USAGE		2
/* As env(1) and shells have it, of `vgetrandom run`: its own failures; no program */
#define EXIT_RUN_FAILED		125
#define EXIT_CANNOT_RUN		126
#define EXIT_NOT_FOUND		127

/* Each gets the arguments from its own name on, and returns the exit status. */
int command_run(int argc, char **argv);
int command_info(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_openssl(int argc, char **argv);

/**
 * next_option - getopt_long(), with what all commands do alike
 * @argc: as for getopt_long()
 * @argv: likewise
 * @first: "+" if the options end at the first argument that is none; else ""
 * @known: the command's own; "help" is the same for all
 *
 * Return: the option's value, or -1 after the last one. Does not return after "--help",
 * or from an unknown option.
 */
int next_option(int argc, char **argv, const char *first, const struct option *known);

/**
 * library_find - where is a library that programs are to be run with?
 * @directory: where it is in a directory for libraries: "", or with a slash at its end
 * @name: of the library
 * @path: its path goes here; absolute
 * @size: room for it
 *
 * It is beside the command, or in a directory for libraries beside the command's, as it
 * is where both were installed together, wherever that is; or where it was said to
 * be when the command was built.
 *
 * Return: is there one? If not, @path is where it was looked for last.
 */
bool library_find(const char *directory, const char *name, char *path, size_t size);

/* Its name in JSON. */
const char *way_name(enum vgetrandom_way way);

/* What would make small requests faster than @info says; NULL if nothing would. */
const char *speed_hint(const struct vgetrandom_info *info);

/* Nanoseconds, since some time. */
double now(void);

/**
 * bench_time_saved - measure a call, for a few milliseconds
 * @bytes: that it asks for
 * @way: that it goes with the library
 * @by_syscall: without the library it is the system call, whatever libc does
 *
 * Return: how many nanoseconds less it takes with the library
 */
double bench_time_saved(size_t bytes, enum vgetrandom_way way, bool by_syscall);

/**
 * own_libc - which C library this command runs with
 * @name: "glibc 2.36", say; goes here
 * @size: room for it
 *
 * Return: does its getrandom() use the vDSO's, where there is one?
 */
bool own_libc(char *name, size_t size);

/* Prints a string as JSON has it; NULL is null. */
void json_string(FILE *out, const char *text);

#endif /* COMMAND_H */
