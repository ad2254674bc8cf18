// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define FAILED		1
#define SKIPPED		4
#define TIME_LIMIT	120	/* seconds, for a test */
#define EXTRA_TIME	60	/* seconds; of test_continues() */
#define STACK_BYTES	(64 << 10)
#define MAX_WORDS	32	/* of TEST_LAUNCH */

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS	0x80000000U
#endif

static struct test *tests;
static char self[4096];

void test_register(struct test *test)
{
	struct test **last = &tests;

	while (*last)
		last = &(*last)->next;
	*last = test;
}

/* Uses little of libc: a signal handler, or a process with a filter, may call it. */
static void say(const char *format, va_list args)
{
	char text[1024];
	int len = vsnprintf(text, sizeof(text) - 1, format, args);

	if (len > (int)sizeof(text) - 2)
		len = sizeof(text) - 2;
	text[len++] = '\n';
	if (write(STDOUT_FILENO, text, len) != len)
		_exit(FAILED);
}

static void sayf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

void test_fail(const char *file, int line, const char *condition, const char *format, ...)
{
	int saved = errno;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sayf("# %s:%d: check failed: %s%s%s (errno %d)", file, line, condition,
	     text[1] ? ":" : "", text[1] ? text : "", saved);
	_exit(FAILED);
}

void test_skip(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sayf("# skipped: %s", text);
	_exit(SKIPPED);
}

unsigned long test_rounds(unsigned long rounds)
{
	const char *scale = getenv("TEST_SCALE");
	unsigned long by = scale ? strtoul(scale, NULL, 10) : 1;

	rounds /= by ? by : 1;
	return rounds < 2 ? 2 : rounds;
}

double test_seconds(double seconds)
{
	const char *scale = getenv("TEST_SCALE");
	double by = scale ? strtod(scale, NULL) : 1;

	return test_now() + (by > 1 ? seconds / by : seconds);
}

/*
 * Processes.
 */

pid_t test_start(const char *name, void (*before)(void))
{
	char *launch = getenv("TEST_LAUNCH"), *argv[MAX_WORDS + 3], *copy;
	int n = 0;
	pid_t pid;

	pid = fork();
	if (pid) {
		check(pid > 0, "fork");
		return pid;
	}
	/* A new process group, so that wait_for() can kill what a test leaves behind. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	copy = launch ? strdup(launch) : NULL;
	for (char *word = copy ? strtok(copy, " ") : NULL; word && n < MAX_WORDS;
	     word = strtok(NULL, " "))
		argv[n++] = word;
	argv[n++] = self;
	argv[n++] = (char *)name;
	argv[n] = NULL;
	if (before)
		before();
	execvp(argv[0], argv);
	test_fail(__FILE__, __LINE__, "execvp", " %s", argv[0]);
}

int test_wait(pid_t pid)
{
	pid_t ended;
	int status;

	do {
		ended = waitpid(pid, &status, 0);
	} while (ended < 0 && errno == EINTR);
	check(ended == pid, "waitpid");
	return status;
}

void test_passes(pid_t pid)
{
	int status = test_wait(pid);

	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		_exit(SKIPPED);
	check(!status, "the process ended with status %#x", status);
}

void test_in_child(void (*fn)(void))
{
	pid_t pid = fork();

	if (!pid) {
		fn();
		_exit(0);
	}
	check(pid > 0, "fork");
	test_passes(pid);
}

void test_aborts(void (*fn)(void), const char *message)
{
	char text[4096] = "";
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	check(!pipe(fds));
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	check(pid > 0, "fork");
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fds[0]);
	status = test_wait(pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x", status);
	check(strstr(text, message), "'%s' does not contain '%s'", text, message);
	check(len && strchr(text, '\n') == text + len - 1, "'%s' is not one line", text);
}

/*
 * Threads.
 */

pthread_t test_thread(void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	err = pthread_create(&thread, &attr, fn, arg);
	check(!err, "pthread_create: %s", strerror(err));
	pthread_attr_destroy(&attr);
	return thread;
}

void test_join(pthread_t thread)
{
	int err = pthread_join(thread, NULL);

	check(!err, "pthread_join: %s", strerror(err));
}

void test_threads(pthread_t *thread, size_t count, void *(*fn)(void *arg), void *arg)
{
	for (size_t i = 0; i < count; i++)
		thread[i] = test_thread(fn, arg);
}

void test_join_all(const pthread_t *thread, size_t count)
{
	for (size_t i = 0; i < count; i++)
		test_join(thread[i]);
}

void test_run_threads(size_t count, void *(*fn)(void *arg), void *arg)
{
	pthread_t thread[count];

	test_threads(thread, count, fn, arg);
	test_join_all(thread, count);
}

pid_t test_clone(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

void test_periodic_alarm(int usec, void (*handler)(int sig))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct itimerval timer = { { 0, usec }, { 0, usec } };

	if (usec)
		check(!sigaction(SIGALRM, &sa, NULL));
	check(!setitimer(ITIMER_REAL, &timer, NULL));
}

double test_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

bool test_continues(double until, long events, long enough)
{
	double now = test_now();

	return now < until || (events <= enough && now < until + EXTRA_TIME);
}

/*
 * The 8-byte values seen so far: a hash table, without removal. Random values collide in one
 * of a million full tables.
 */
#define SEEN_SLOTS	(1UL << 22)
#define SEEN_MAX	(SEEN_SLOTS / 4 * 3)
#define SEEN_LONG	512	/* bytes; of longer outputs only samples are compared */

static struct {
	_Atomic(unsigned long)	count;
	_Atomic(uint64_t)	slot[SEEN_SLOTS];
} *seen;

void test_unseen_init(void)
{
	/* Shared with all children: fork() does not copy it. */
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(seen != MAP_FAILED);
}

static void unseen_words(const uint8_t *out, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t word, there;
		size_t slot;

		memcpy(&word, out + i, sizeof(word));
		if (!word)
			word = 1;
		if (atomic_load_explicit(&seen->count, memory_order_relaxed) > SEEN_MAX)
			return;
		for (slot = word % SEEN_SLOTS;; slot = (slot + 1) % SEEN_SLOTS) {
			there = 0;
			if (atomic_compare_exchange_strong(&seen->slot[slot], &there, word))
				break;
			check(there != word, "seen before: %016llx, %zu bytes into an output",
			      (unsigned long long)word, i);
		}
		atomic_fetch_add_explicit(&seen->count, 1, memory_order_relaxed);
	}
}

