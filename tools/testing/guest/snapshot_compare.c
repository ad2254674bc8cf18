// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares the logs of a guest that was saved once and restored more than once: see
 * snapshot.h and scripts/tests/snapshot. Runs outside of the guest.
 *
 * usage: snapshot_compare told LOG...		each was told of its new ID, at once
 *	  snapshot_compare generation LOG...	calls begun after that have it
 *	  snapshot_compare idle LOG...		so have states that had waited
 *	  snapshot_compare differ LOG...	no word of a call begun after that occurs twice
 *	  snapshot_compare same LOG LOG		neither was told, and so they do not differ
 *	  snapshot_compare window LOG...	prints what came before it was told
 *
 * Says what is wrong, and exits with 1.
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot.h"

#define MAX_LOGS	16

static const char * const callers[CALLERS] = {
	[VDSO_1] = "vDSO", [VDSO_2] = "vDSO too", [SYSCALL] = "system call",
	[LIBRARY] = "libvgetrandom", [IDLE] = "idle states",
};

/* All that a guest has returned. @fresh: after it was told. */
struct word {
	uint64_t value;
	enum snapshot_caller caller;
	bool restored, fresh;
};

static struct log {
	const char *name;
	const struct snapshot_log *log;
	struct word *words;		/* sorted */
	size_t n_words;
} logs[MAX_LOGS];
static size_t n_logs;

static size_t at_most(uint64_t n, size_t limit)
{
	return n < limit ? n : limit;
}

static size_t logged_window(const struct snapshot_calls *calls)
{
	return at_most(calls->n_window, WINDOW_CALLS);
}

/* It may have been told while the call was made. */
static bool is_new(const struct snapshot_log *log, const struct snapshot_call *call)
{
	return log->new_generation && call->generation >= log->new_generation;
}

static int by_value(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

static void add_words(struct log *l, enum snapshot_caller caller,
		      const struct snapshot_call *calls, size_t n, bool restored, bool after)
{
	for (size_t i = 0; i < n; i++)
		l->words[l->n_words++] = (struct word) {
			.value = calls[i].word, .caller = caller, .restored = restored,
			.fresh = after || is_new(l->log, &calls[i]),
		};
}

static void open_log(struct log *l, const char *name)
{
	int fd = open(name, O_RDONLY);

	l->name = name;
	l->log = mmap(NULL, SNAPSHOT_FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || l->log == MAP_FAILED)
		err(1, "%s", name);
	close(fd);
	if (!l->log->complete)
		errx(1, "%s: not complete", name);
	l->words = calloc(CALLERS * (BEFORE_CALLS + WINDOW_CALLS + AFTER_CALLS),
			  sizeof(*l->words));
	if (!l->words)
		err(1, "words");
	for (int i = 0; i < CALLERS; i++) {
		const struct snapshot_calls *calls = &l->log->of[i];

		add_words(l, i, calls->before, at_most(calls->n_before, BEFORE_CALLS),
			  false, false);
		add_words(l, i, calls->window, logged_window(calls), true, false);
		add_words(l, i, calls->after, at_most(calls->n_after, AFTER_CALLS),
			  true, true);
	}
	qsort(l->words, l->n_words, sizeof(*l->words), by_value);
}

static const struct word *find(const struct log *l, uint64_t value)
{
	struct word key = { .value = value };

	return bsearch(&key, l->words, l->n_words, sizeof(key), by_value);
}

/* How many fresh words of @caller in @a are anywhere in @b? */
static size_t n_shared(const struct log *a, const struct log *b, enum snapshot_caller caller)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_words; i++)
		if (a->words[i].fresh && a->words[i].caller == caller &&
		    find(b, a->words[i].value))
			n++;
	return n;
}

/* In one guest no word comes twice, be it with one from before it was saved. */
static size_t n_repeated(const struct log *l)
{
	size_t n = 0;

	for (size_t i = 1; i < l->n_words; i++)
		if (l->words[i].value == l->words[i - 1].value)
			n++;
	return n;
}

static void check_told(const struct log *l)
{
	const struct snapshot_log *log = l->log;

	if (log->mode != NEW_ID || log->forks != 1)
		errx(1, "%s: the kernel says %llu times that it was told", l->name,
		     (unsigned long long)log->forks);
	/* By this very reseed, and not a later one by the timer. */
	if (log->told >= log->due)
		errx(1, "%s: no new generation before the kernel would have reseeded anyway",
		     l->name);
	if (log->new_generation != log->old_generation + 1)
		errx(1, "%s: generation %llu, then %llu", l->name,
		     (unsigned long long)log->old_generation,
		     (unsigned long long)log->new_generation);
}

