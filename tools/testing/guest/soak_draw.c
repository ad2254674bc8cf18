// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls by threads, to the vDSO with a state for each thread and to the library; by signal
 * handlers in the middle of these calls, on the same states; and by children of both.
 *
 * If the kernel aborts the calls that signals interrupt, these arrive each 100 us, and some
 * handlers leave the call by siglongjmp().
 *
 * Otherwise at most one handler runs during a call. The generator does not survive a drop and two
 * handlers within the few hundred instructions in which a call writes (see the top of
 * lib/vdso/getrandom.c). This race would happen here, because signals arrive quickly when
 * memory is short. So the thread sets the timer again only between two calls.
 *
 * All threads but one are on one processor, together with the dropper: a new page stays on
 * the processor's list of new pages for a while, and only that processor can reclaim it.
 * The dropper also interrupts these threads in the middle of calls. One thread moves between
 * the processors. The children and the memory pressure are on the other processor.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <vdso/getrandom.h>
#include <vgetrandom.h>

#include "droppable_util.h"
#include "soak.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

#define PAGE		4096
#define IDLE_PAGES	64		/* of each worker */
#define LARGEST		10000
#define CANARY		0xa5
#define ERRNO		12345		/* a value that no function sets */
#define BAD_FLAGS	0xff00
#define CHILD_CALLS	6
#define SIGNAL		SIGRTMIN
#define OFTEN_US	100		/* between signals, if the kernel aborts calls */

/* A request of this size or more may end early, at a page boundary, if a signal is pending. */
#define CUT_FROM	4096

struct worker {
	pthread_t id;
	int number;
	uint64_t seed, handler_seed;
	uint64_t calls;			/* made by work(), not by handlers */
	uint64_t generation;		/* the last one seen in the state */
	bool used[1 + IDLE_PAGES];	/* whether each state has been used */
	timer_t timer;
	pid_t child;
	sigjmp_buf jump;

	/* Shared by the thread and its handler. */
	atomic_uintptr_t state;		/* used by the current call, or 0 for the library */
	atomic_bool calling, may_jump, fired, is_child, is_twin;
	atomic_int handler_child;
};

struct soak_states states;
static struct worker workers[WORKERS];
static __thread struct worker *self;

static const char by_thread[] = "a thread";

/* For the controls: make the result of a call wrong. */
static void plant_fault(const struct soak_counts *counts, uint8_t *buffer, size_t len,
			ssize_t *ret, int *error)
{
	if (len < VALUE || counts->calls % 128)
		return;
	if (plant == PLANT_SHORT)
		*ret -= 1;
	if (plant == PLANT_ERRNO)
		*error = EINVAL;
	if (plant == PLANT_OVERRUN)
		buffer[len] = 0;
	if (plant == PLANT_ZERO)
		memset(buffer, 0, VALUE);
	/* Copy a value from one thread to another. */
	if (plant == PLANT_REPEAT && counts == &soak->counts[1]) {
		memcpy(soak->planted, buffer, VALUE);
		__atomic_store_n(&soak->is_planted, true, __ATOMIC_RELEASE);
	}
	if (plant == PLANT_REPEAT && counts == &soak->counts[0] &&
	    __atomic_load_n(&soak->is_planted, __ATOMIC_ACQUIRE))
		memcpy(buffer, soak->planted, VALUE);
}

static struct soak_counts *self_counts(void)
{
	return &soak->counts[self->number];
}

static bool is_locked(const void *state)
{
	const struct vgetrandom_state *s = state;

	return __atomic_load_n(&s->owner, __ATOMIC_RELAXED);
}

