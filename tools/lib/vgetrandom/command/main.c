// SPDX-License-Identifier: MIT
/*
 * vgetrandom: runs programs with libvgetrandom, and says what it does here.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static void show_help(FILE *out)
{
	fputs("usage: vgetrandom run [--no-large] [--core NAME] [--] PROGRAM [ARG]...\n"
	      "       vgetrandom info [--json]\n"
	      "       vgetrandom bench [--quick] [--json] [SIZE]...\n"
	      "       vgetrandom openssl on | off | status [FILE]\n"
	      "       vgetrandom --help | --version\n"
	      "\n"
	      "run    runs PROGRAM with libvgetrandom preloaded: its getrandom(), getentropy()\n"
	      "       and arc4random() are fast\n"
	      "  --no-large   only small requests; large ones as the kernel serves them\n"
	      "  --core NAME  for large ones: one of the ChaCha20 cores that info lists\n"
	      "info   what is in effect on this machine, and why\n"
	      "  --json       as a JSON object\n"
	      "bench  the time of a call, of SIZE bytes: by the system call, libc's own\n"
	      "       getrandom(), the kernel's vDSO function, and libvgetrandom; about 2 s\n"
	      "  --quick      0.3 s, and less exact\n"
	      "  --json       as a JSON object\n"
	      "openssl\n"
	      "       has OpenSSL's RAND_bytes() draw from libvgetrandom, in all programs that read\n"
	      "       its configuration, or in FILE; or not; or says whether it does\n"
	      "\n"
	      "See vgetrandom(1).\n", out);
}

/* What was printed is of use only if it all went out. */
static int flushed(int status)
{
	if (fflush(stdout) || ferror(stdout))
		err(1, "cannot write to standard output");
	return status;
}

int next_option(int argc, char **argv, const char *first, const struct option *known)
{
	int option = getopt_long(argc, argv, first, known, NULL);

	if (option == 'h') {
		show_help(stdout);
		exit(flushed(0));
	}
	if (option == '?')
		exit(EXIT_USAGE);
	return option;
}

int main(int argc, char **argv)
{
	static const struct {
		const char	*name;
		int		(*run)(int argc, char **argv);
		/* For the messages of getopt_long(). */
		char		*full_name;
	} commands[] = {
		{ "run",	command_run,	"vgetrandom run" },
		{ "info",	command_info,	"vgetrandom info" },
		{ "bench",	command_bench,	"vgetrandom bench" },
		{ "openssl",	command_openssl, "vgetrandom openssl" },
	};
	size_t i;

	if (argc < 2) {
		show_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		show_help(stdout);
		return flushed(0);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("vgetrandom " VERSION);
		return flushed(0);
	}
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		argv[1] = commands[i].full_name;
		return flushed(commands[i].run(argc - 1, argv + 1));
	}
	errx(EXIT_USAGE, "unknown %s '%s'; see vgetrandom --help",
	     *argv[1] == '-' ? "option" : "command", argv[1]);
}
