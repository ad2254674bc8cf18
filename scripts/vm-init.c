// SPDX-License-Identifier: MIT
/*
 * Process 1 of the guests of scripts/vm: mounts the usual file systems, runs
 * one command on the second serial port, and reports its status.
 *
 * The command's arguments are in /vm/argv, each with a terminating NUL byte. The status
 * is written to QEMU's debug port, one character at a time. Nothing else writes
 * there, so it cannot be interrupted or faked like a line of the console.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define DEBUG_PORT	0xe9
#define NOT_RUN		125	/* the status of scripts/vm if the guest failed */
#define MAX_ARGS	1024

static const struct {
	const char *type, *where, *options;
} mounts[] = {
	{ "devtmpfs",	"/dev",				NULL },
	{ "devpts",	"/dev/pts",			"ptmxmode=0666" },
	{ "tmpfs",	"/dev/shm",			"mode=1777" },
	{ "proc",	"/proc",			NULL },
	{ "sysfs",	"/sys",				NULL },
	{ "tmpfs",	"/tmp",				"mode=1777" },
	{ "tmpfs",	"/run",				"mode=0755" },
	{ "cgroup2",	"/sys/fs/cgroup",		NULL },
	{ "debugfs",	"/sys/kernel/debug",		NULL },
	{ "tracefs",	"/sys/kernel/tracing",		NULL },
};

/* A distribution's kernel may lack /dev/port, and the guest kernel ioperm(): use either. */
static void report(const char *format, ...)
{
	char line[256];
	va_list args;
	int port;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (!ioperm(DEBUG_PORT, 1, 1)) {
		for (const char *c = line; *c; c++)
			outb(*c, DEBUG_PORT);
		/* The command must not inherit it. */
		ioperm(DEBUG_PORT, 1, 0);
		return;
	}
	port = open("/dev/port", O_WRONLY | O_CLOEXEC);
	for (const char *c = line; *c; c++)
		if (pwrite(port, c, 1, DEBUG_PORT) != 1)
			perror("vm-init: neither ioperm() nor /dev/port");
	close(port);
}

/* Reports a failure of the guest before the command starts. */
static void fail(const char *what, const char *which)
{
	report("error %s %s: %s\n", what, which, strerror(errno));
	reboot(RB_POWER_OFF);
	_exit(1);
}

/* Keeps files of scripts/vm --add visible where a file system is mounted over them. */
static void bind_added(const char *aside, const char *where)
{
	DIR *dir = opendir(aside);
	char from[PATH_MAX], to[PATH_MAX];
	struct stat st;

	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(from, sizeof(from), "%s/%s", aside, entry->d_name);
		snprintf(to, sizeof(to), "%s/%s", where, entry->d_name);
		if (!stat(from, &st) && S_ISDIR(st.st_mode))
			mkdir(to, 0755);
		else
			close(open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		if (mount(from, to, NULL, MS_BIND, NULL) < 0)
			fail("bind", to);
	}
	closedir(dir);
}

static void mount_all(void)
{
	/* The repository, and so the added files, may be under /tmp. */
	rename("/tmp", "/vm/tmp");
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].where, 0755);
		/* A kernel may lack the file system; a program that needs it will fail. */
		if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0,
			  mounts[i].options) < 0 && errno != ENODEV)
			fail("mount", mounts[i].where);
	}
	bind_added("/vm/tmp", "/tmp");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

static char **read_argv(void)
{
	static char text[128 << 10], *argv[MAX_ARGS + 1];
	int fd = open("/vm/argv", O_RDONLY | O_CLOEXEC), argc = 0;
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (len < 0)
		fail("read", "/vm/argv");
	close(fd);
	errno = E2BIG;
	if (len == sizeof(text))
		fail("read", "/vm/argv");
	for (char *arg = text; arg < text + len; arg += strlen(arg) + 1) {
		if (argc == MAX_ARGS)
			fail("read", "/vm/argv");
		argv[argc++] = arg;
	}
	return argv;
}

/* Opens the command's terminal: raw, to keep each byte of output, unless it is interactive. */
static int open_line(const char *name, bool interactive)
{
	int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct winsize size = { 0 };
	struct termios mode;
	FILE *file;

	if (fd < 0 || tcgetattr(fd, &mode) < 0)
		fail("open", name);
	if (!interactive)
		cfmakeraw(&mode);
	mode.c_cflag |= CLOCAL;
	cfsetspeed(&mode, B115200);
	if (tcsetattr(fd, TCSANOW, &mode) < 0)
		fail("set up", name);
	file = interactive ? fopen("/vm/winsize", "re") : NULL;
	if (file && fscanf(file, "%hu %hu", &size.ws_row, &size.ws_col) == 2)
		ioctl(fd, TIOCSWINSZ, &size);
	if (file)
		fclose(file);
	return fd;
}

static void run(char **argv, int line, bool interactive)
{
	int in = interactive ? line : open("/dev/null", O_RDONLY);

	setsid();
	if (interactive)
		ioctl(line, TIOCSCTTY, 0);
	if (dup2(in, 0) < 0 || dup2(line, 1) < 0 || dup2(line, 2) < 0)
		_exit(NOT_RUN);
	if (in > 2)
		close(in);
	if (chdir("/root") < 0) {
		perror("vm-init: /root");
		_exit(NOT_RUN);
	}
	execvp(argv[0], argv);
	dprintf(2, "vm-init: cannot run %s: %s%s\n", argv[0], strerror(errno),
		errno == ENOENT ? " (it, or its #! interpreter, is not in the guest)" : "");
	_exit(errno == ENOENT ? 127 : 126);
}

int main(void)
{
	bool interactive;
	char **argv;
	pid_t child;
	int line;

	mount_all();
	interactive = access("/vm/interactive", F_OK) == 0;
	argv = read_argv();
	/* The kernel passes unknown parameters to init; scripts/vm sets this one. */
	if (!getenv("vm_line"))
		fail("find", "vm_line=");
	line = open_line(getenv("vm_line"), interactive);
	unsetenv("vm_line");
	setenv("PATH", "/root:/bin:/sbin:/usr/bin:/usr/sbin", 1);
	setenv("HOME", "/root", 1);
	setenv("TERM", "linux", 1);
	report("started\n");

	child = fork();
	if (child < 0)
		fail("fork for", argv[0]);
	if (!child)
		run(argv, line, interactive);
	for (;;) {
		int status;
		pid_t pid = wait(&status);

		/* Other children are orphans of the command. */
		if (pid != child)
			continue;
		tcdrain(line);
		if (WIFSIGNALED(status))
			report("signal %d\n", WTERMSIG(status));
		else
			report("exit %d\n", WEXITSTATUS(status));
		break;
	}
	reboot(RB_POWER_OFF);
	fail("power", "off");
	return 1;
}
