// SPDX-License-Identifier: MIT
/*
 * In what surroundings libvgetrandom, and what it is compared with, are called.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "settings.h"

#define MAX_VARIABLES	4

/* A command line, and where what is in it came from. */
struct command {
	const char	*words[MAX_COMMAND];
	size_t		nr;
	const char	*missing;
};

const char *setting_name(enum setting setting)
{
	static const char * const names[] = {
		[HERE] = "native", [NEWER] = "native", [MUSL] = "native",
		[NO_VDSO] = "no-vdso", [OUR_VDSO] = "our-vdso",
	};

	return names[setting];
}

static char *built(const struct places *places, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", places->build, name) < 0)
		err(1, "asprintf");
	return path;
}

static void add(struct command *command, const char *word)
{
	command->words[command->nr++] = word;
}

/* @why: what is to be told if it is not there. */
static void add_file(struct command *command, const char *path, const char *why)
{
	if (access(path, R_OK) && !command->missing)
		command->missing = why;
	add(command, path);
}

static void add_setting(struct command *command, enum setting setting,
			const struct places *places)
{
	switch (setting) {
	case NEWER:
		add_file(command, built(places, "bench/glibc-2.41/loader"),
			 "there is no glibc 2.41: bench/get-glibc says why");
		add(command, "--library-path");
		add(command, built(places, "bench/glibc-2.41/libraries"));
		break;
	case NO_VDSO:
	case OUR_VDSO:
		add(command, built(places, "bench/with_vdso"));
		add(command, setting == NO_VDSO ? "--none" : "--image");
		if (setting == OUR_VDSO)
			add_file(command, places->image ? places->image : "",
				 "there is no image of our vDSO: run 'make vdso'");
		break;
	default:
		break;
	}
	if (setting == MUSL)
		add_file(command, built(places, "bench/server-musl"),
			 "there was no musl-gcc at build time (musl-tools)");
	else
		add(command, built(places, "bench/server"));
}

static void set(const char **variables, size_t *nr, const char *name, const char *value)
{
	char *variable;

	if (!value)
		return;
	if (asprintf(&variable, "%s=%s", name, value) < 0)
		err(1, "asprintf");
	variables[(*nr)++] = variable;
}

void way_start(struct remote *remote, const struct way *way, const struct places *places)
{
	const char *variables[MAX_VARIABLES] = { NULL };
	struct command command = { .nr = 0 };
	char *library = built(places, way->setting == MUSL ? "lib-musl/libvgetrandom.so" :
							     "lib/libvgetrandom.so");
	size_t nr = 0;

	add_setting(&command, way->setting, places);
	add(&command, way->function);
	if (way->preload) {
		if (access(library, R_OK) && !command.missing)
			command.missing = "libvgetrandom is not built: run 'make lib'";
		set(variables, &nr, "LD_PRELOAD", library);
		set(variables, &nr, "VGETRANDOM_CORE", way->core);
		set(variables, &nr, "VGETRANDOM_LARGE", way->large);
	}
	memset(remote, 0, sizeof(*remote));
	if (command.missing)
		snprintf(remote->hello.absent, sizeof(remote->hello.absent), "%s",
			 command.missing);
	else
		remote_start(remote, command.words, variables);
}
