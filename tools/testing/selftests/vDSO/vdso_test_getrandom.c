// SPDX-License-Identifier: GPL-2.0-only
/*
 * getrandom() in the running kernel's vDSO: what the ABI promises.
 *
 * The ABI is that of Linux 6.11 and later, so nothing here knows the size or
 * the rules of one kernel's states.
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

/* The kernel's struct vgetrandom_opaque_params; the C library may lack it. */
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
 * States, one for each thread that is alive. A page's worth is mapped at a time
 * and none straddles a page. A thread takes its state from the list and puts it
 * back when it is done, for the next thread: what it holds is still good.
 */
static struct {
	pthread_mutex_t lock;
	void **free;		/* stack of states */
	size_t count, room;
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
	/* A cache line of its own: no two threads write to the same. */
	size_t stride = (size + 63) & ~63UL;
	void *state = NULL;

	pthread_mutex_lock(&pool.lock);
	if (!pool.count) {
		size_t n = stride <= page ? page / stride : 0;
		uint8_t *p = n ? map_states(1) : MAP_FAILED;

		if (p != MAP_FAILED) {
			void **more = realloc(pool.free,
					      (pool.room + n) * sizeof(*more));

			if (more) {
				pool.free = more;
				pool.room += n;
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
 * The tests. Bytes are compared 16 at a time: that random ones agree by chance
 * will not be seen.
 */
#define CHUNK 16

static int cmp_chunk(const void *a, const void *b)
{
	return memcmp(a, b, CHUNK);
}

/* No chunk twice, and none of zeros. Sorts them. */
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

/* Each byte takes on many values, and no byte after the last one changes. */
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

	/* Lengths that start and end all over the batch. */
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

/* The answer is the system call's, and nothing is written. */
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

	/* The last place in the page is one, every later one is not. */
	ok = ok && vgetrandom(out, CHUNK, 0, p + page - size, size) == CHUNK;
	for (size_t over = 1; ok && over < size; over++)
		ok = vgetrandom(out, CHUNK, 0, p + page - size + over, size) == -EFAULT;
	return ok && vgetrandom(out, CHUNK, 0, p + page, size) == CHUNK;
}

/* As after a restore from a kernel with other states: it works all the same. */
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

/* Bytes of a child made by @how go up the pipe after the parent's. */
static bool differs_in_child(long (*how)(void))
{
	enum { N = 64 };
	static uint8_t out[2 * N * CHUNK];
	int fds[2], status;
	ssize_t got = 0, n;
	uint8_t warm[3];
	pid_t pid;

	/* A batch in use is what a child would repeat. */
	if (vdso_getrandom(warm, sizeof(warm), 0) != sizeof(warm) || pipe(fds))
		return false;
	fflush(stdout);
	pid = how();
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

/* Nothing of the C library knows that this is a fork. */
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

/* Twice, so that the second round takes over the first one's states. */
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

/* Calls between which @advice is given for the page of the state. */
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
	ksft_print_msg("the page was zeros %d times of %d\n", cleared, N);
	free(zero);
	return ok && (!must_clear || cleared == N) && chunks_unique(out, N);
}

static bool test_dontneed(void)
{
	return survives_advice(MADV_DONTNEED, true);
}

/* Reclaim on demand; it may leave a page that is in use in some other way. */
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

/* Signals that come at any point of a call, and call on the same state. */
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
	/* However fast the calls are, there are to be signals among them. */
	for (uint8_t waste[CHUNK]; ok && signals_so_far() < SIGNALS / 10;)
		ok = vdso_getrandom(waste, CHUNK, 0) == CHUNK;
	setitimer(ITIMER_REAL, &off, NULL);
	memcpy(out + n * CHUNK, handler_out, signals_so_far() * CHUNK);
	ok = ok && !__atomic_load_n(&handler_failed, __ATOMIC_RELAXED) &&
	     chunks_unique(out, n + signals_so_far());
	free(out);
	return ok;
}

/* The caller's own bad pointer: its own SIGSEGV, or the system call's answer. */
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
	{ "query", test_query },
	{ "query clears the reserved fields", test_query_reserved },
	{ "getrandom is an alias", test_alias },
	{ "states live in the mapping that the query names", test_mapping },
	{ "every byte asked for is random, no other is written", test_lengths },
	{ "no bytes twice", test_unique },
	{ "length 0", test_zero_length },
	{ "known flags", test_flags },
	{ "unknown flags: EINVAL", test_bad_flags },
	{ "a state that straddles a page: EFAULT", test_straddle },
	{ "a state of another size: still bytes", test_foreign_len },
	{ "fork", test_fork },
	{ "raw clone", test_raw_clone },
	{ "threads", test_threads },
	{ "states discarded by MADV_DONTNEED", test_dontneed },
	{ "states reclaimed by MADV_PAGEOUT", test_pageout },
	{ "signal handlers on the same state", test_reentry },
	{ "bad buffers", test_bad_buffer },
};

int main(void)
{
	find_vdso();
	ksft_print_header();
	if (!vgetrandom)
		ksft_exit_skip("no __vdso_getrandom in this kernel's vDSO\n");
	if (!query_params())
		ksft_exit_fail_msg("the query for parameters failed\n");
	ksft_set_plan(ARRAY_SIZE(tests));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		ksft_test_result(tests[i].fn(), "%s\n", tests[i].name);
	ksft_finished();
}
