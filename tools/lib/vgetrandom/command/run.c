// SPDX-License-Identifier: MIT
/*
 * vgetrandom run: a program, with the library preloaded.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "count.h"
#include "program.h"

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1))
		err(EXIT_RUN_FAILED, "%s: cannot be set", name);
}

static const char *parse_core(const char *name)
{
	static const char cores[][16] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	{ #name },
#include <asm/vdso/getrandom-cores.h>
		{ "" }
	};

	for (size_t i = 0; *cores[i]; i++)
		if (!strcmp(name, cores[i]))
			return name;
	errx(EXIT_USAGE, "--core %s: no such core; 'vgetrandom info' lists them", name);
}

static bool is_preloaded(const char *list, const char *library)
{
	size_t len;

	/* ld.so takes both as separators. */
	for (; list && *list; list += len + !!list[len]) {
		len = strcspn(list, ": ");
		if (len == strlen(library) && !strncmp(list, library, len))
			return true;
	}
	return false;
}

/* First, so that no other library's getrandom() is before ours. */
static void preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *value;

	if (strpbrk(library, " :\t\n$"))
		errx(EXIT_RUN_FAILED,
		     "%s: LD_PRELOAD cannot name it, for blanks, colons and $; install it elsewhere",
		     library);
	/* By another `vgetrandom run`. */
	if (is_preloaded(others, library))
		return;
	if (asprintf(&value, "%s%s%s", library, others && *others ? ":" : "",
		     others ? others : "") < 0)
		err(EXIT_RUN_FAILED, "LD_PRELOAD");
	set("LD_PRELOAD", value);
	free(value);
}

/*
 * The runtime of AddressSanitizer ends a program if it is not the first library, for it would
 * miss functions that others take over. Ours has none of those.
 */
static void calm_asan(void)
{
	static const char option[] = "verify_asan_link_order=0";
	const char *others = getenv("ASAN_OPTIONS");
	char *value;

	if (asprintf(&value, "%s%s%s", option, others ? ":" : "", others ? others : "") < 0)
		err(EXIT_RUN_FAILED, "ASAN_OPTIONS");
	set("ASAN_OPTIONS", value);
	free(value);
}

static _Noreturn void run(char **argv, const struct outlook *outlook)
{
	int error;

	execvp(argv[0], argv);
	error = errno;
	count_exec_failed();
	if (error == ENOENT && outlook->missing[0])
		errx(EXIT_CANNOT_RUN, "%s: cannot be run without %s; install that", argv[0],
		     outlook->missing);
	errno = error;
	if (error == ENOENT)
		err(EXIT_NOT_FOUND, "%s", argv[0]);
	err(EXIT_CANNOT_RUN, "%s: cannot be run", argv[0]);
}

static _Noreturn void not_found(const char *library)
{
	errx(EXIT_RUN_FAILED, "%s: not found, neither beside this command nor as %s; install it",
	     strrchr(library, '/') + 1, library);
}

int command_run(int argc, char **argv)
{
	static const struct option known[] = {
		{ "no-large",	no_argument,	   NULL, 'l' },
		{ "core",	required_argument, NULL, 'c' },
		{ "count",	optional_argument, NULL, 'n' },
		{ "json",	no_argument,	   NULL, 'j' },
		{ "help",	no_argument,	   NULL, 'h' },
		{ }
	};
	char path[4096], library[4096], counting[4096];
	const char *large = NULL, *core = NULL, *file = NULL;
	struct outlook outlook = { .preload = true };
	bool count = false, json = false;
	struct rusage usage;
	int c, status;

	/* "+": what follows the program's name is the program's. */
	while ((c = next_option(argc, argv, "+", known)) != -1) {
		if (c == 'l') {
			large = "off";
		} else if (c == 'n') {
			count = true;
			file = optarg;
		} else if (c == 'j') {
			json = true;
		} else {
			core = parse_core(optarg);
		}
	}
	argv += optind;
	if (!argv[0])
		errx(EXIT_USAGE, "run: no program; see 'vgetrandom help run'");

	if (!library_find("", SONAME, library, sizeof(library)))
		not_found(library);
	if (program_find(argv[0], path, sizeof(path)))
		program_look(path, library, &outlook);
	if (outlook.why[0] && !outlook.gains)
		warnx("%s", outlook.why);
	if (outlook.preload)
		preload(library);
	if (outlook.preload && count) {
		if (!library_find("vgetrandom/", COUNTING, counting, sizeof(counting)))
			not_found(counting);
		preload(counting);
	}
	if (outlook.preload && outlook.asan)
		calm_asan();
	if (large)
		set("VGETRANDOM_LARGE", large);
	if (core)
		set("VGETRANDOM_CORE", core);
	if (!count)
		run(argv, &outlook);
	count_prepare();
	status = count_wait(&usage);
	if (status < 0)
		run(argv, &outlook);
	count_report(file, json, outlook.why, &usage);
	count_end(status);
}