void test_unseen(const void *out, size_t len)
{
	if (!seen)
		return;
	if (len <= SEEN_LONG) {
		unseen_words(out, len);
		return;
	}
	unseen_words(out, 64);
	unseen_words(out + len / 2 / 64 * 64, 64);
	unseen_words(out + (len - 64) / 8 * 8, 64);
}

/*
 * Mappings. In smaps each has a header line, and then a line for each value.
 */
static char smaps_text[64 << 10];

void test_mappings(void (*fn)(const struct test_mapping *mapping, void *arg), void *arg)
{
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	struct test_mapping mapping = { 0 };
	size_t have = 0;
	ssize_t n;

	check(fd >= 0, "/proc/self/smaps");
	do {
		char *line = smaps_text, *end;

		n = read(fd, smaps_text + have, sizeof(smaps_text) - 1 - have);
		check(n >= 0, "reading /proc/self/smaps");
		have += n;
		smaps_text[have] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			unsigned long from, to;
			char perms[8];

			*end = 0;
			if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) == 3) {
				mapping = (struct test_mapping) {
					.start = from, .end = to,
					.readable = perms[0] == 'r',
					.writable = perms[1] == 'w',
					.shared = perms[3] == 's',
				};
			} else if (sscanf(line, "Rss: %ld kB", &mapping.rss_kb) == 1 ||
				   sscanf(line, "Locked: %ld kB", &mapping.locked_kb) == 1) {
				continue;
			} else if (!strncmp(line, "VmFlags:", 8)) {
				/* The last line of a mapping. */
				snprintf(mapping.flags, sizeof(mapping.flags), "%s ", line + 8);
				fn(&mapping, arg);
			}
		}
		have -= line - smaps_text;
		memmove(smaps_text, line, have);
	} while (n);
	close(fd);
}

struct find {
	uintptr_t		address;
	struct test_mapping	*result;
	bool			found;
};

static void find_mapping(const struct test_mapping *mapping, void *arg)
{
	struct find *find = arg;

	if (find->address < mapping->start || find->address >= mapping->end)
		return;
	*find->result = *mapping;
	find->found = true;
}

bool test_mapping(const void *address, struct test_mapping *mapping)
{
	struct find find = { (uintptr_t)address, mapping, false };

	test_mappings(find_mapping, &find);
	return find.found;
}

bool test_has_droppable(void)
{
	void *p = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, PAGE_BYTES);
	return true;
}

