// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inject.h"

#define CPU_LIMIT	20	/* seconds, of a process that a case has forked */

struct inject inject;

static struct {
	unsigned int nhistories, count;
	struct vdso_rng_data rng;
} saved;

static struct {
	pid_t pid;
	const char *name, *what;
} report;

static void print_cases(void)
{
	const struct inject_shared *shared = inject.shared;

	if (getpid() != report.pid)
		return;
	fflush(NULL);
	if (shared->cases)
		printf("# %s: %lu (%s)\n", report.name, shared->cases, report.what);
	if (shared->pairs)
		printf("# %s with two events: %lu\n", report.name, shared->pairs);
}

void inject_count_cases(const char *name, const char *what)
{
	struct inject_shared *shared;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		printf("Bail out! no memory to share: %s\n", strerror(errno));
		exit(1);
	}
	inject.shared = shared;
	report.pid = getpid();
	report.name = name;
	report.what = what;
	atexit(print_cases);
}

static bool is_ready(void)
{
	return !inject.subject.rng || inject.subject.rng->is_ready;
}

static uint64_t generation(void)
{
	return inject.subject.rng ? inject.subject.rng->generation : 0;
}

/* As vdso_rng_publish(): an RNG that is not ready has published generation 0. */
static void publish(bool is_ready)
{
	struct vdso_rng_data *rng = inject.subject.rng;

	rng->generation = is_ready ? inject.generation : 0;
	rng->is_ready = is_ready;
}

static void begin_call(struct call_record *record, uint8_t *buffer, size_t len,
		       unsigned int flags)
{
	const struct vgetrandom_state *state = inject.subject.state;

	record->buffer = buffer;
	record->len = len;
	record->flags = flags;
	record->from = mock_count();
	record->in_use = inject.subject.is_hosted && (state->owner || testbed_thread_in_use());
	record->ready = is_ready();
	record->generation = generation();
}

static void end_call(struct call_record *record, ssize_t ret)
{
	record->ret = ret;
	record->to = mock_count();
	record->may_hold_keys = testbed_may_hold_keys();
	record->limited = inject.limited;
	memcpy(record->out, record->buffer, record->len);
	memcpy(record->after, inject.subject.state, inject.subject.state_len);
}

static struct log_entry *add_entry(char what, unsigned long step)
{
	struct history *history = inject.history;
	struct log_entry *entry = &history->entries[history->nentries++];

	if (history->nentries > MAX_ENTRIES)
		abort();
	entry->what = what;
	entry->serial = inject.shared->serial++;
	entry->step = step;
	entry->at = mock_count();
	if (what != CALLS && what != NEXT)
		memcpy(entry->out, inject.out, inject.len);
	return entry;
}

static void call(char what, unsigned long step, size_t len, unsigned int flags)
{
	uint8_t buffer[INNER_CALL > NEXT_CALL ? INNER_CALL : NEXT_CALL];
	struct call_record *record = &add_entry(what, step)->call;
	const struct subject *s = &inject.subject;

	begin_call(record, buffer, len, flags);
	end_call(record, s->fn(buffer, len, flags, s->state, s->state_len));
}

/* A process that has just been forked continues its parent's log. */
static void new_history(void)
{
	static const struct itimerval limit = { .it_value.tv_sec = CPU_LIMIT };
	struct history *history = &inject.shared->histories[inject.shared->nhistories++];
	unsigned int n = inject.history->nlineage;

	if (inject.shared->nhistories > MAX_HISTORIES || n == MAX_LINEAGE)
		abort();
	memcpy(history, inject.history, sizeof(*history));
	history->lineage[n - 1].to = mock_count();
	history->lineage[n].pid = getpid();
	history->lineage[n].from = mock_count();
	history->lineage[n].to = ~0U;
	history->nlineage = n + 1;
	inject.history = history;
	inject.is_copy = true;
	/* A call that does not return fails the test and does not hang it. */
	setitimer(ITIMER_PROF, &limit, NULL);
}

static bool wait_for(pid_t pid, const char **why)
{
	int status;

	*why = NULL;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		*why = "fork or waitpid failed";
	else if (WIFSIGNALED(status))
		*why = strsignal(WTERMSIG(status));
	else if (WEXITSTATUS(status))
		*why = "a forked process exited with an error";
	return !*why;
}

/* Returns true in the process that acts as the child, which may be fork()'s parent. */
static bool fork_here(unsigned long step, bool as_child, bool *ok)
{
	const struct vdso_rng_data rng = inject.subject.rng ? *inject.subject.rng : saved.rng;
	bool child = as_child;
	const char *why;
	pid_t pid;

	pid = as_child ? testbed_fork() : fork();
	if (!pid) {
		new_history();
		child = !as_child;
	} else {
		/* One process at a time, because both share the RNG's data. */
		*ok = wait_for(pid, &why);
		if (inject.subject.rng)
			*inject.subject.rng = rng;
	}
	if (child) {
		add_entry(WIPED, step);
		testbed_drop();
	}
	return child;
}

