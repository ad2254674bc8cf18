// SPDX-License-Identifier: MIT
/*
 * vgetrandom run: run a program with the library preloaded.
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

static void set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 1))
		err(EXIT_RUN_FAILED, "%s: cannot be set", name);
}

static void check_core(const char *name)
{
	static const char cores[][16] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	{ #name },
#include <asm/vdso/getrandom-cores.h>
		{ "" }
	};

	for (size_t i = 0; *cores[i]; i++)
		if (!strcmp(name, cores[i]))
			return;
	errx(EXIT_USAGE, "--core %s: unknown core; 'vgetrandom info' lists them", name);
}

static bool is_preloaded(const char *list, const char *library)
{
	size_t len;

	/* ld.so accepts both separators. */
	for (; list && *list; list += len + !!list[len]) {
		len = strcspn(list, ": ");
		if (len == strlen(library) && !strncmp(list, library, len))
			return true;
	}
	return false;
}

/* Puts @library first in LD_PRELOAD, before any other library with a getrandom(). */
static void preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *value;

	if (strpbrk(library, " :\t\n$"))
		errx(EXIT_RUN_FAILED,
		     "%s: LD_PRELOAD cannot contain blanks, colons or $; install it elsewhere",
		     library);
	/* A parent process may be `vgetrandom run`. */
	if (is_preloaded(others, library))
		return;
	if (asprintf(&value, "%s%s%s", library, others && *others ? ":" : "",
		     others ? others : "") < 0)
		err(EXIT_RUN_FAILED, "LD_PRELOAD");
	set_variable("LD_PRELOAD", value);
	free(value);
}

/*
 * The runtime of AddressSanitizer aborts a program if another library comes first, because that
 * library could replace functions that the runtime intercepts. libvgetrandom replaces none.
 */
static void disable_asan_link_order_check(void)
{
	static const char option[] = "verify_asan_link_order=0";
	const char *others = getenv("ASAN_OPTIONS");
	char *value;

	if (asprintf(&value, "%s%s%s", option, others ? ":" : "", others ? others : "") < 0)
		err(EXIT_RUN_FAILED, "ASAN_OPTIONS");
	set_variable("ASAN_OPTIONS", value);
	free(value);
}

static _Noreturn void run(char **argv, const struct outlook *outlook)
{
	int error;

	execvp(argv[0], argv);
	error = errno;
	count_exec_failed();
	if (error == ENOENT && outlook->missing[0])
		errx(EXIT_CANNOT_RUN, "%s: cannot be run without its interpreter %s; install it",
		     argv[0], outlook->missing);
	errno = error;
	if (error == ENOENT)
		err(EXIT_NOT_FOUND, "%s", argv[0]);
	err(EXIT_CANNOT_RUN, "%s: cannot be run", argv[0]);
}

static _Noreturn void not_found(const char *library)
{
	errx(EXIT_RUN_FAILED, "%s: not found beside this command or at %s; install it",
	     strrchr(library, '/') + 1, library);
}

int command_run(const struct arguments *args)
{
	char path[4096], library[4096], counting[4096];
	struct outlook outlook = { .preload = true };
	char **argv = args->operands;
	struct rusage usage;
	int status;

	if (args->core)
		check_core(args->core);
	if (args->json && !args->count)
		errx(EXIT_USAGE, "--json: requires --count; see 'vgetrandom help run'");
	if (!argv[0])
		errx(EXIT_USAGE, "run: missing program; see 'vgetrandom help run'");

	if (!library_find("", SONAME, library, sizeof(library)))
		not_found(library);
	if (program_find(argv[0], path, sizeof(path)))
		program_predict(path, library, &outlook);
	if (outlook.why[0] && !outlook.gains)
		warnx("%s", outlook.why);
	if (outlook.preload)
		preload(library);
	if (outlook.preload && args->count) {
		if (!library_find("vgetrandom/", COUNTING, counting, sizeof(counting)))
			not_found(counting);
		preload(counting);
	}
	if (outlook.preload && outlook.asan)
		disable_asan_link_order_check();
	if (args->no_large)
		set_variable("VGETRANDOM_LARGE", "off");
	if (args->core)
		set_variable("VGETRANDOM_CORE", args->core);
	if (!args->count)
		run(argv, &outlook);
	count_prepare(args->count_file);
	status = count_wait(&usage);
	if (status < 0)
		run(argv, &outlook);
	count_report(args->json, outlook.why, &usage);
	count_end(status);
}
