// SPDX-License-Identifier: MIT
/*
 * vgetrandom info: what is in effect in a process of this machine.
 *
 * It is this command's own process that is asked. A program that is run with the same
 * environment gets the same answers.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <vgetrandom.h>

#include "command.h"

/* A row, with all of them. */
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	" " #name
static const char cores[] = "ChaCha20 cores "
#include <asm/vdso/getrandom-cores.h>
	;

struct answers {
	struct vgetrandom_info	info;
	struct utsname		kernel;
	char			libc[64];
	bool			libc_uses_vdso;
	char			library[4096];
	bool			library_found;
};

static struct answers ask(void)
{
	struct answers a;

	vgetrandom_info(&a.info, sizeof(a.info));
	uname(&a.kernel);
	a.libc_uses_vdso = own_libc(a.libc, sizeof(a.libc)) && a.info.vdso;
	a.library_found = library_find(a.library, sizeof(a.library));
	return a;
}

static const char *way_name(enum vgetrandom_way way)
{
	static const char * const names[] = {
		[VGETRANDOM_SYSCALL]	= "syscall",
		[VGETRANDOM_VDSO]	= "vdso",
		[VGETRANDOM_EXPAND]	= "expand",
	};

	return names[way];
}

static const char *way_text(enum vgetrandom_way way)
{
	static const char * const texts[] = {
		[VGETRANDOM_SYSCALL]	= "the system call",
		[VGETRANDOM_VDSO]	= "the kernel's vDSO function",
		[VGETRANDOM_EXPAND]	= "a key from the kernel for each, expanded here",
	};

	return texts[way];
}

static __attribute__((format(printf, 2, 3))) void row(const char *name, const char *text, ...)
{
	va_list args;

	printf("%-16s", name);
	va_start(args, text);
	vprintf(text, args);
	va_end(args);
	putchar('\n');
}

static void why(const char *text)
{
	if (text && *text)
		row("", "(%s)", text);
}

static void show_environment(const struct vgetrandom_info *info)
{
	const char *large = getenv("VGETRANDOM_LARGE"), *core = getenv("VGETRANDOM_CORE");

	/* Whether it is heeded is among the reasons above. */
	if (large)
		row("environment", "VGETRANDOM_LARGE=%s", large);
	if (core)
		row("environment", "VGETRANDOM_CORE=%s%s", core,
		    info->core && !strcmp(core, info->core) ? "" :
		    " (ignored: no core of that name, or not for this processor)");
}

static void show_text(const struct answers *a)
{
	const struct vgetrandom_info *info = &a->info;

	row("libvgetrandom", "%s", info->version);
	row("kernel", "%s %s", a->kernel.sysname, a->kernel.release);
	if (info->vdso) {
		row("vDSO function", "found; states of %zu bytes", info->state_size);
		row("states", "%zu, in memory that %s", info->states, info->droppable ?
		    "the kernel may drop: never swapped, dumped or inherited" :
		    "is not droppable");
	} else {
		row("vDSO function", "none");
	}
	row("small requests", "%s", way_text(info->small));
	why(info->small_why);
	if (info->large_from) {
		row("large requests", "from %zu bytes on: %s", info->large_from,
		    way_text(info->large));
		why(info->large_why);
		row("", "with the ChaCha20 core %s", info->core);
	} else {
		row("large requests", "like small ones");
		why(info->large_why);
	}
	if (info->core)
		puts(cores);
	row("libc", "%s: its getrandom() is %s", a->libc, a->libc_uses_vdso ?
	    "the kernel's vDSO function" : "the system call");
	if (info->small == VGETRANDOM_VDSO && a->libc_uses_vdso) {
		if (info->large_from)
			row("", "(small requests gain nothing with this libc; those from %zu bytes on do)",
			    info->large_from);
		else
			row("", "(no request gains anything with this libc)");
	}
	show_environment(info);
	row("to be preloaded", "%s%s", a->library_found ? "" : "not found; looked last for ",
	    a->library);
}

static void string_member(const char *name, const char *value)
{
	printf("  \"%s\": ", name);
	json_string(stdout, value);
	fputs(",\n", stdout);
}

static void show_json(const struct answers *a)
{
	const struct vgetrandom_info *info = &a->info;

	puts("{");
	string_member("version", info->version);
	string_member("kernel", a->kernel.release);
	printf("  \"vdso\": %s,\n", info->vdso ? "true" : "false");
	printf("  \"state_size\": %zu,\n", info->state_size);
	printf("  \"states\": %zu,\n", info->states);
	printf("  \"droppable\": %s,\n", info->droppable ? "true" : "false");
	string_member("small", way_name(info->small));
	string_member("small_why", info->small_why);
	string_member("large", way_name(info->large));
	string_member("large_why", info->large_why);
	printf("  \"large_from\": %zu,\n", info->large_from);
	string_member("core", info->core);
	string_member("libc", a->libc);
	printf("  \"libc_uses_vdso\": %s,\n", a->libc_uses_vdso ? "true" : "false");
	fputs("  \"library\": ", stdout);
	json_string(stdout, a->library_found ? a->library : NULL);
	puts("\n}");
}

int command_info(int argc, char **argv)
{
	static const struct option known[] = {
		{ "json",	no_argument,	NULL, 'j' },
		{ "help",	no_argument,	NULL, 'h' },
		{ }
	};
	struct answers answers;
	bool json = false;

	while (next_option(argc, argv, "", known) != -1)
		json = true;
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument '%s'; see vgetrandom --help\n",
			argv[0], argv[optind]);
		return EXIT_USAGE;
	}
	answers = ask();
	if (json)
		show_json(&answers);
	else
		show_text(&answers);
	return 0;
}
