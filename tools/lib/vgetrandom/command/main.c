// SPDX-License-Identifier: MIT
/*
 * vgetrandom: runs programs with libvgetrandom, and says what it does here.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* How a command is called, in one line, and what its options do. */
static const struct command {
	const char	*name;
	int		(*run)(int argc, char **argv);
	const char	*usage;
	const char	*what;
	const char	*options;
} commands[] = {
	{
		"run", command_run,
		"[--no-large] [--core NAME] [--count[=FILE]] [--json] [--] PROGRAM [ARG]...",
		"run PROGRAM with libvgetrandom preloaded: its getrandom(), getentropy(),\n"
		"arc4random() are fast",
		"--no-large      leave large requests to the kernel\n"
		"--core NAME     make large ones with one of the ChaCha20 cores that info lists\n"
		"--count[=FILE]  say at its end what it asked for, and what it gains; or write that\n"
		"                to FILE, as a JSON object\n"
		"--json          say so as a JSON object\n"
	}, {
		"info", command_info,
		"[--json]",
		"say what is in effect on this machine, and why",
		"--json          as a JSON object\n"
	}, {
		"bench", command_bench,
		"[--quick] [--json] [SIZE]...",
		"measure a call of SIZE bytes: by the system call, libc's getrandom(), the\n"
		"kernel's vDSO function, and libvgetrandom",
		"--quick         in 0.3 s instead of 2, and less exact\n"
		"--json          as a JSON object\n"
	}, {
		"openssl", command_openssl,
		"on | off | status [FILE]",
		"have OpenSSL's RAND_bytes() draw from libvgetrandom, in all programs that read\n"
		"its configuration, or in FILE; or not; or say whether it does",
		""
	},
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(*commands))

static const struct command *current;

/* Lines of text, indented. */
static void show_lines(FILE *out, const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		fprintf(out, "  %.*s\n", (int)strcspn(text, "\n"), text);
}

static void show_help_of(FILE *out, const struct command *command)
{
	fprintf(out, "usage: vgetrandom %s %s\n\n", command->name, command->usage);
	show_lines(out, command->what);
	if (*command->options)
		fputc('\n', out);
	show_lines(out, command->options);
	fputs("\nSee vgetrandom(1).\n", out);
}

static void show_help(FILE *out)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "%s vgetrandom %s %s\n", i ? "      " : "usage:", commands[i].name,
			commands[i].usage);
	fputs("       vgetrandom help [COMMAND]\n"
	      "       vgetrandom --help | --version\n", out);
	for (i = 0; i < NR_COMMANDS; i++) {
		fprintf(out, "\n%s\n", commands[i].name);
		show_lines(out, commands[i].what);
	}
	fputs("\nSee 'vgetrandom help COMMAND', and vgetrandom(1).\n", out);
}

/* What was printed is of use only if it all went out. */
static int flushed(int status)
{
	if (fflush(stdout) || ferror(stdout))
		err(1, "standard output: cannot be written");
	return status;
}

int next_option(int argc, char **argv, const char *first, const struct option *known)
{
	int option;

	/* Its messages are of another form. */
	opterr = 0;
	option = getopt_long(argc, argv, first, known, NULL);
	if (option == 'h') {
		show_help_of(stdout, current);
		exit(flushed(0));
	}
	if (option == '?')
		errx(EXIT_USAGE, "%s: unknown option, or not with this value; see 'vgetrandom help %s'",
		     argv[optind - 1], current->name);
	return option;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	errx(EXIT_USAGE, "%s: unknown %s; see 'vgetrandom help'", name,
	     *name == '-' ? "option" : "command");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		show_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		if (argc > 2)
			show_help_of(stdout, find_command(argv[2]));
		else
			show_help(stdout);
		return flushed(0);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("vgetrandom " VERSION);
		return flushed(0);
	}
	current = find_command(argv[1]);
	return flushed(current->run(argc - 1, argv + 1));
}