static void check_calls(const struct log *l, enum snapshot_caller caller, size_t at_least)
{
	const struct snapshot_calls *calls = &l->log->of[caller];

	if (calls->n_after < at_least)
		errx(1, "%s: %llu calls (%s) since it was told", l->name,
		     (unsigned long long)calls->n_after, callers[caller]);
	for (size_t i = 0; i < calls->n_after; i++)
		if (!is_new(l->log, &calls->after[i]))
			errx(1, "%s: call %zu (%s) since it was told has generation %llu, not %llu",
			     l->name, i, callers[caller],
			     (unsigned long long)calls->after[i].generation,
			     (unsigned long long)l->log->new_generation);
}

static void check_generation(const struct log *l)
{
	check_calls(l, VDSO_1, AFTER_CALLS);
	check_calls(l, VDSO_2, AFTER_CALLS);
}

static void check_idle(const struct log *l)
{
	check_calls(l, IDLE, 1);
}

static void check_differ(const struct log *l)
{
	size_t n = n_repeated(l);

	if (n)
		errx(1, "%s: %zu words are there twice", l->name, n);
	for (size_t i = 0; i < n_logs; i++)
		for (int caller = 0; caller < CALLERS && l != &logs[i]; caller++) {
			n = n_shared(l, &logs[i], caller);
			if (n)
				errx(1, "%s and %s: %zu words (%s) are in both", l->name,
				     logs[i].name, n, callers[caller]);
		}
}

/* Two guests at the same point; the one that has got further has all of the other's. */
static void check_same(void)
{
	if (n_logs != 2)
		errx(1, "two logs are needed");
	for (size_t i = 0; i < 2; i++)
		if (logs[i].log->new_generation || logs[i].log->forks)
			errx(1, "%s: it was told", logs[i].name);
	for (int caller = 0; caller < CALLERS; caller++) {
		size_t n = n_shared(&logs[0], &logs[1], caller);
		size_t m = n_shared(&logs[1], &logs[0], caller);

		printf("# %s: %zu of %llu calls return the same bytes\n", callers[caller],
		       n > m ? n : m,
		       (unsigned long long)logs[n > m ? 0 : 1].log->of[caller].n_after);
		if (!n && !m)
			errx(1, "no words (%s) are in both", callers[caller]);
	}
}

static double milliseconds(const struct snapshot_log *log)
{
	uint64_t saved = 0;

	for (int i = 0; i < CALLERS; i++)
		for (size_t j = 0; j < at_most(log->of[i].n_before, BEFORE_CALLS); j++)
			if (log->of[i].before[j].end > saved)
				saved = log->of[i].before[j].end;
	return (double)(log->told - saved) / log->khz;
}

/* What calls of @caller have returned before the guest was told. */
static size_t n_stale(const struct snapshot_log *log, enum snapshot_caller caller)
{
	const struct snapshot_calls *calls = &log->of[caller];
	size_t n = calls->n_window;

	for (size_t i = 0; i < logged_window(calls); i++)
		if (is_new(log, &calls->window[i]))
			n--;
	return n;
}

/* How often that was what another guest has, too. */
static size_t n_double(const struct log *l, enum snapshot_caller caller)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_words; i++) {
		const struct word *word = &l->words[i];
		bool found = false;

		if (!word->restored || word->fresh || word->caller != caller)
			continue;
		for (size_t j = 0; j < n_logs && !found; j++)
			found = l != &logs[j] && find(&logs[j], word->value);
		n += found;
	}
	return n;
}

static void print_window(const struct log *l)
{
	printf("# %s: told %.1f ms after the restore. Calls until then, and how many with bytes\n"
	       "#   that another restore has too:", l->name, milliseconds(l->log));
	for (int i = 0; i < CALLERS; i++)
		printf(" %s %zu (%zu)%s", callers[i], n_stale(l->log, i), n_double(l, i),
		       i < CALLERS - 1 ? "," : "\n");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(const struct log *l);
	} what[] = {
		{ "told", check_told }, { "generation", check_generation },
		{ "idle", check_idle }, { "differ", check_differ }, { "window", print_window },
		{ NULL, NULL },
	};

	if (argc < 3 || argc - 2 > MAX_LOGS)
		errx(1, "usage: snapshot_compare told|generation|idle|differ|same|window LOG...");
	for (int i = 2; i < argc; i++)
		open_log(&logs[n_logs++], argv[i]);
	if (!strcmp(argv[1], "same")) {
		check_same();
		return 0;
	}
	for (size_t i = 0; what[i].name; i++) {
		if (strcmp(argv[1], what[i].name))
			continue;
		for (size_t j = 0; j < n_logs; j++)
			what[i].fn(&logs[j]);
		return 0;
	}
	errx(1, "there is no '%s'", argv[1]);
}
