// SPDX-License-Identifier: MIT
/*
 * The command vgetrandom: its help, options and subcommands. See vgetrandom(1).
 */
#define _GNU_SOURCE
#include <err.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* The letters that stand for the options in struct command. */
static const struct option options[] = {
	{ "no-large",	no_argument,	   NULL, 'l' },
	{ "core",	required_argument, NULL, 'c' },
	{ "count",	optional_argument, NULL, 'n' },
	{ "json",	no_argument,	   NULL, 'j' },
	{ "quick",	no_argument,	   NULL, 'q' },
	{ "help",	no_argument,	   NULL, 'h' },
	{ }
};

/**
 * struct command - a subcommand
 * @name: what the user types
 * @run: the function; returns the exit status
 * @letters: the options that it accepts
 * @usage: the synopsis, in one line
 * @summary: what it does
 * @help: what its options do
 */
struct command {
	const char	*name;
	int		(*run)(const struct arguments *args);
	const char	*letters;
	const char	*usage;
	const char	*summary;
	const char	*help;
};

static const struct command commands[] = {
	{
		"run", command_run, "lcnjh",
		"[--no-large] [--core NAME] [--count[=FILE]] [--json] [--] PROGRAM [ARG]...",
		"Run PROGRAM with libvgetrandom preloaded. This makes its calls of getrandom(),\n"
		"getentropy() and arc4random() fast.",
		"--no-large      serve large requests like small ones\n"
		"--core NAME     make large requests with this ChaCha20 core; 'info' lists them\n"
		"--count[=FILE]  report the requests and the gain when PROGRAM ends, on standard\n"
		"                error, or as a JSON object in FILE\n"
		"--json          with --count: write the report as a JSON object\n"
	}, {
		"info", command_info, "jh",
		"[--json]",
		"Report how requests are served on this machine, and why.",
		"--json          write a JSON object\n"
	}, {
		"bench", command_bench, "qjh",
		"[--quick] [--json] [SIZE]...",
		"Measure a call of SIZE bytes: the system call, libc's getrandom(), the kernel's\n"
		"vDSO function, and libvgetrandom.",
		"--quick         take 0.3 seconds instead of 2, with less precision\n"
		"--json          write a JSON object\n"
	}, {
		"openssl", command_openssl, "h",
		"on | off | status [FILE]",
		"Make OpenSSL draw from libvgetrandom in all programs that read its\n"
		"configuration FILE; undo this; or report which generator it draws from.",
		""
	},
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(*commands))

static void show_indented(FILE *out, const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		fprintf(out, "  %.*s\n", (int)strcspn(text, "\n"), text);
}

static void show_help_of(FILE *out, const struct command *command)
{
	fprintf(out, "usage: vgetrandom %s %s\n\n", command->name, command->usage);
	show_indented(out, command->summary);
	if (*command->help)
		fputc('\n', out);
	show_indented(out, command->help);
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
		show_indented(out, commands[i].summary);
	}
	fputs("\nSee 'vgetrandom help COMMAND' and vgetrandom(1).\n", out);
}

/* Returns @status, or fails if the output was not written completely. */
static int flush_output(int status)
{
	if (fflush(stdout) || ferror(stdout))
		err(1, "standard output: cannot be written");
	return status;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	errx(EXIT_USAGE, "%s: unknown %s; see 'vgetrandom help'", name,
	     *name == '-' ? "option" : "command");
}

static struct arguments parse(const struct command *command, int argc, char **argv)
{
	/* The options of PROGRAM are not run's. */
	const char *stop = command->run == command_run ? "+" : "";
	struct arguments args = { };
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, stop, options, NULL)) != -1) {
		if (!strchr(command->letters, letter))
			errx(EXIT_USAGE, "%s: unknown option or invalid value; see 'vgetrandom help %s'",
			     argv[optind - 1], command->name);
		switch (letter) {
		case 'l':
			args.no_large = true;
			break;
		case 'c':
			args.core = optarg;
			break;
		case 'n':
			args.count = true;
			args.count_file = optarg;
			break;
		case 'j':
			args.json = true;
			break;
		case 'q':
			args.quick = true;
			break;
		case 'h':
			show_help_of(stdout, command);
			exit(flush_output(0));
		}
	}
	args.operands = argv + optind;
	args.nr_operands = (size_t)(argc - optind);
	return args;
}

int main(int argc, char **argv)
{
	const struct command *command;
	struct arguments args;

	if (argc < 2) {
		show_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		if (argc > 2)
			show_help_of(stdout, find_command(argv[2]));
		else
			show_help(stdout);
		return flush_output(0);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("vgetrandom " VERSION);
		return flush_output(0);
	}
	command = find_command(argv[1]);
	args = parse(command, argc - 1, argv + 1);
	return flush_output(command->run(&args));
}
