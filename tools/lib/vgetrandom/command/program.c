// SPDX-License-Identifier: MIT
/*
 * Nothing here decides whether a program runs: that is for the kernel and the loader.
 * But these ignore a library that they cannot preload, or end the program with a
 * message about it, so it is looked at before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elf_facts.h"
#include "program.h"

/* As far as the kernel follows scripts that are run by scripts, and of a first line. */
#define MAX_SCRIPTS	5
#define MAX_FIRST_LINE	256
#define BLANK		" \t\r"

static bool can_run(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

bool program_find(const char *name, char *path, size_t size)
{
	const char *directory = getenv("PATH"), *end;
	char standard[256];

	if (strchr(name, '/'))
		return snprintf(path, size, "%s", name) < (int)size && can_run(path);
	if (!directory) {
		confstr(_CS_PATH, standard, sizeof(standard));
		directory = standard;
	}
	for (;; directory = end + 1) {
		end = strchrnul(directory, ':');
		/* An empty one is the current directory. */
		if (snprintf(path, size, "%.*s%s%s", (int)(end - directory), directory,
			     end > directory ? "/" : "./", name) < (int)size && can_run(path))
			return true;
		if (!*end)
			return false;
	}
}

/*
 * When a program gets rights that its caller has not, the loader takes no orders from
 * the environment. Filesystems and processes can be such that it never does.
 */
static const char *extra_rights(const char *path, int fd)
{
	struct statvfs fs;
	struct stat st;

	if (fstat(fd, &st) || fstatvfs(fd, &fs) || (fs.f_flag & ST_NOSUID) ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return NULL;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return "is set-user-ID";
	/* Without the right to run for the group, the bit means something else. */
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		return "is set-group-ID";
	if (getuid() && getxattr(path, "security.capability", NULL, 0) > 0)
		return "has capabilities of its own";
	return NULL;
}

static void say(struct outlook *outlook, bool preload, const char *path, const char *what,
		const char *so)
{
	outlook->preload = preload;
	snprintf(outlook->why, sizeof(outlook->why), "%s: %s; %s", path, what, so);
}

static void inspect_static(const char *path, int fd, const struct elf_facts *program,
			   struct outlook *outlook)
{
	/* A name that the library has inside. */
	outlook->gains = file_has(fd, "VGETRANDOM_LARGE");
	if (outlook->gains)
		say(outlook, true, path, "has the library inside",
		    "it gains, and its calls cannot be counted");
	else if (program->go)
		say(outlook, true, path, "is written in Go, which makes system calls by itself",
		    "it gains nothing");
	else
		say(outlook, true, path, "is statically linked",
		    "it gains nothing, but programs that it starts may");
}

static void inspect_elf(const char *path, int fd, const struct elf_facts *program,
			const char *library, struct outlook *outlook)
{
	const char *rights = extra_rights(path, fd);
	struct elf_facts ours;
	char what[4096 + 64];
	bool known;
	int own;

	own = open(library, O_RDONLY | O_CLOEXEC);
	known = own >= 0 && elf_read(own, &ours);
	if (own >= 0)
		close(own);

	if (known && (program->class != ours.class || program->machine != ours.machine)) {
		snprintf(what, sizeof(what), "is for another architecture than %s", library);
		say(outlook, false, path, what, "it runs without that");
	} else if (program->is_loader) {
		/* Run as a program, it takes libraries to preload as ever. */
	} else if (!program->interp[0]) {
		inspect_static(path, fd, program, outlook);
	} else if (access(program->interp, F_OK) && errno == ENOENT) {
		snprintf(outlook->missing, sizeof(outlook->missing), "%s", program->interp);
	} else if (known && ours.libc != LIBC_UNKNOWN && program->libc != LIBC_UNKNOWN &&
		   program->libc != ours.libc) {
		snprintf(what, sizeof(what), "is for %s, and %s for %s",
			 libc_name(program->libc), library, libc_name(ours.libc));
		say(outlook, false, path, what, "it runs without that");
	} else if (rights) {
		say(outlook, true, path, rights, "LD_PRELOAD is ignored, it gains nothing");
	} else if (program->go) {
		say(outlook, true, path, "is written in Go, which makes system calls by itself",
		    "it gains nothing");
	}
	outlook->asan |= program->asan;
}

static bool is_env(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, "env");
}

/*
 * What env(1) runs, with these arguments: the first word that is neither an option
 * nor a variable.
 */
static bool find_in_env(char *args, char *path, size_t size)
{
	char *rest, *word;

	for (word = strtok_r(args, BLANK, &rest); word; word = strtok_r(NULL, BLANK, &rest))
		if (*word != '-' && !strchr(word, '='))
			return program_find(word, path, size);
	return false;
}

static bool read_first_line(int fd, char *line, size_t size)
{
	ssize_t len = pread(fd, line, size - 1, 0);

	if (len < 2 || memcmp(line, "#!", 2))
		return false;
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}

/* Return: is it a script? Then @line is its first line. */
static bool inspect(const char *path, const char *library, struct outlook *outlook,
		    char line[MAX_FIRST_LINE])
{
	struct elf_facts facts;
	bool is_script = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (elf_read(fd, &facts))
		inspect_elf(path, fd, &facts, library, outlook);
	else
		is_script = read_first_line(fd, line, MAX_FIRST_LINE);
	close(fd);
	return is_script;
}

/*
 * From a script's first line to the program that it is for. Return: is there one, that
 * is to be looked at?
 */
static bool follow(char *line, char *path, size_t size, const char *library,
		   struct outlook *outlook)
{
	char unused[MAX_FIRST_LINE], *rest;
	char *interpreter = strtok_r(line + strlen("#!"), BLANK, &rest);

	if (!interpreter || snprintf(path, size, "%s", interpreter) >= (int)size)
		return false;
	if (access(path, F_OK) && errno == ENOENT) {
		snprintf(outlook->missing, sizeof(outlook->missing), "%s", path);
		return false;
	}
	if (!is_env(path))
		return true;
	/* It has to start too, but need not gain anything. */
	inspect(path, library, outlook, unused);
	if (!outlook->preload)
		return false;
	outlook->why[0] = '\0';
	return rest && find_in_env(rest, path, size);
}

void program_look(const char *path, const char *library, struct outlook *outlook)
{
	char current[4096], line[MAX_FIRST_LINE];
	unsigned int scripts = 0;

	*outlook = (struct outlook){ .preload = true };
	if (snprintf(current, sizeof(current), "%s", path) >= (int)sizeof(current))
		return;
	while (inspect(current, library, outlook, line) && scripts++ < MAX_SCRIPTS &&
	       follow(line, current, sizeof(current), library, outlook))
		;
}
