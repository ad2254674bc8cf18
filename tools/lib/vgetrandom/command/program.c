// SPDX-License-Identifier: MIT
/*
 * The loader ignores a library that it cannot preload, or ends the program with an error. So
 * the command examines the program first. Whether it runs is left to the kernel and the loader.
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

/* The kernel's limits: nested scripts, and the length of a first line. */
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
		/* An empty entry is the current directory. */
		if (snprintf(path, size, "%.*s%s%s", (int)(end - directory), directory,
			     end > directory ? "/" : "./", name) < (int)size && can_run(path))
			return true;
		if (!*end)
			return false;
	}
}

/*
 * Returns why the loader ignores the environment: the program gets rights that its caller lacks.
 * NULL if it does not, as with nosuid file systems and processes with no_new_privs.
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
	/* Without group execute permission, the bit does not mean set-group-ID. */
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		return "is set-group-ID";
	if (getuid() && getxattr(path, "security.capability", NULL, 0) > 0)
		return "has file capabilities";
	return NULL;
}

static void set_why(struct outlook *outlook, bool preload, const char *path, const char *problem,
		    const char *effect)
{
	outlook->preload = preload;
	snprintf(outlook->why, sizeof(outlook->why), "%s: %s; %s", path, problem, effect);
}

static void set_go(struct outlook *outlook, const char *path)
{
	set_why(outlook, true, path, "is written in Go, which makes system calls without libc",
		"it gains nothing");
}

static void inspect_static(const char *path, int fd, const struct elf_facts *program,
			   struct outlook *outlook)
{
	/* A string that the library contains. */
	outlook->gains = file_has(fd, "VGETRANDOM_LARGE");
	if (outlook->gains)
		set_why(outlook, true, path, "is statically linked with the library",
			"it gains, but its calls cannot be counted");
	else if (program->go)
		set_go(outlook, path);
	else
		set_why(outlook, true, path, "is statically linked",
			"it gains nothing, but programs that it starts may");
}

static void inspect_elf(const char *path, int fd, const struct elf_facts *program,
			const char *library, struct outlook *outlook)
{
	const char *rights = extra_rights(path, fd);
	struct elf_facts facts;
	char problem[4096 + 64];
	bool known;
	int library_fd;

	library_fd = open(library, O_RDONLY | O_CLOEXEC);
	known = library_fd >= 0 && elf_read(library_fd, &facts);
	if (library_fd >= 0)
		close(library_fd);

	if (known && (program->class != facts.class || program->machine != facts.machine)) {
		snprintf(problem, sizeof(problem), "is for another architecture than %s", library);
		set_why(outlook, false, path, problem, "it runs without the library");
	} else if (program->is_loader) {
		/* A loader run as a program preloads libraries as usual. */
	} else if (!program->interp[0]) {
		inspect_static(path, fd, program, outlook);
	} else if (access(program->interp, F_OK) && errno == ENOENT) {
		snprintf(outlook->missing, sizeof(outlook->missing), "%s", program->interp);
	} else if (known && facts.libc != LIBC_UNKNOWN && program->libc != LIBC_UNKNOWN &&
		   program->libc != facts.libc) {
		snprintf(problem, sizeof(problem), "is for %s, but %s is for %s",
			 libc_name(program->libc), library, libc_name(facts.libc));
		set_why(outlook, false, path, problem, "it runs without the library");
	} else if (rights) {
		set_why(outlook, true, path, rights, "LD_PRELOAD is ignored, so it gains nothing");
	} else if (program->go) {
		set_go(outlook, path);
	}
	outlook->asan |= program->asan;
}

static bool is_env(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, "env");
}

/* Finds the program that env(1) runs: the first word that is neither option nor variable. */
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

/* Return: true if it is a script; then @line is its first line. */
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
 * Finds the program that a script's first line names.
 * Return: true if the program is to be examined.
 */
static bool find_interpreter(char *line, char *path, size_t size, const char *library,
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
	/* env itself must be able to start, but need not gain. */
	inspect(path, library, outlook, unused);
	if (!outlook->preload)
		return false;
	outlook->why[0] = '\0';
	return rest && find_in_env(rest, path, size);
}

void program_predict(const char *path, const char *library, struct outlook *outlook)
{
	char current[4096], line[MAX_FIRST_LINE];
	unsigned int scripts = 0;

	*outlook = (struct outlook){ .preload = true };
	if (snprintf(current, sizeof(current), "%s", path) >= (int)sizeof(current))
		return;
	while (inspect(current, library, outlook, line) && scripts++ < MAX_SCRIPTS &&
	       find_interpreter(line, current, sizeof(current), library, outlook))
		;
}