/* All that an event does in signal handlers, it does in one: before that the call is aborted. */
static void begin_handler(unsigned long step)
{
	if (step_abort(-EINTR))
		add_entry(ABORTED, step);
}

bool inject_event(const struct event *event, unsigned long step, bool as_child)
{
	const size_t async = strcspn(event->what, (const char []){ CALLS, FORKS, 0 });
	bool ok = true;

	for (const char *p = event->what; *p; p++) {
		if (p == event->what + async)
			begin_handler(step);
		switch (*p) {
		case DROPS:
			add_entry(DROPS, step);
			testbed_drop();
			break;
		case RESEEDS:
			add_entry(RESEEDS, step);
			inject.generation++;
			publish(is_ready());
			break;
		case UNREADY:
			add_entry(UNREADY, step);
			publish(false);
			break;
		case LIMITED:
			add_entry(LIMITED, step);
			inject.limited = true;
			testbed_limit_locking(true);
			break;
		case CALLS:
			call(CALLS, step, INNER_CALL, GRND_NONBLOCK);
			break;
		case FORKS:
			if (!fork_here(step, as_child, &ok))
				return ok;
			break;
		}
	}
	return ok;
}

bool inject_try(const struct event *event, unsigned long step, const char **why)
{
	struct vdso_rng_data *rng = inject.subject.rng;
	pid_t pid;

	saved.nhistories = inject.shared->nhistories;
	saved.count = mock_count();
	if (rng)
		saved.rng = *rng;
	pid = testbed_fork();
	if (!pid) {
		new_history();
		if (!inject_event(event, step, false))
			_exit(1);
		return false;
	}
	return wait_for(pid, why);
}

void inject_undo(void)
{
	inject.shared->nhistories = saved.nhistories;
	/* The record is a ring: make room by dropping the copies' requests. */
	mock->count = saved.count;
	if (inject.subject.rng)
		*inject.subject.rng = saved.rng;
}

/*
 * In a copy, when the call has returned: make one more call. If the RNG is not ready, make one
 * before that, and then make the RNG ready.
 */
static void finish_copy(ssize_t ret)
{
	struct history *history = inject.history;

	end_call(&history->outer, ret);
	if (!is_ready()) {
		call(NEXT, 0, NEXT_CALL, 0);
		publish(true);
	}
	call(NEXT, 0, NEXT_CALL, 0);
	history->generation = generation();
	history->canaries_ok = testbed_canaries_ok();
	history->finished = true;
	_exit(0);
}

/* Bring the state to @start by calls whose keys the mock knows. */
static bool prepare_state(enum start start)
{
	const struct subject *s = &inject.subject;
	size_t lens[] = { s->fill_len, layout_batch_size(&s->layout) - s->part_left };
	unsigned int from = mock_count();
	uint8_t out[MAX_LEN], want[MAX_LEN];

	memset(&inject.before, 0, sizeof(inject.before));
	inject.limited = false;
	testbed_restore();
	testbed_drop();
	if (start != EMPTY)
		testbed_restore();
	for (int i = 0; i < (start == EMPTY ? 0 : start == FULL_BATCH ? 1 : 2); i++) {
		if (s->fn(out, lens[i], 0, s->state, s->state_len) != (ssize_t)lens[i])
			return false;
		if (!i)
			chain_rekey(&inject.before, mock_request(from)->bytes,
				    mock_request(from)->generation);
		chain_take(&inject.before, &s->layout, want, lens[i], NULL);
		if (memcmp(out, want, lens[i]))
			return false;
	}
	return mock_count() - from == (start != EMPTY);
}

ssize_t inject_step(enum start start, size_t len, step_fn step, void *arg)
{
	const struct subject *s = &inject.subject;
	struct history *history = &inject.shared->histories[0];
	ssize_t ret;

	inject.start = start;
	inject.len = len;
	inject.is_copy = false;
	inject.history = history;
	inject.shared->nhistories = 1;
	inject.shared->serial = 0;
	mock->count = 0;
	inject.generation = 1;
	if (s->rng)
		publish(true);
	memset(history, 0, sizeof(*history));
	history->lineage[0].pid = getpid();
	history->lineage[0].to = ~0U;
	history->nlineage = 1;
	/* Try twice: the running kernel may have been reseeded in the middle. */
	if (!prepare_state(start) && !prepare_state(start))
		return -1;
	begin_call(&history->outer, inject.out, len, 0);
	mock->hook = step_here;
	ret = step_call(s->fn, inject.out, len, 0, s->state, s->state_len, step, arg,
			&inject.steps);
	if (inject.is_copy)
		finish_copy(ret);
	mock->hook = NULL;
	return ret;
}