/* Make one call, and check its result, errno and bytes. */
static void call_and_check(void *state, uint8_t *buffer, size_t len, struct soak_counts *counts,
			   const char *who)
{
	bool in_loop = who == by_thread, twin;
	ssize_t ret;
	int error;

	buffer[len] = CANARY;
	if (in_loop && state && vdso.aborts && self->calls % 2 == 0) {
		if (sigsetjmp(self->jump, 1)) {
			count(&self_counts()->jumps);
			return;
		}
		self->may_jump = true;
	}
	errno = ERRNO;
	if (in_loop)
		self->calling = true;
	if (state)
		ret = vdso.fn(buffer, len, 0, state, vdso.size);
	else
		ret = vgetrandom(buffer, len, 0);
	error = errno;
	if (in_loop) {
		self->calling = false;
		self->may_jump = false;
	}
	/*
	 * If a handler forked after the final check of the state, parent and child have the same
	 * bytes. This test cannot know when it forked, and accepts them; step_test checks both
	 * cases.
	 */
	twin = in_loop && self->is_twin;
	if (twin)
		self->is_twin = false;

	if (plant)
		plant_fault(counts, buffer, len, &ret, &error);
	count(&counts->calls);
	if (!state)
		count(&counts->library);
	if (ret != (ssize_t)len && (ret < CUT_FROM || ret > (ssize_t)len || ret % CUT_FROM))
		soak_fault(BAD_CALL, "%s asked %s for %zu bytes: %zd, errno %d", who,
			   state ? "the vDSO" : "the library", len, ret, error);
	else if (error != ERRNO)
		soak_fault(BAD_CALL, "%s asked %s for %zu bytes, and errno is %d", who,
			   state ? "the vDSO" : "the library", len, error);
	else if (in_loop && state && vdso.aborts && is_locked(state))
		soak_fault(BAD_CALL, "a call of %zu bytes leaves the state locked", len);
	else if (buffer[len] != CANARY)
		soak_fault(BAD_CALL, "%s asked for %zu bytes and got more", who, len);
	for (ssize_t i = 0; i + VALUE <= ret; i += VALUE) {
		if (is_zero(buffer + i, VALUE))
			soak_fault(ZERO, "%s asked %s for %zu bytes: zeros at %zd", who,
				   state ? "the vDSO" : "the library", len, i);
		else if (!twin && !set_add(buffer + i))
			soak_fault(REPEATED, "%s asked %s for %zu bytes: at %zd, a value returned before",
				   who, state ? "the vDSO" : "the library", len, i);
	}
}

/* Unknown flags are EINVAL, with any state. */
static void check_bad_flags(void *state)
{
	uint8_t byte = CANARY;
	ssize_t ret;

	errno = ERRNO;
	ret = vdso.fn(&byte, 1, BAD_FLAGS, state, vdso.size);
	if (ret != -EINVAL || errno != ERRNO || byte != CANARY)
		soak_fault(BAD_CALL, "unknown flags: the vDSO returns %zd", ret);
	ret = vgetrandom(&byte, 1, BAD_FLAGS);
	if (ret != -1 || errno != EINVAL || byte != CANARY)
		soak_fault(BAD_CALL, "unknown flags: the library returns %zd", ret);
}

/*
 * Workers with even numbers ask for whole values only: repeated keystream is then cut in the
 * same places, and found. The other workers ask for any size.
 */
static size_t choose_len(const struct worker *w, uint64_t r)
{
	bool whole = w->number % 2 == 0;

	switch (r % 256) {
	case 0:
		return LARGEST;
	case 1:
		return CUT_FROM;
	case 2 ... 7:
		return whole ? 1024 + (r >> 8) % 64 * VALUE : 1 + (r >> 8) % 3000;
	case 8 ... 31:
		return whole ? 208 + (r >> 8) % 32 * VALUE : 200 + (r >> 8) % 400;
	default:
		return whole ? VALUE + (r >> 8) % 3 * VALUE : 1 + (r >> 8) % 40;
	}
}

/*
 * Between calls: count drops and reseeds. A call leaves its token in a state of this
 * project's generator; a state of another generator is never all zeros after a call.
 */
static void count_events(struct worker *w, const uint8_t *state, size_t number)
{
	struct soak_counts *counts = &soak->counts[w->number];
	const struct vgetrandom_state *s = (const void *)state;
	size_t len = vdso.ours ? offsetof(struct vgetrandom_state, unused) : vdso.size;
	uint64_t generation;

	if (w->used[number] && is_zero(state, len))
		count(number ? &counts->idle_drops : &counts->drops);
	w->used[number] = true;
	if (!vdso.ours || number)
		return;
	generation = __atomic_load_n(&s->generation, __ATOMIC_RELAXED);
	if (generation && w->generation && generation != w->generation)
		count(&counts->generations);
	if (generation)
		w->generation = generation;
}

