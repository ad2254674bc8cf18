// SPDX-License-Identifier: MIT
/*
 * Makes the calls of one contender on request, and reports how long they took: see worker.h.
 *
 * usage: worker CONTENDER [ARGUMENT]
 *
 * This file and libraries.c use few libc functions: one build runs on glibc 2.36 and 2.41,
 * and another on musl.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker.h"

#define BUFFER_SIZE	(MAX_REQUEST + PAGE_BYTES)

/* Linker symbols: start and end of the sections that CONTENDER() and QUESTION() fill. */
extern const struct contender *const __start_contenders[], *const __stop_contenders[];
extern const struct question *const __start_questions[] __attribute__((weak));
extern const struct question *const __stop_questions[] __attribute__((weak));

/* One thread's part of a slice. */
struct thread {
	pthread_t	id;
	int		cpu;
	unsigned char	*buffer;
	unsigned long	failed;
	double		start;
	double		end;
};

static struct {
	size_t		bytes;
	unsigned long	calls;
	unsigned int	threads;
	unsigned int	waiting;
} slice;

struct hello hello;
union function fn;

static const struct contender *contender;
static struct thread *threads;
static unsigned int nr;

void absent(const char *why)
{
	if (!*hello.absent)
		snprintf(hello.absent, sizeof(hello.absent), "%s", why);
}

void *symbol(const char *library, const char *name)
{
	void *handle = library ? dlopen(library, RTLD_NOW) : RTLD_DEFAULT;
	void *found = handle || !library ? dlsym(handle, name) : NULL;

	if (!found)
		absent(dlerror());
	return found;
}

unsigned int nr_threads(void)
{
	return nr;
}

/* Runs before bench.c pins this process to one processor. */
static void open_threads(void)
{
	unsigned char *buffers;
	unsigned int i;
	cpu_set_t cpus;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_getaffinity");
	nr = CPU_COUNT(&cpus);
	threads = calloc(nr, sizeof(*threads));
	/* A page is allocated when a thread writes to it. */
	buffers = mmap(NULL, nr * BUFFER_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!threads || buffers == MAP_FAILED)
		err(1, "no memory for the buffers of %u threads", nr);
	for (i = 0; i < nr; i++) {
		do
			cpu++;
		while (!CPU_ISSET(cpu, &cpus));
		threads[i].cpu = cpu;
		/*
		 * Not at a page's start, where states are: a processor may first take two
		 * addresses with the same page offset for the same one (4K aliasing). Few
		 * buffers of programs have that offset.
		 */
		threads[i].buffer = buffers + i * BUFFER_SIZE + PAGE_BYTES / 2;
	}
}

static void *work(void *arg)
{
	struct thread *thread = arg;
	cpu_set_t cpus;

	/* bench.c pins the process that it started, which may be only a launcher. */
	CPU_ZERO(&cpus);
	CPU_SET(thread->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "cannot run on processor %d", thread->cpu);
	/*
	 * Warm up: other workers' calls are still in the caches, and a thread's first calls
	 * set up a state.
	 */
	thread->failed = contender->run(thread->buffer, slice.bytes, slice.calls / 8 + 1);

	/* Spin: with a sleeping barrier, the last threads would start late. */
	__atomic_add_fetch(&slice.waiting, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&slice.waiting, __ATOMIC_ACQUIRE) < slice.threads)
		sched_yield();

	thread->start = now();
	thread->failed += contender->run(thread->buffer, slice.bytes, slice.calls);
	thread->end = now();
	return NULL;
}

/* Thread @number of a slice; number 0 runs on @first_cpu. */
static struct thread *thread_of(int first_cpu, unsigned int number)
{
	unsigned int i;

	for (i = 0; i < nr - 1 && threads[i].cpu != first_cpu; i++)
		;
	return &threads[(i + number) % nr];
}

static void *begin_and_work(void *arg)
{
	struct thread *thread = arg;

	if (contender->begin)
		contender->begin(thread - threads);
	return work(thread);
}