static void count_mapping(const struct test_mapping *mapping, void *arg)
{
	(void)mapping;
	++*(unsigned int *)arg;
}

unsigned int test_count_mappings(void)
{
	unsigned int count = 0;

	test_mappings(count_mapping, &count);
	return count;
}

/* The module's page is the only mapping of one page that is shared and read-only. */
static void count_page(const struct test_mapping *mapping, void *arg)
{
	*(unsigned int *)arg += mapping->shared && mapping->readable && !mapping->writable &&
				mapping->end - mapping->start == PAGE_BYTES;
}

unsigned int test_page_mappings(void)
{
	char path[64], target[128];
	unsigned int count = 0;

	for (int fd = 0; fd < 100; fd++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = 0;
		/* The names of with_vdso's page, and of the module's. */
		check(!strstr(target, "memfd:page") && !strstr(target, "vgetrandom/page"),
		      "%d is %s", fd, target);
	}
	test_mappings(count_page, &count);
	return count;
}

static void add_rss(const struct test_mapping *mapping, void *arg)
{
	*(long *)arg += mapping->rss_kb;
}

long test_rss_kb(void)
{
	long sum = 0;

	test_mappings(add_rss, &sum);
	return sum;
}

static void install(const struct sock_fprog *prog)
{
	check(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, prog)) {
		if (errno == EINVAL || errno == ENOSYS)
			test_skip("the kernel has no seccomp filters");
		check(false, "seccomp");
	}
}

void test_filter(const int *listed, uint32_t action, uint32_t otherwise)
{
	struct sock_filter code[64];
	struct sock_fprog prog = { 0, code };
	size_t n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (; *listed >= 0; listed++) {
		check(n + 3 < ARRAY_SIZE(code));
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, *listed,
							 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
	prog.len = n;
	install(&prog);
}

void test_allow_only_keys(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		/* Length and flags in one number. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 28),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 32, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GRND_NONBLOCK << 28 | 8, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};

	install(&(struct sock_fprog) { ARRAY_SIZE(code), code });
}

/*
 * Running the tests.
 */

static int run_one(const char *name)
{
	const char *way = getenv("TEST_WAY");
	bool enters = way && !strcmp(way, "reseeds");
	bool is_module = way && (enters || !strcmp(way, "module"));

	for (struct test *test = tests; test; test = test->next) {
		if (strcmp(test->name, name))
			continue;
		if (is_module && test->kind != A_PART)
			test_require_module(test, enters);
		test->fn();
		fflush(stdout);
		return 0;
	}
	fprintf(stderr, "%s: unknown test '%s'\n", self, name);
	return FAILED;
}

/* SIGALRM only interrupts waitpid(). */
static void do_nothing(int sig)
{
	(void)sig;
}

static int wait_for(pid_t pid)
{
	struct sigaction sa = { .sa_handler = do_nothing };
	bool late = false;
	int status;

	sigaction(SIGALRM, &sa, NULL);
	alarm(TIME_LIMIT);
	while (waitpid(pid, &status, 0) != pid) {
		late = true;
		kill(-pid, SIGKILL);
	}
	alarm(0);
	if (late)
		printf("# killed after %d s\n", TIME_LIMIT);
	/* The processes that it may have left behind. */
	kill(-pid, SIGKILL);
	return status;
}

static int run_all(void)
{
	const char *label = getenv("TEST_LABEL");
	unsigned int count = 0, bad = 0, n = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct test *test = tests; test; test = test->next)
		count += test->kind != A_PART;
	printf("1..%u\n", count);
	for (struct test *test = tests; test; test = test->next) {
		bool passed, skipped;
		double start;
		int status;

		if (test->kind == A_PART)
			continue;
		start = test_now();
		status = wait_for(test_start(test->name, NULL));
		skipped = WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED;
		passed = !status || skipped;
		if (!passed) {
			bad++;
			if (WIFSIGNALED(status))
				printf("# killed by signal %d\n", WTERMSIG(status));
		}
		printf("%s %u %s%s%s # %s%.1f s\n", passed ? "ok" : "not ok", ++n,
		       label ? label : "", label ? ": " : "", test->name,
		       skipped ? "SKIP " : "", test_now() - start);
	}
	return bad ? FAILED : 0;
}

int main(int argc, char **argv)
{
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0 || argc > 2) {
		fprintf(stderr, "usage: %s [TEST]\n", argv[0]);
		return FAILED;
	}
	return argc == 2 ? run_one(argv[1]) : run_all();
}
