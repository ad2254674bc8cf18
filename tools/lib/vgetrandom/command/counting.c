// SPDX-License-Identifier: MIT
/*
 * libvgetrandom-count.so, which `vgetrandom run --count` preloads before libvgetrandom. It counts
 * a program's requests and forwards them to the next library.
 *
 * The counters are in memory shared with the command, so they survive any end of a process. They
 * are changed only by atomic additions: threads, signal handlers and processes may share a
 * record. Processes share one after vfork(), or if no record is free.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counts.h"
#include "dropin.h"
#include "thread.h"
#include "vgetrandom.h"

/* musl has macros of these names. */
#undef open64
#undef openat64
#undef fopen64
#undef freopen64

#define EXPORT	__attribute__((visibility("default")))

#define add(counter, number)	__atomic_fetch_add((counter), (number), __ATOMIC_RELAXED)

/* The functions that are forwarded. */
#define FORWARDED(F)		\
	COUNTED_FUNCTIONS(F)	\
	F(vgetrandom_info)	\
	F(open)			\
	F(openat)		\
	F(__open_2)		\
	F(__openat_2)		\
	F(fopen)		\
	F(freopen)

enum {
#define F(name)	FORWARD_##name,
	FORWARDED(F)
#undef F
	NR_FORWARDED
};

static const char * const names[] = {
#define F(name)	#name,
	FORWARDED(F)
#undef F
};

static void *nexts[NR_FORWARDED];
static struct shared_counts *shared;
static struct counts *process_record;
static char program[sizeof(process_record->program)];

/*
 * @syscalls: the library's counter of system calls at the end of the last call
 * @in_openssl: depth of nested calls of OpenSSL
 * @served: 1 + way of the last call of vgetrandom(), or 0
 */
static __thread unsigned long syscalls THREAD_MODEL;
static __thread unsigned int in_openssl THREAD_MODEL, served THREAD_MODEL;

/* Returns the function that would be called without this library. */
static void *find_next(unsigned int i)
{
	void *next = __atomic_load_n(&nexts[i], __ATOMIC_RELAXED);
	int saved = errno;

	if (next)
		return next;
	next = dlsym(RTLD_NEXT, names[i]);
	/* Clear the error of a missing name, or the program could read it. */
	dlerror();
	__atomic_store_n(&nexts[i], next, __ATOMIC_RELAXED);
	errno = saved;
	return next;
}

#define NEXT(name)	((__typeof__(name) *)find_next(FORWARD_##name))

/*
 * If libcrypto was loaded with dlopen(), its functions are only visible from a library that
 * needs it: the caller. Look up all of them at once: some call each other by a jump, and then
 * the caller is not known.
 */
static void *find_openssl(unsigned int i, void *caller)
{
	void *next = find_next(i), *handle;
	Dl_info info;

	if (next || !dladdr(caller, &info))
		return next;
	handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (!handle)
		return NULL;
	for (unsigned int f = COUNT_FIRST_OF_OPENSSL; f < NR_FUNCTIONS; f++)
		__atomic_store_n(&nexts[f], dlsym(handle, names[f]), __ATOMIC_RELAXED);
	dlclose(handle);
	dlerror();
	return nexts[i];
}

#define CALLER		__builtin_extract_return_addr(__builtin_return_address(0))

/* Allocates a record. If none is left, shares that of another process of the same program. */
static struct counts *alloc_record(void)
{
	unsigned int i = add(&shared->used, 1);
	struct counts *counts;

	if (i >= MAX_PROCESSES)
		for (i = 0; i < MAX_PROCESSES - 1; i++)
			if (!strcmp(shared->records[i].program, program))
				break;
	counts = &shared->records[i];
	if (!add(&counts->processes, 1))
		memcpy(counts->program, program, sizeof(program));
	return counts;
}

/* Returns this process's record, allocated at its first request. If two threads race, one wins. */
static struct counts *get_record(void)
{
	struct counts *counts = __atomic_load_n(&process_record, __ATOMIC_RELAXED), *none = NULL;