static void one_call(struct worker *w)
{
	struct soak_counts *counts = &soak->counts[w->number];
	uint8_t buffer[LARGEST + 1];
	uint64_t r = next_random(&w->seed);
	size_t number = 0, len = choose_len(w, r >> 16);
	uint8_t *state = states.hot + w->number * PAGE;

	if (r % 16 == 0) {
		number = 1 + (r >> 32) % IDLE_PAGES;
		state = states.idle + (w->number * IDLE_PAGES + number - 1) * PAGE;
	} else if (r % 4 == 1) {
		state = NULL;
	}
	/* A fork has zeroed all states of a child: these are no drops. */
	if (state && !w->is_child)
		count_events(w, state, number);
	w->state = (uintptr_t)state;
	call_and_check(state, buffer, len, counts, by_thread);
	if (r % 2048 == 0)
		check_bad_flags(states.hot + w->number * PAGE);
}

static noreturn void be_child(struct worker *w)
{
	w->is_child = true;
	soak_pin(1);
	for (int i = 0; i < CHILD_CALLS && !stopped(); i++)
		one_call(w);
	_exit(plant == PLANT_CHILD && next_random(&w->seed) % 16 == 0);
}

static void set_timer(struct worker *w, unsigned int us)
{
	struct itimerspec when = { .it_value = { us / 1000000, us % 1000000 * 1000 } };

	w->fired = false;
	if (timer_settime(w->timer, 0, &when, NULL))
		soak_fault(BAD_CALL, "timer_settime: %s", strerror(errno));
}

/* May interrupt a call, and may fork: then parent and child both continue that call. */
static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
	struct worker *w = self;
	struct soak_counts *counts = &soak->counts[w->number];
	uint64_t r = next_random(&w->handler_seed);
	uint8_t buffer[512 + 1];
	void *state = (void *)w->state;
	int saved = errno;
	pid_t pid;

	(void)sig;
	(void)info;
	(void)ucontext;
	count(&counts->signals);
	call_and_check(state, buffer, VALUE + r % 31 * VALUE, counts, "a handler");
	if (r >> 16 & 1)
		call_and_check(r >> 17 & 1 ? state : NULL, buffer, VALUE, counts, "a handler");
	if ((r >> 20) % 4 == 0 && w->calling && !w->handler_child) {
		pid = _Fork();
		if (pid < 0) {
			soak_fault(BAD_CALL, "fork in a handler: %s", strerror(errno));
		} else if (pid) {
			w->handler_child = pid;
			count(&counts->handler_forks);
		} else {
			w->is_child = true;
			w->is_twin = true;
		}
		call_and_check(state, buffer, VALUE, counts,
			       pid ? "a handler that has forked" : "a handler's child");
	}
	/* A child has no timer. */
	if (vdso.aborts && !w->is_child)
		set_timer(w, OFTEN_US / 2 + (r >> 24) % OFTEN_US);
	else
		w->fired = true;
	if (w->may_jump && !w->is_child && (r >> 32) % 2) {
		w->calling = false;
		w->may_jump = false;
		siglongjmp(w->jump, 1);
	}
	errno = saved;
}

static void make_timer(struct worker *w)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL };

	event.sigev_notify_thread_id = syscall(SYS_gettid);
	if (sigaction(SIGNAL, &sa, NULL) || timer_create(CLOCK_MONOTONIC, &event, &w->timer))
		soak_die("a timer: %s", strerror(errno));
	set_timer(w, 1000);
}

/* Returns 0, or @pid if it has not ended yet. */
static pid_t reap(pid_t pid, int options)
{
	int status;
	pid_t ended = waitpid(pid, &status, options);

	if (ended < 0)
		soak_fault(BAD_CALL, "waitpid: %s", strerror(errno));
	else if (ended && status)
		soak_fault(BAD_CALL, "a child ended with status %#x", status);
	return ended ? 0 : pid;
}

