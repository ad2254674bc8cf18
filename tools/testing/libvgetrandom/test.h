/* SPDX-License-Identifier: MIT */
/*
 * What the tests of libvgetrandom have in common.
 *
 * A program is a list of tests, each named as the promise that it holds the library to.
 * Without an argument it runs them all, and prints TAP. Each runs in a process of its
 * own, and not in a child that was merely forked: what a library does at its start,
 * in its first call, and in a child of fork() is just what is to be tested. So
 * kselftest's harness, which forks, does not do.
 *
 *	PROGRAM		all its tests
 *	PROGRAM TEST	this one, in this process: status 0 if it passed, 4 if it does not
 *			apply here, else it failed
 *
 * TEST_LAUNCH is a command to start each of them with, such as "with_vdso --none".
 * With TEST_WAY=module each has to find the module's page in use; and a system call for
 * anything but a state's key ends it, unless it is a TEST_ENTERS. Then it does so for a child.
 * TEST_WAY=reseeds is the same without that: a request during which the kernel reseeds twice
 * is a system call.
 * TEST_SCALE divides the number of rounds of the long ones. TEST_LABEL comes before each
 * test's name.
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

/* One some of whose requests are system calls, whichever way is in effect: see TEST_WAY. */
#define TEST_ENTERS(test_name)	__TEST(test_name, A_TEST_THAT_ENTERS)

/* Not a test, but a process that one starts, with test_start(). */
#define PART(test_name)	__TEST(test_name, A_PART)

/*
 * End the process: something is not as promised. Any thread and any handler may. The
 * space is for the compiler, which does not like empty formats.
 */
#define check(condition, ...) do {					\
	if (!(condition))						\
		test_fail(__FILE__, __LINE__, #condition, " " __VA_ARGS__);	\
} while (0)

noreturn void test_fail(const char *file, int line, const char *condition,
			const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* End the process: the test does not apply here, for this reason. */
noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many rounds of a long test are to be run: @rounds / TEST_SCALE, but some. */
unsigned long test_rounds(unsigned long rounds);

/* When a test that takes @seconds has to end, by test_now(): TEST_SCALE divides these too. */
double test_seconds(double seconds);

/*
 * Start the part (or test) @name of this program in a new process with the same vDSO.
 * @before, if given, is called in it before the program is.
 */
pid_t test_start(const char *name, void (*before)(void));

/* Wait for process @pid; returns its status as of waitpid(). */
int test_wait(pid_t pid);

/* Fails the test if the process did not end with status 0; skips it if it skipped. */
void test_passes(pid_t pid);

/* Run @fn in a child of fork(). Its checks are ours. */
void test_in_child(void (*fn)(void));

/*
 * Run @fn in a child of fork(), that is meant to die of SIGABRT after a message on
 * standard error, of one line and with @message in it.
 */
void test_aborts(void (*fn)(void), const char *message);

/* A thread that cannot be made is a failure. */
#include <pthread.h>
pthread_t test_thread(void *(*fn)(void *arg), void *arg);
void test_join(pthread_t thread);

/* The same of @count threads; and both, one after the other. */
void test_threads(pthread_t *thread, size_t count, void *(*fn)(void *arg), void *arg);
void test_join_all(const pthread_t *thread, size_t count);
void test_run_threads(size_t count, void *(*fn)(void *arg), void *arg);

/* As fork(), of which libc does not hear. */
pid_t test_clone(void);

/* SIGALRM for @handler, each @usec microseconds; 0 is the end of it. */
void test_periodic_alarm(int usec, void (*handler)(int sig));

/* A clock, in seconds. */
double test_now(void);

/*
 * Is it before @until, or did what this is about happen no more than @few times yet? On a
 * busy machine a process may hardly run in the time that it was given. Gives up after a
 * minute more: the caller checks @times.
 */
bool test_continues(double until, long times, long few);

/*
 * What has been handed out so far, here and in all children: test_unseen() fails if it
 * sees 8 bytes of an output at a multiple of 8 for the second time. Of long outputs it
 * looks at the beginning, the middle and the end. Async-signal-safe. Nothing is
 * remembered before test_unseen_init().
 */
void test_unseen_init(void);
void test_unseen(const void *out, size_t len);

/* Ask for @len bytes, all of which must come and be new: at most TEST_MAX. */
#define TEST_MAX	(64 << 10)
void test_draw(size_t len);

/* Ask for little, and for much. */
void test_draw_both(void);

/* What is in effect. */
struct vgetrandom_info test_info(void);

/* There is memory for @states states. */
void test_states_are(size_t states);

/* Lines of /proc/self/smaps: of the mapping with @address. */
struct test_mapping {
	uintptr_t	start, end;
	bool		readable, writable, shared;
	char		flags[128];	/* VmFlags, with a space before and after each */
	long		rss_kb, locked_kb;
};

bool test_mapping(const void *address, struct test_mapping *mapping);

/* Call @fn for each mapping. Uses no memory that the mappings would then show. */
void test_mappings(void (*fn)(const struct test_mapping *mapping, void *arg), void *arg);

/* How many mappings of the module's page there are. Fails if it has a descriptor. */
unsigned int test_page_mappings(void);

/* Does mmap() know MAP_DROPPABLE? */
bool test_has_droppable(void);

unsigned int test_count_mappings(void);
long test_rss_kb(void);

/* Fake vDSOs: how the test and the image talk, in fake_vdso.h. It has forgotten all before. */
struct fake_vdso *test_fake(void);

/* Fails if the library has given the fake function a state as it must not. */
void test_no_misuse(const struct fake_vdso *fake);

/*
 * In a signal handler: has the request that it interrupts, of @len bytes (8 or more) to @out,
 * which was zeros, all its bytes already? Then a child has its parent's; and with a system
 * call always.
 */
bool test_request_is_complete(const volatile uint8_t *out, size_t len);

/*
 * Install a seccomp filter, for all threads: the @listed system calls, ended by -1, get
 * @action, all others @otherwise; both as of seccomp(2). Skips the test on a kernel that
 * has no filters.
 */
void test_filter(const int *listed, uint32_t action, uint32_t otherwise);

/* The same for what is not a key, nor for glibc's malloc(): getrandom(2) ends the process. */
void test_allow_only_keys(void);

/* TEST_WAY=module. Not there in a program that is not linked with the library. */
void test_require_module(const struct test *test, bool enters) __attribute__((weak));

#endif /* _TEST_H */
