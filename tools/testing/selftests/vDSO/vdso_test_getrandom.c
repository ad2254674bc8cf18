// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test that getrandom() in the running kernel's vDSO keeps the ABI of Linux 6.11 and later.
 *
 * The size and the layout of a state differ between kernels, so these tests assume neither.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "parse_vdso.h"

#ifndef GRND_INSECURE
#define GRND_INSECURE	0x0004
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

/* The kernel's struct vgetrandom_opaque_params, which the C library's headers may lack. */
struct params {
	uint32_t size_of_opaque_state;
	uint32_t mmap_prot;
	uint32_t mmap_flags;
	uint32_t reserved[13];
};

typedef ssize_t (*vgetrandom_fn)(void *buffer, size_t len, unsigned int flags,
				 void *state, size_t state_len);

static vgetrandom_fn vgetrandom;
static struct params params;

/*
 * States, one for each live thread. They are mapped one page at a time, and none crosses a
 * page boundary. A thread takes its state from the list, and returns it when it is done.
 * The next thread can use it without initialization.
 */
static struct {
	pthread_mutex_t lock;
	void **free;		/* stack of states */
	size_t count, capacity;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread void *my_state;

static void find_vdso(void)
{
	unsigned long base = getauxval(AT_SYSINFO_EHDR);

	if (!base)
		return;
	vdso_init_from_sysinfo_ehdr(base);
	vgetrandom = (vgetrandom_fn)vdso_sym("LINUX_2.6", "__vdso_getrandom");
}

static bool query_params(void)
{
	return !vgetrandom(NULL, 0, 0, &params, ~0UL);
}

static void *map_states(size_t pages)
{
	return mmap(NULL, pages * getpagesize(), params.mmap_prot,
		    params.mmap_flags, -1, 0);
}

static void *state_get(void)
{
	size_t page = getpagesize(), size = params.size_of_opaque_state;
	/* No two states share a cache line. */
	size_t stride = (size + 63) & ~63UL;
	void *state = NULL;

	pthread_mutex_lock(&pool.lock);
	if (!pool.count) {
		size_t n = stride <= page ? page / stride : 0;
		uint8_t *p = n ? map_states(1) : MAP_FAILED;

		if (p != MAP_FAILED) {
			void **more = realloc(pool.free,
					      (pool.capacity + n) * sizeof(*more));

			if (more) {
				pool.free = more;
				pool.capacity += n;
				while (n--)
					pool.free[pool.count++] = p + n * stride;
			} else {
				munmap(p, page);
			}
		}
	}
	if (pool.count)
		state = pool.free[--pool.count];
	pthread_mutex_unlock(&pool.lock);
	if (!state)
		ksft_exit_fail_msg("mapping a page for states (prot %#x, flags %#x): %s\n",
				   params.mmap_prot, params.mmap_flags,
				   strerror(errno));
	return state;
}

static void state_put(void *state)
{
	pthread_mutex_lock(&pool.lock);
	pool.free[pool.count++] = state;
	pthread_mutex_unlock(&pool.lock);
}

static ssize_t vdso_getrandom(void *buffer, size_t len, unsigned int flags)
{
	if (!my_state)
		my_state = state_get();
	return vgetrandom(buffer, len, flags, my_state,
			  params.size_of_opaque_state);
}

/*
 * The tests compare chunks of 16 bytes. That two random chunks are equal by chance is too
 * unlikely to happen.
 */
#define CHUNK 16

static int cmp_chunk(const void *a, const void *b)
{
	return memcmp(a, b, CHUNK);
}

/* Sorts the chunks; returns whether all differ and none is all zeros. */
static bool chunks_unique(uint8_t *p, size_t n)
{
	static const uint8_t zero[CHUNK];

	qsort(p, n, CHUNK, cmp_chunk);
	if (n && !memcmp(p, zero, CHUNK))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!memcmp(p + (i - 1) * CHUNK, p + i * CHUNK, CHUNK))
			return false;
	return true;
}

static bool test_query(void)
{
	struct params p;

	memset(&p, 0xff, sizeof(p));
	return !vgetrandom(NULL, 0, 0, &p, ~0UL) && p.size_of_opaque_state &&
	       p.size_of_opaque_state <= (size_t)getpagesize() &&
	       p.mmap_prot == (PROT_READ | PROT_WRITE) &&
	       p.mmap_flags == (MAP_DROPPABLE | MAP_ANONYMOUS);
}