static void answer_time(int cpu)
{
	double start = 0, end = 0, least = 0, ns;
	unsigned long failed = 0;
	struct thread *thread;
	unsigned int i;
	int error;

	if (slice.bytes > MAX_REQUEST || !slice.threads || slice.threads > nr)
		errx(1, "%zu bytes, %u threads: too large", slice.bytes,
		     slice.threads);
	slice.waiting = 0;
	for (i = 0; i < slice.threads; i++) {
		thread = thread_of(cpu, i);
		/* In the main thread, so that the process never had another one. */
		if (slice.threads == 1) {
			work(thread);
			continue;
		}
		error = pthread_create(&thread->id, NULL, begin_and_work, thread);
		if (error)
			errx(1, "cannot create thread %u: %s", i, strerror(error));
	}
	for (i = 0; i < slice.threads; i++) {
		thread = thread_of(cpu, i);
		if (slice.threads > 1)
			pthread_join(thread->id, NULL);
		/* Without libm, so that any libc works. */
		ns = thread->end - thread->start;
		if (!i || thread->start < start)
			start = thread->start;
		if (thread->end > end)
			end = thread->end;
		if (!i || ns < least)
			least = ns;
		failed += thread->failed;
	}
	printf("%.1f %.1f %lu\n", end - start, least, failed);
}

static void answer_question(const char *name, size_t bytes)
{
	const struct question *const *question = __start_questions;

	/* cppcheck-suppress comparePointers ; of one section */
	for (; question < __stop_questions; question++) {
		if (!strcmp((*question)->name, name)) {
			printf("%.3f\n", (*question)->ask(contender, threads[0].buffer, bytes));
			return;
		}
	}
	errx(2, "unknown question '%s'", name);
}

static bool is_zero(const unsigned char *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

/* Check that calls return bytes, and none repeat. Other tests check their quality. */
static void check_bytes(unsigned char *out)
{
	enum { BYTES = 4096, CHUNK = 16 };
	size_t i, j;

	if (contender->run(out, BYTES, 1))
		errx(1, "%s: a call for %d bytes returns less", contender->name, BYTES);
	for (i = 0; i < BYTES; i += CHUNK) {
		if (is_zero(out + i, CHUNK))
			errx(1, "%s: a call leaves %d bytes zero", contender->name, CHUNK);
		for (j = 0; j < i; j += CHUNK)
			if (!memcmp(out + i, out + j, CHUNK))
				errx(1, "%s: the same %d bytes repeat", contender->name, CHUNK);
	}
	/* Requests for one byte take another path through a generator. */
	memset(out, 0, 2 * CHUNK);
	for (i = 0; i < 2 * CHUNK; i++)
		if (contender->run(out + i, 1, 1))
			errx(1, "%s: a call for one byte returns none", contender->name);
	if (is_zero(out, CHUNK) || is_zero(out + CHUNK, CHUNK) ||
	    !memcmp(out, out + CHUNK, CHUNK))
		errx(1, "%s: calls for one byte return zeros, or repeat", contender->name);
}

/* Writes hello as JSON. Replaces quotes, which the loader's messages contain. */
static void say_hello(void)
{
	char *p;

	for (p = hello.absent; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
			*p = '\'';
	printf("{\"impl\": \"%s\", \"core\": \"%s\", \"libc\": \"%s\", ", hello.impl, hello.core,
	       hello.libc);
	if (*hello.absent)
		printf("\"absent\": \"%s\", ", hello.absent);
	printf("\"large_from\": %zu, \"state_size\": %zu}\n", hello.large_from, hello.state_size);
}

static void find_libc(void)
{
	const char *(*version)(void) = dlsym(RTLD_DEFAULT, "gnu_get_libc_version");

	snprintf(hello.libc, sizeof(hello.libc), version ? "glibc-%s" : "musl",
		 version ? version() : "");
}

static const struct contender *find_contender(const char *name)
{
	const struct contender *const *entry = __start_contenders;

	/* cppcheck-suppress comparePointers ; of one section */
	for (; entry < __stop_contenders; entry++)
		if (!strcmp((*entry)->name, name))
			return *entry;
	errx(2, "unknown contender '%s'", name);
}

int main(int argc, char **argv)
{
	char line[128], name[64];
	size_t bytes;
	int cpu;

	if (argc < 2 || argc > 3)
		errx(2, "usage: worker CONTENDER [ARGUMENT]; bench/run starts it");
	setlinebuf(stdout);
	contender = find_contender(argv[1]);
	find_libc();
	open_threads();
	/* Allocate the buffer's pages now. */
	memset(threads[0].buffer, 1, MAX_REQUEST);
	contender->open(argc > 2 ? argv[2] : "");
	if (!*hello.absent && contender->begin)
		contender->begin(0);
	if (!*hello.absent && contender->is_random)
		check_bytes(threads[0].buffer);
	say_hello();

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "time %zu %lu %u %d", &slice.bytes, &slice.calls, &slice.threads,
			   &cpu) == 4)
			answer_time(cpu);
		else if (sscanf(line, "ask %63s %zu", name, &bytes) == 2 && bytes <= MAX_REQUEST)
			answer_question(name, bytes);
		else
			errx(2, "invalid request: %s", line);
	}
	return 0;
}
