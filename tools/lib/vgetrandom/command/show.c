// SPDX-License-Identifier: MIT
/*
 * vgetrandom info: report how requests are served.
 *
 * The report describes this process. A program with the same environment is served the same way.
 */
#define _GNU_SOURCE
#include <arch.h>
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <vgetrandom.h>

#include "../../../../module/page.h"
#include "command.h"
#include "vdso.h"

/* A row of the report: the names of all cores. */
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	" " #name
static const char cores[] = "ChaCha20 cores "
#include <asm/vdso/getrandom-cores.h>
	;

struct report {
	struct vgetrandom_info	info;
	struct utsname		kernel;
	char			libc[64];
	uint32_t		vdso_state;	/* state size of the kernel's vDSO function, or 0 */
	bool			libc_uses_vdso;
	char			reseeds[256];	/* the module's file of that name */
	const char		*faster;	/* from speed_hint() */
	char			library[4096];
	bool			library_found;
	int			error;		/* errno of a request, or 0 */
};

#ifdef ARCH_GENERATOR
static bool is_module_installed(const char *release)
{
	char path[sizeof(((struct utsname *)0)->release) + 64], line[4096];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	file = fopen(path, "r");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, "/vgetrandom.ko");
	if (file)
		fclose(file);
	return found;
}

/*
 * On Linux 5.10 and later, the module helps unless this project's generator is in use already. If
 * the module's page exists and is not used, module_why has the reason.
 */
const char *speed_hint(const struct vgetrandom_info *info)
{
	unsigned int major = 0, minor = 0;
	struct utsname kernel;

	if (info->state_size == sizeof(struct vgetrandom_state) || !info->module_why)
		return NULL;
	if (uname(&kernel) || sscanf(kernel.release, "%u.%u", &major, &minor) != 2 || major < 5 ||
	    (major == 5 && minor < 10))
		return NULL;
	if (access("/sys/kernel", F_OK))
		return "mount /sys, where the module vgetrandom publishes its page";
	if (!access(VGETRANDOM_PAGE_PATH, F_OK) || errno != ENOENT)
		return NULL;
	return is_module_installed(kernel.release) ? "modprobe vgetrandom" :
						     "install vgetrandom-dkms";
}
#else
const char *speed_hint(const struct vgetrandom_info *info)
{
	(void)info;
	return NULL;
}
#endif