static bool test_query_reserved(void)
{
	struct params p;

	memset(&p, 0xff, sizeof(p));
	if (vgetrandom(NULL, 0, 0, &p, ~0UL))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(p.reserved); i++)
		if (p.reserved[i])
			return false;
	return true;
}

static bool test_alias(void)
{
	return vdso_sym("LINUX_2.6", "getrandom") == (void *)vgetrandom;
}

static bool test_mapping(void)
{
	uint8_t *p = map_states(4), byte;

	if (p == MAP_FAILED)
		return false;
	for (size_t i = 0; i < 4; i++)
		if (vgetrandom(&byte, 1, 0, p + i * getpagesize(),
			       params.size_of_opaque_state) != 1)
			return false;
	return !munmap(p, 4 * getpagesize());
}

/* Each requested byte takes different values, and no byte around them changes. */
static bool test_lengths(void)
{
	uint8_t buffer[1200], seen[1100], first[1100];

	for (size_t len = 1; len <= 1100; len += len < 300 ? 1 : 37) {
		memset(seen, 0, sizeof(seen));
		for (int round = 0; round < 40; round++) {
			memset(buffer, 0xa5, sizeof(buffer));
			if (vdso_getrandom(buffer + 3, len, 0) != (ssize_t)len)
				return false;
			for (size_t i = 0; i < sizeof(buffer); i++)
				if ((i < 3 || i >= len + 3) && buffer[i] != 0xa5)
					return false;
			if (!round)
				memcpy(first, buffer + 3, len);
			for (size_t i = 0; i < len; i++)
				seen[i] |= buffer[i + 3] ^ first[i];
		}
		for (size_t i = 0; i < len; i++)
			if (!seen[i])
				return false;
	}
	return true;
}

static bool test_unique(void)
{
	enum { N = 20000 };
	static uint8_t out[N * CHUNK];

	/* Requests that start and end at many offsets of the batch. */
	for (size_t done = 0, len = 1; done < sizeof(out);
	     done += len, len = len * 5 % 701) {
		if (len > sizeof(out) - done)
			len = sizeof(out) - done;
		if (vdso_getrandom(out + done, len, 0) != (ssize_t)len)
			return false;
	}
	return chunks_unique(out, N);
}

static bool test_zero_length(void)
{
	uint8_t byte = 0xa5;

	return !vdso_getrandom(&byte, 0, 0) && byte == 0xa5 &&
	       !vdso_getrandom(NULL, 0, 0);
}

static bool test_flags(void)
{
	static const unsigned int good[] = {
		0, GRND_NONBLOCK, GRND_RANDOM, GRND_RANDOM | GRND_NONBLOCK,
		GRND_INSECURE, GRND_INSECURE | GRND_NONBLOCK,
	};
	uint8_t out[ARRAY_SIZE(good)][CHUNK];

	memset(out, 0, sizeof(out));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (vdso_getrandom(out[i], CHUNK, good[i]) != CHUNK)
			return false;
	return chunks_unique(out[0], ARRAY_SIZE(good));
}

/* The result is the system call's, and nothing is written. */
static bool test_bad_flags(void)
{
	uint8_t out[CHUNK], zero[CHUNK] = { 0 };

	for (unsigned int bit = 3; bit < 32; bit++) {
		memset(out, 0, sizeof(out));
		if (vdso_getrandom(out, sizeof(out), 1U << bit) != -EINVAL ||
		    vdso_getrandom(out, 0, 1U << bit) != -EINVAL ||
		    memcmp(out, zero, sizeof(out)))
			return false;
	}
	return vdso_getrandom(out, sizeof(out), ~0U) == -EINVAL;
}

static bool test_straddle(void)
{
	size_t page = getpagesize(), size = params.size_of_opaque_state;
	uint8_t *p = map_states(2), out[CHUNK];
	bool ok = p != MAP_FAILED;

	/* The last offset at which the state fits works, every later one fails. */
	ok = ok && vgetrandom(out, CHUNK, 0, p + page - size, size) == CHUNK;
	for (size_t over = 1; ok && over < size; over++)
		ok = vgetrandom(out, CHUNK, 0, p + page - size + over, size) == -EFAULT;
	return ok && vgetrandom(out, CHUNK, 0, p + page, size) == CHUNK;
}