/* Called some time after a fork, so that parent and child call at the same time. */
static void reap_children(struct worker *w, int options)
{
	if (w->child)
		w->child = reap(w->child, options);
	/* The handler does not fork again before this is 0. */
	if (w->handler_child)
		w->handler_child = reap(w->handler_child, options);
}

static void make_child(struct worker *w)
{
	reap_children(w, 0);
	w->child = fork();
	if (!w->child)
		be_child(w);
	if (w->child < 0) {
		soak_fault(BAD_CALL, "fork: %s", strerror(errno));
		w->child = 0;
		return;
	}
	count(&soak->counts[w->number].forks);
}

/* A thread that ends soon: other threads use its states before and after it. */
static void *short_thread(void *arg)
{
	struct soak_counts *counts = arg;
	uint8_t buffer[208 + 1];
	void *state = vgetrandom_alloc();

	call_and_check(NULL, buffer, 208, counts, "a short thread");
	/* The library's states are for the running kernel's vDSO, not for a hosted one. */
	if (state && !vdso.host)
		call_and_check(state, buffer, VALUE, counts, "a short thread");
	vgetrandom_free(state);
	return NULL;
}

static void make_thread(struct worker *w)
{
	sigset_t all, before;
	pthread_t id;
	int error;

	/* Block all signals: only workers have handlers. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&id, NULL, short_thread, &soak->counts[w->number]);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		soak_fault(BAD_CALL, "pthread_create: %s", strerror(error));
		return;
	}
	pthread_join(id, NULL);
	count(&soak->counts[w->number].threads);
}

static void plant_leak_or_hang(struct worker *w)
{
	if (plant == PLANT_LEAK && w->calls % 64 == 0)
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		     -1, 0);
	while (plant == PLANT_HANG && w->calls > 1000)
		sleep(1);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	self = w;
	make_timer(w);
	while (!stopped()) {
		one_call(w);
		if (w->is_child)
			be_child(w);
		w->calls++;
		count(&soak->progress[w->number]);
		plant_leak_or_hang(w);
		if (w->fired)
			set_timer(w, 50 + next_random(&w->seed) % 3000);
		if (w->number == WORKERS - 1 && w->calls % 64 == 0)
			soak_pin(w->calls / 64 % 4 == 0);
		if (w->calls % 16 == 0)
			reap_children(w, WNOHANG);
		if (next_random(&w->seed) % 512 == 0)
			make_child(w);
		if (next_random(&w->seed) % 1024 == 0)
			make_thread(w);
	}
	timer_delete(w->timer);
	reap_children(w, 0);
	return NULL;
}

/* Map states between two inaccessible pages, so that the mapping does not merge with others. */
static uint8_t *map(size_t size)
{
	uint8_t *p = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED)
		p = mmap(p + PAGE, size, vdso.prot, vdso.flags | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED)
		soak_die("mapping states: %s", strerror(errno));
	/* A kernel without droppable memory: at least children must not inherit the states. */
	if (!vdso.droppable && madvise(p, size, MADV_WIPEONFORK))
		soak_die("MADV_WIPEONFORK: %s", strerror(errno));
	return p;
}

void draw_start(uint64_t seed)
{
	states.hot_size = WORKERS * PAGE;
	states.idle_size = WORKERS * IDLE_PAGES * PAGE;
	states.hot = map(states.hot_size);
	states.idle = map(states.idle_size);
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		memset(w, 0, sizeof(*w));
		w->number = i;
		w->seed = next_random(&seed) | 1;
		w->handler_seed = next_random(&seed) | 1;
		if (pthread_create(&w->id, NULL, work, w))
			soak_die("pthread_create failed");
	}
}

void draw_stop(void)
{
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].id, NULL);
	munmap(states.hot - PAGE, states.hot_size + 2 * PAGE);
	munmap(states.idle - PAGE, states.idle_size + 2 * PAGE);
}