static void read_reseeds(char *text, int size)
{
	FILE *file = fopen(VGETRANDOM_RESEEDS_PATH, "r");

	if (!file || !fgets(text, size, file))
		*text = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

static struct report make_report(void)
{
	struct vgetrandom_opaque_params params;
	struct report a;
	const char *why;
	char byte[1];

	vgetrandom_info(&a.info, sizeof(a.info));
	uname(&a.kernel);
	a.vdso_state = vdso_find(&params, &why) ? params.size_of_opaque_state : 0;
	a.libc_uses_vdso = get_libc(a.libc, sizeof(a.libc)) && a.vdso_state;
	read_reseeds(a.reseeds, sizeof(a.reseeds));
	a.faster = speed_hint(&a.info);
	/* Do not wait: at boot the kernel's generator may not be seeded yet. */
	a.error = vgetrandom(byte, sizeof(byte), GRND_NONBLOCK) < 0 ? errno : 0;
	a.library_found = library_find("", SONAME, a.library, sizeof(a.library));
	return a;
}

const char *way_name(enum vgetrandom_way way)
{
	static const char * const names[] = {
		[VGETRANDOM_SYSCALL]	= "syscall",
		[VGETRANDOM_VDSO]	= "vdso",
		[VGETRANDOM_EXPAND]	= "expand",
		[VGETRANDOM_MODULE]	= "module",
	};

	return names[way];
}

static const char *way_text(enum vgetrandom_way way)
{
	static const char * const texts[] = {
		[VGETRANDOM_SYSCALL]	= "the system call",
		[VGETRANDOM_VDSO]	= "the kernel's vDSO function",
		[VGETRANDOM_EXPAND]	= "one key from the kernel per request, expanded by the library",
		[VGETRANDOM_MODULE]	= "the library's generator, with the module's page",
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

static void show_why(const char *text)
{
	if (text && *text)
		row("", "(%s)", text);
}

static void show_environment(const struct vgetrandom_info *info)
{
	const char *large = getenv("VGETRANDOM_LARGE"), *core = getenv("VGETRANDOM_CORE");
	const char *syscall = getenv("VGETRANDOM_SYSCALL");

	if (large)
		row("environment", "VGETRANDOM_LARGE=%s%s", large,
		    strstr(info->large_why, "VGETRANDOM_LARGE") || !info->core ? "" :
		    " (ignored: neither \"off\" nor a number of bytes)");
	if (core)
		row("environment", "VGETRANDOM_CORE=%s%s", core,
		    info->core && !strcmp(core, info->core) ? "" :
		    " (ignored: no core of that name, or not for this processor)");
	if (syscall)
		row("environment", "VGETRANDOM_SYSCALL=%s%s", syscall,
		    strcmp(syscall, "off") ? " (ignored: not \"off\")" : "");
}

static void show_text(const struct report *a)
{
	const struct vgetrandom_info *info = &a->info;

	row("libvgetrandom", "%s", info->version);
	row("kernel", "%s %s", a->kernel.sysname, a->kernel.release);
	if (a->vdso_state)
		row("vDSO function", "found; states of %u bytes", a->vdso_state);
	else
		row("vDSO function", "none");
	row("module", "%s", info->small == VGETRANDOM_MODULE ? "used" : "not used");
	show_why(info->module_why);
	if (*a->reseeds)
		row("", "reseeds are %s", a->reseeds);
	if (info->vdso)
		row("states", "%zu, in memory that %s", info->states, info->droppable ?
		    "the kernel may drop: never swapped, dumped or inherited" :
		    "is locked: never swapped, dumped or inherited");
	row("small requests", "%s", way_text(info->small));
	show_why(info->small_why);
	if (a->faster)
		row("faster", "%s", a->faster);
	if (info->large_from) {
		row("large requests", "from %zu bytes on: %s", info->large_from,
		    way_text(info->large));
		show_why(info->large_why);
		row("", "with the ChaCha20 core %s", info->core);
	} else {
		row("large requests", "like small ones");
		show_why(info->large_why);
	}
	if (info->core)
		puts(cores);
	row("libc", "%s: its getrandom() is %s", a->libc, a->libc_uses_vdso ?
	    "the kernel's vDSO function" : "the system call");
	if (info->small == VGETRANDOM_VDSO && a->libc_uses_vdso) {
		if (info->large_from)
			row("", "(with this libc, only requests from %zu bytes on gain)",
			    info->large_from);
		else
			row("", "(with this libc, no request gains)");
	}
	switch (a->error) {
	case 0:
		row("a request", "is served");
		break;
	case EAGAIN:
		row("a request", "must wait: the kernel's generator is not seeded yet");
		break;
	default:
		row("a request", "fails: %s; allow getrandom(2) if this is a sandbox",
		    strerror(a->error));
	}
	show_environment(info);
	row("library file", "%s%s", a->library_found ? "" : "not found; last tried ",
	    a->library);
}

static void string_member(const char *name, const char *value)
{
	printf("  \"%s\": ", name);
	json_string(stdout, value);
	fputs(",\n", stdout);
}

static void show_json(const struct report *a)
{
	const struct vgetrandom_info *info = &a->info;

	puts("{");
	string_member("version", info->version);
	string_member("kernel", a->kernel.release);
	printf("  \"vdso\": %s,\n", a->vdso_state ? "true" : "false");
	printf("  \"state_size\": %zu,\n", info->state_size);
	printf("  \"states\": %zu,\n", info->states);
	printf("  \"droppable\": %s,\n", info->droppable ? "true" : "false");
	string_member("small", way_name(info->small));
	string_member("small_why", info->small_why);
	string_member("module_why", info->module_why);
	string_member("reseeds", *a->reseeds ? a->reseeds : NULL);
	string_member("faster", a->faster);
	string_member("large", way_name(info->large));
	string_member("large_why", info->large_why);
	printf("  \"large_from\": %zu,\n", info->large_from);
	string_member("core", info->core);
	string_member("libc", a->libc);
	printf("  \"libc_uses_vdso\": %s,\n", a->libc_uses_vdso ? "true" : "false");
	string_member("request_error", a->error ? strerror(a->error) : NULL);
	fputs("  \"library\": ", stdout);
	json_string(stdout, a->library_found ? a->library : NULL);
	puts("\n}");
}

int command_info(const struct arguments *args)
{
	struct report report;

	if (args->nr_operands)
		errx(EXIT_USAGE, "%s: unexpected argument; see 'vgetrandom help info'",
		     args->operands[0]);
	report = make_report();
	if (args->json)
		show_json(&report);
	else
		show_text(&report);
	return 0;
}