/* After a restore from a kernel with another state size, calls use the system call. */
static bool test_foreign_len(void)
{
	size_t size = params.size_of_opaque_state;
	const size_t lens[] = { 0, 1, size - 1, size + 1, 2 * size, ~0UL - 1, ~0UL };
	uint8_t out[ARRAY_SIZE(lens)][CHUNK], *p = map_states(1), *untouched;

	if (p == MAP_FAILED)
		return false;
	untouched = calloc(1, getpagesize());
	memset(out, 0, sizeof(out));
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		if (vgetrandom(out[i], CHUNK, 0, p, lens[i]) != CHUNK)
			return false;
	return untouched && !memcmp(p, untouched, getpagesize()) &&
	       chunks_unique(out[0], ARRAY_SIZE(lens));
}

/* Compare the bytes of the parent and of a child that @make_child makes. */
static bool differs_in_child(long (*make_child)(void))
{
	enum { N = 64 };
	static uint8_t out[2 * N * CHUNK];
	int fds[2], status;
	ssize_t got = 0, n;
	uint8_t warm[3];
	pid_t pid;

	/* Fill the batch: a child that inherits it would repeat its bytes. */
	if (vdso_getrandom(warm, sizeof(warm), 0) != sizeof(warm) || pipe(fds))
		return false;
	fflush(stdout);
	pid = make_child();
	if (!pid) {
		if (vdso_getrandom(out, N * CHUNK, 0) != N * CHUNK)
			_exit(1);
		_exit(write(fds[1], out, N * CHUNK) != N * CHUNK);
	}
	close(fds[1]);
	if (pid < 0 || vdso_getrandom(out, N * CHUNK, 0) != N * CHUNK)
		return false;
	while ((n = read(fds[0], out + N * CHUNK + got, N * CHUNK - got)) > 0)
		got += n;
	close(fds[0]);
	return waitpid(pid, &status, 0) == pid && !status &&
	       got == N * CHUNK && chunks_unique(out, 2 * N);
}

static long libc_fork(void)
{
	return fork();
}

/* The C library does not notice this fork. */
static long raw_clone(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static bool test_fork(void)
{
	for (int i = 0; i < 50; i++)
		if (!differs_in_child(libc_fork))
			return false;
	return true;
}

static bool test_raw_clone(void)
{
	for (int i = 0; i < 50; i++)
		if (!differs_in_child(raw_clone))
			return false;
	return true;
}

#define THREADS		8
#define PER_THREAD	(2000 * CHUNK)

static uint8_t thread_out[THREADS * PER_THREAD];

static void *thread_fill(void *arg)
{
	uint8_t *out = arg;
	size_t done = 0, len;

	for (; done < PER_THREAD; done += len) {
		len = done % 3 ? CHUNK : 5 * CHUNK;
		if (len > PER_THREAD - done)
			len = PER_THREAD - done;
		if (vdso_getrandom(out + done, len, 0) != (ssize_t)len)
			return "a call failed";
	}
	state_put(my_state);
	return NULL;
}

/* Two rounds: the second uses the states of the first. */
static bool test_threads(void)
{
	pthread_t threads[THREADS];
	bool ok = true;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < THREADS; i++)
			if (pthread_create(&threads[i], NULL, thread_fill,
					   thread_out + i * PER_THREAD))
				return false;
		for (int i = 0; i < THREADS; i++) {
			void *result;

			pthread_join(threads[i], &result);
			ok = ok && !result;
		}
		ok = ok && chunks_unique(thread_out, THREADS * PER_THREAD / CHUNK);
	}
	return ok;
}

/* Applies @advice to the page of the state after each call. */
static bool survives_advice(int advice, bool must_clear)
{
	enum { N = 200 };
	static uint8_t out[N * CHUNK];
	size_t page = getpagesize(), size = params.size_of_opaque_state;
	uint8_t *p = map_states(1), *zero = calloc(1, page);
	bool ok = p != MAP_FAILED && zero;
	int cleared = 0;

	for (int i = 0; ok && i < N; i++) {
		ok = vgetrandom(out + i * CHUNK, CHUNK, 0, p, size) == CHUNK &&
		     memcmp(p, zero, page) && !madvise(p, page, advice);
		cleared += ok && !memcmp(p, zero, page);
	}
	ksft_print_msg("the page was zeroed after %d of %d calls\n", cleared, N);
	free(zero);
	return ok && (!must_clear || cleared == N) && chunks_unique(out, N);
}