	if (counts || !shared)
		return counts;
	counts = alloc_record();
	if (__atomic_compare_exchange_n(&process_record, &none, counts, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		return counts;
	add(&counts->processes, -1);
	return none;
}

static void count(enum counted_function function, size_t len, unsigned int way)
{
	struct counts *counts = get_record();
	unsigned int size = 0;

	if (!counts)
		return;
	while (size < NR_SIZES - 1 && len > counted_sizes[size])
		size++;
	add(&counts->calls[function][size][way], 1);
	add(&counts->bytes[function][size], len);
}

static void count_why(const char *why)
{
	struct counts *counts = get_record();

	if (counts && !counts->why[0])
		strncpy(counts->why, why, sizeof(counts->why) - 1);
}

/* Returns how the call that has just ended was served. */
static unsigned int find_way(size_t len)
{
	void (*next)(struct vgetrandom_info *info, size_t size) = NEXT(vgetrandom_info);
	struct vgetrandom_info info;

	if (!next)
		return VGETRANDOM_SYSCALL;
	next(&info, sizeof(info));
	if (info.syscalls != syscalls) {
		syscalls = info.syscalls;
		if (info.small == VGETRANDOM_SYSCALL)
			count_why(info.small_why);
		return VGETRANDOM_SYSCALL;
	}
	return info.large_from && len >= info.large_from ? info.large : info.small;
}

/* Does not count requests that OpenSSL makes to serve a counted call. */
static void count_call(enum counted_function function, size_t len)
{
	unsigned int way = find_way(len);

	if (!in_openssl)
		count(function, len, way);
}

EXPORT ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	ssize_t ret = NEXT(getrandom)(buf, len, flags);

	count_call(COUNT_getrandom, len);
	return ret;
}

/* OpenSSL seeds its own generator with getentropy(). Of calls inside OpenSSL, only this is seen. */
static void count_seed(void *caller)
{
	static void *last;
	Dl_info info, executable;
	struct counts *counts;

	if (__atomic_exchange_n(&last, caller, __ATOMIC_RELAXED) == caller)
		return;
	counts = get_record();
	if (!counts || !dladdr(caller, &info))
		return;
	if (strstr(info.dli_fname, "/libcrypto.so"))
		__atomic_fetch_or(&counts->seeds, SEEDS_LIBCRYPTO, __ATOMIC_RELAXED);
	else if (dladdr((void *)getauxval(AT_ENTRY), &executable) &&
		 info.dli_fbase == executable.dli_fbase)
		__atomic_fetch_or(&counts->seeds, SEEDS_EXECUTABLE, __ATOMIC_RELAXED);
}

EXPORT int getentropy(void *buf, size_t len)
{
	int ret = NEXT(getentropy)(buf, len), saved = errno;

	count_call(COUNT_getentropy, len);
	count_seed(CALLER);
	errno = saved;
	return ret;
}

EXPORT uint32_t arc4random(void)
{
	uint32_t ret = NEXT(arc4random)();

	count_call(COUNT_arc4random, sizeof(ret));
	return ret;
}

EXPORT void arc4random_buf(void *buf, size_t len)
{
	NEXT(arc4random_buf)(buf, len);
	count_call(COUNT_arc4random_buf, len);
}

EXPORT uint32_t arc4random_uniform(uint32_t upper_bound)
{
	uint32_t ret = NEXT(arc4random_uniform)(upper_bound);

	count_call(COUNT_arc4random_uniform, sizeof(ret));
	return ret;
}

/* Called by syscall() for SYS_getrandom; syscall() itself is the library's, in arch/. */
ssize_t vgetrandom_for_syscall(void *buf, size_t len, unsigned int flags)
{
	ssize_t ret = NEXT(syscall)(SYS_getrandom, buf, len, flags);

	count_call(COUNT_syscall, len);
	return ret;
}

ssize_t vgetrandom_fail(ssize_t error)
{
	errno = (int)-error;
	return -1;
}

EXPORT ssize_t vgetrandom(void *buf, size_t len, unsigned int flags)
{
	ssize_t ret = NEXT(vgetrandom)(buf, len, flags);

	served = 1 + find_way(len);
	if (!in_openssl)
		count(COUNT_vgetrandom, len, served - 1);
	return ret;
}

/*
 * If a call of OpenSSL calls vgetrandom(), the provider is in use. Only the outermost of nested
 * calls counts.
 */
static void enter_openssl(void)
{
	served = 0;
	in_openssl++;
}

static void leave_openssl(enum counted_function function, size_t len)
{
	if (!--in_openssl)
		count(function, len, served ? served - 1 : WAY_OPENSSL);
}

static int call_openssl(enum counted_function function, void *caller, unsigned char *buf, int len)
{
	int (*next)(unsigned char *buf, int len) = find_openssl(function, caller), ret;

	if (!next)
		return 0;
	enter_openssl();
	ret = next(buf, len);
	leave_openssl(function, len > 0 ? len : 0);
	return ret;
}

static int call_openssl_ex(enum counted_function function, void *caller, void *context,
			   unsigned char *buf, size_t len, unsigned int strength)
{
	int (*next)(void *context, unsigned char *buf, size_t len, unsigned int strength), ret;

	next = find_openssl(function, caller);
	if (!next)
		return 0;
	enter_openssl();
	ret = next(context, buf, len, strength);
	leave_openssl(function, len);
	return ret;
}

EXPORT int RAND_bytes(unsigned char *buf, int len)
{
	return call_openssl(COUNT_RAND_bytes, CALLER, buf, len);
}

EXPORT int RAND_priv_bytes(unsigned char *buf, int len)
{
	return call_openssl(COUNT_RAND_priv_bytes, CALLER, buf, len);
}

EXPORT int RAND_pseudo_bytes(unsigned char *buf, int len)
{
	return call_openssl(COUNT_RAND_pseudo_bytes, CALLER, buf, len);
}

EXPORT int RAND_bytes_ex(void *context, unsigned char *buf, size_t len, unsigned int strength)
{
	return call_openssl_ex(COUNT_RAND_bytes_ex, CALLER, context, buf, len, strength);
}

EXPORT int RAND_priv_bytes_ex(void *context, unsigned char *buf, size_t len,
			      unsigned int strength)
{
	return call_openssl_ex(COUNT_RAND_priv_bytes_ex, CALLER, context, buf, len, strength);
}

/* Only for a successful open: the path of a failed one may be an invalid address. */
static void count_file(const char *path)
{
	bool urandom = !strcmp(path, "/dev/urandom");
	struct counts *counts;

	if (!urandom && strcmp(path, "/dev/random"))
		return;
	counts = get_record();
	if (counts)
		add(urandom ? &counts->urandom : &counts->random, 1);
}

static int count_open(int fd, const char *path)
{
	if (fd >= 0)
		count_file(path);
	return fd;
}

static FILE *count_fopen(FILE *file, const char *path)
{
	if (file && path)
		count_file(path);
	return file;
}

static bool has_mode(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (has_mode(flags))
		mode = va_arg(args, mode_t);
	va_end(args);
	return count_open(NEXT(open)(path, flags, mode), path);
}

EXPORT int openat(int at, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (has_mode(flags))
		mode = va_arg(args, mode_t);
	va_end(args);
	return count_open(NEXT(openat)(at, path, flags, mode), path);
}

/* glibc's headers call these if they see that no mode is needed. */
EXPORT int __open_2(const char *path, int flags)
{
	return count_open(NEXT(__open_2)(path, flags), path);
}

EXPORT int __openat_2(int at, const char *path, int flags)
{
	return count_open(NEXT(__openat_2)(at, path, flags), path);
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	return count_fopen(NEXT(fopen)(path, mode), path);
}

EXPORT FILE *freopen(const char *path, const char *mode, FILE *old)
{
	return count_fopen(NEXT(freopen)(path, mode, old), path);
}

/* On 64-bit machines these are the same functions. */
EXPORT int open64(const char *path, int flags, ...) __attribute__((alias("open")));
EXPORT int openat64(int at, const char *path, int flags, ...) __attribute__((alias("openat")));
EXPORT int __open64_2(const char *path, int flags) __attribute__((alias("__open_2")));
EXPORT int __openat64_2(int at, const char *path, int flags) __attribute__((alias("__openat_2")));
EXPORT FILE *fopen64(const char *path, const char *mode) __attribute__((alias("fopen")));
EXPORT FILE *freopen64(const char *path, const char *mode, FILE *old)
	__attribute__((alias("freopen")));

static void after_fork_in_child(void)
{
	process_record = NULL;
	add(&shared->processes, 1);
}

/* Checks the magic number: the path may name any other file in this process. */
static struct shared_counts *map_counts(const char *path)
{
	struct shared_counts *counts = MAP_FAILED;
	struct stat st;
	int fd;

	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size == sizeof(*counts))
		counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (counts == MAP_FAILED)
		return NULL;
	if (counts->magic == COUNTS_MAGIC)
		return counts;
	munmap(counts, sizeof(*counts));
	return NULL;
}

__attribute__((constructor(101)))
static void start(void)
{
	const char *path = secure_getenv(COUNTS_VARIABLE);
	int saved = errno;
	ssize_t len;

	/* Signal handlers must not call dlsym(). */
	for (unsigned int i = 0; i < NR_FORWARDED; i++)
		find_next(i);
	if (path)
		shared = map_counts(path);
	if (shared) {
		len = readlink("/proc/self/exe", program, sizeof(program) - 1);
		if (len <= 0)
			strcpy(program, "?");
		add(&shared->processes, 1);
		pthread_atfork(NULL, NULL, after_fork_in_child);
	}
	errno = saved;
}
