/* SPDX-License-Identifier: MIT */
/*
 * The harness of libvgetrandom's tests.
 *
 * A program is a list of tests; a test's name is the promise that it checks. Without an
 * argument the program runs all of them and prints TAP. It executes itself again for each
 * test, because startup, the first call and fork() are what the tests are about. So
 * kselftest's harness, which only forks, does not do.
 *
 *	PROGRAM		all its tests
 *	PROGRAM TEST	this test, in this process: status 0 if it passed, 4 if it does not
 *			apply here, else it failed
 *
 * Environment:
 *	TEST_LAUNCH	a command that starts each test, such as "with_vdso --none"
 *	TEST_WAY	"module": each test fails unless the library uses the module's page. A
 *			getrandom(2) that does not draw a key kills the test, or, for a
 *			TEST_ENTERS, a child that makes small requests.
 *			"reseeds": the same without the filter, because a request during which
 *			the kernel reseeds twice is a system call
 *	TEST_SCALE	divides the rounds of long tests
 *	TEST_LABEL	printed before each test's name
 */
#ifndef _TEST_H
#define _TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>
#include <vgetrandom.h>

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define PAGE_BYTES	4096UL

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif
#ifndef GRND_NONBLOCK
#define GRND_NONBLOCK	0x0001
#endif
#ifndef GRND_RANDOM
#define GRND_RANDOM	0x0002
#endif
#ifndef GRND_INSECURE
#define GRND_INSECURE	0x0004
#endif

struct test {
	const char	*name;
	void		(*fn)(void);
	enum { A_TEST, A_TEST_THAT_ENTERS, A_PART } kind;
	struct test	*next;
};

void test_register(struct test *test);

#define __TEST(test_name, kind)							\
	static void test_name(void);						\
	static struct test test_##test_name = { #test_name, test_name, kind, NULL };	\
	__attribute__((constructor)) static void register_##test_name(void)	\
	{									\
		test_register(&test_##test_name);				\
	}									\
	static void test_name(void)

/* A test. */
#define TEST(test_name)	__TEST(test_name, A_TEST)

/* A test with requests that are system calls whatever the library uses: see TEST_WAY. */
#define TEST_ENTERS(test_name)	__TEST(test_name, A_TEST_THAT_ENTERS)

/* Not a test, but code for a process that a test starts with test_start(). */
#define PART(test_name)	__TEST(test_name, A_PART)

/*
 * Unless @condition holds, report it and end the process. Any thread and any signal handler
 * may call it. The space is there because gcc warns of empty formats.
 */
#define check(condition, ...) do {					\
	if (!(condition))						\
		test_fail(__FILE__, __LINE__, #condition, " " __VA_ARGS__);	\
} while (0)

noreturn void test_fail(const char *file, int line, const char *condition,
			const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* End the process, because the test does not apply here; the format says why. */
noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The number of rounds that a long test runs: @rounds / TEST_SCALE, but at least 2. */
unsigned long test_rounds(unsigned long rounds);

/* The time, as of test_now(), at which a test of @seconds / TEST_SCALE ends. */
double test_seconds(double seconds);

/*
 * Execute the PART (or TEST) @name of this program in a new process, with the same vDSO.
 * The process calls @before, if given, before it executes the program.
 */
pid_t test_start(const char *name, void (*before)(void));

/* Wait for process @pid; return its status as of waitpid(). */
int test_wait(pid_t pid);

/* Wait for process @pid. Fail the test if it failed, skip the test if it was skipped. */
void test_passes(pid_t pid);

/* Run @fn in a child of fork(). Fail the test if a check in it fails. */
void test_in_child(void (*fn)(void));

/*
 * Run @fn in a child of fork(). Fail the test unless the child dies of SIGABRT and writes one
 * line to standard error that contains @message.
 */
void test_aborts(void (*fn)(void), const char *message);

/* Create or join a thread; fail the test if that fails. */
#include <pthread.h>
pthread_t test_thread(void *(*fn)(void *arg), void *arg);
void test_join(pthread_t thread);

/* The same for @count threads; test_run_threads() creates and joins them. */
void test_threads(pthread_t *thread, size_t count, void *(*fn)(void *arg), void *arg);
void test_join_all(const pthread_t *thread, size_t count);
void test_run_threads(size_t count, void *(*fn)(void *arg), void *arg);

/* fork() by the system call clone(2), which runs no handlers of pthread_atfork(). */
pid_t test_clone(void);

/* Have SIGALRM call @handler each @usec microseconds; 0 stops the timer. */
void test_periodic_alarm(int usec, void (*handler)(int sig));

/* CLOCK_MONOTONIC, in seconds. */
double test_now(void);

/*
 * Whether a timed test continues: until the time @until, and then until @events is more than
 * @enough, because a process may hardly run on a busy machine. A minute after @until the
 * result is false in any case, so the caller must check @events.
 */
bool test_continues(double until, long events, long enough);

/*
 * test_unseen() fails the test if 8 bytes of an output, at a multiple of 8, were seen before,
 * in this process or any relative. Of long outputs it compares the beginning, the middle and
 * the end. Async-signal-safe. It does nothing before test_unseen_init().
 */
void test_unseen_init(void);
void test_unseen(const void *out, size_t len);

/*
 * Draw: request @len bytes, at most TEST_MAX, and pass them to test_unseen(). Fails if a
 * request of up to 256 bytes is short.
 */
#define TEST_MAX	(64 << 10)
void test_draw(size_t len);

/* Make a small and a large request. */
void test_draw_both(void);

/* The result of vgetrandom_info(). */
struct vgetrandom_info test_info(void);

/* Fail the test unless the library has memory for @states states. */
void test_states_are(size_t states);

/* A mapping, as /proc/self/smaps describes it. test_mapping() finds the one with @address. */
struct test_mapping {
	uintptr_t	start, end;
	bool		readable, writable, shared;
	char		flags[128];	/* VmFlags, with a space before and after each */
	long		rss_kb, locked_kb;
};

bool test_mapping(const void *address, struct test_mapping *mapping);

/* Call @fn for each mapping. Maps no memory itself. */
void test_mappings(void (*fn)(const struct test_mapping *mapping, void *arg), void *arg);

/* The number of mappings of the module's page. Fails if a descriptor for it is open. */
unsigned int test_page_mappings(void);

/* Whether mmap() supports MAP_DROPPABLE. */
bool test_has_droppable(void);

unsigned int test_count_mappings(void);
long test_rss_kb(void);

/* The page that a test shares with a fake vDSO, zeroed: see fake_vdso.h. */
struct fake_vdso *test_fake(void);

/* Fail the test if the library called the fake function with a state that it must not use. */
void test_no_misuse(const struct fake_vdso *fake);

/*
 * For a signal handler that interrupts a request of @len bytes (8 or more) to @out, which was
 * zeroed: whether all bytes are there already. Then a child of fork() rightly has the same
 * bytes as its parent. Always true for requests that are system calls.
 */
bool test_request_is_complete(const volatile uint8_t *out, size_t len);

/*
 * Install a seccomp filter for all threads: @action for the system calls in @listed, which -1
 * ends, and @otherwise for all others; both as of seccomp(2). Skips the test if the kernel has
 * no filters.
 */
void test_filter(const int *listed, uint32_t action, uint32_t otherwise);

/*
 * Install a seccomp filter for getrandom(2): it kills the process, unless the call draws a key
 * or is the one of glibc's malloc().
 */
void test_allow_only_keys(void);

/* Apply TEST_WAY. Missing in programs that are not linked with the library. */
void test_require_module(const struct test *test, bool enters) __attribute__((weak));

#endif /* _TEST_H */