static bool test_dontneed(void)
{
	return survives_advice(MADV_DONTNEED, true);
}

/* Forced reclaim, which may keep a page that another task references. */
static bool test_pageout(void)
{
	return survives_advice(MADV_PAGEOUT, false);
}

#define SIGNALS 3000

static uint8_t handler_out[SIGNALS * CHUNK];
static unsigned int signals;	/* shared with the handler: __atomic only */
static bool handler_failed;

static unsigned int signals_so_far(void)
{
	return __atomic_load_n(&signals, __ATOMIC_RELAXED);
}

static void on_alarm(int sig)
{
	unsigned int n = signals_so_far();

	(void)sig;
	if (n == SIGNALS)
		return;
	if (vdso_getrandom(handler_out + n * CHUNK, CHUNK, 0) != CHUNK)
		__atomic_store_n(&handler_failed, true, __ATOMIC_RELAXED);
	__atomic_store_n(&signals, n + 1, __ATOMIC_RELAXED);
}

/* Signals arrive at any point of a call, and the handler uses the same state. */
static bool test_reentry(void)
{
	enum { N = 1 << 16 };
	uint8_t *out = calloc(N + SIGNALS, CHUNK);
	struct itimerval off = { { 0, 0 }, { 0, 0 } };
	struct itimerval often = { { 0, 100 }, { 0, 100 } };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	bool ok = true;
	size_t n = 0;

	if (!out || sigaction(SIGALRM, &sa, NULL) ||
	    setitimer(ITIMER_REAL, &often, NULL))
		return false;
	for (; ok && n < N && signals_so_far() < SIGNALS; n++)
		ok = vdso_getrandom(out + n * CHUNK, CHUNK, 0) == CHUNK;
	/* If the calls are fast, go on until enough signals have interrupted them. */
	for (uint8_t waste[CHUNK]; ok && signals_so_far() < SIGNALS / 10;)
		ok = vdso_getrandom(waste, CHUNK, 0) == CHUNK;
	setitimer(ITIMER_REAL, &off, NULL);
	memcpy(out + n * CHUNK, handler_out, signals_so_far() * CHUNK);
	ok = ok && !__atomic_load_n(&handler_failed, __ATOMIC_RELAXED) &&
	     chunks_unique(out, n + signals_so_far());
	free(out);
	return ok;
}

/* A bad pointer raises SIGSEGV, or the call returns the system call's EFAULT. */
static bool bad_buffer(void *buffer)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		_exit(vdso_getrandom(buffer, CHUNK, 0) != -EFAULT);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	       (!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
}

static bool test_bad_buffer(void)
{
	void *ro = mmap(NULL, getpagesize(), PROT_READ,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return ro != MAP_FAILED && bad_buffer(NULL) && bad_buffer(ro);
}

static const struct {
	const char *name;
	bool (*fn)(void);
} tests[] = {
	{ "the query returns valid parameters", test_query },
	{ "the query clears the reserved fields", test_query_reserved },
	{ "getrandom is an alias of __vdso_getrandom", test_alias },
	{ "the mapping that the query describes holds states", test_mapping },
	{ "each requested byte varies, no other is written", test_lengths },
	{ "no bytes repeat", test_unique },
	{ "length 0 returns 0 and writes nothing", test_zero_length },
	{ "known flags are accepted", test_flags },
	{ "unknown flags return EINVAL", test_bad_flags },
	{ "a state across a page boundary returns EFAULT", test_straddle },
	{ "a state of another size still returns bytes", test_foreign_len },
	{ "parent and child differ after fork", test_fork },
	{ "parent and child differ after raw clone", test_raw_clone },
	{ "threads get different bytes", test_threads },
	{ "no bytes repeat after MADV_DONTNEED", test_dontneed },
	{ "no bytes repeat after MADV_PAGEOUT", test_pageout },
	{ "no bytes repeat in signal handlers", test_reentry },
	{ "bad buffers raise SIGSEGV or return EFAULT", test_bad_buffer },
};

int main(void)
{
	find_vdso();
	ksft_print_header();
	if (!vgetrandom)
		ksft_exit_skip("no __vdso_getrandom in this kernel's vDSO\n");
	if (!query_params())
		ksft_exit_fail_msg("the query for the parameters failed\n");
	ksft_set_plan(ARRAY_SIZE(tests));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		ksft_test_result(tests[i].fn(), "%s\n", tests[i].name);
	ksft_finished();
}
