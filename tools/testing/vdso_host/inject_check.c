// SPDX-License-Identifier: GPL-2.0-only
/*
 * The oracle: it knows every key that the kernel gave, to whom and when, and goes
 * through what a process has logged in the order in which it check_bytes place. At every
 * moment it knows the one chain of bytes that the process' state may hand out from, if
 * any: none once the page was dropped or wiped, and none of an older generation. So
 * bytes are right only if they come from a key that the kernel gave for this state, to
 * this process, and that is new enough; and only once. Then it looks for bytes that two
 * processes, or handlers in them, have been given.
 *
 * One thing is not logged: when the interrupted call check_bytes its bytes, if it did so from a
 * key that was there before. So that is tried at each place.
 */
#include <linux/random.h>
#include <stdio.h>
#include <string.h>

#include "inject.h"

#define NONE (~0U)

struct output {
	unsigned int serial;		/* of the call; of the interrupted one NONE */
	struct spans spans;
};

struct replay {
	const struct history *history;
	struct chain chain;			/* what the state has to give */
	uint64_t generation;
	bool ready;
	bool committed;			/* for an event, so it had its bytes before */
	bool wiped_after_commit;		/* in the child, which has the parent's, then */
	unsigned long committed_at;
	unsigned int noutputs;
	struct output outputs[MAX_ENTRIES + 1];
};

static struct spans *add_output(struct replay *replay, unsigned int serial)
{
	struct output *g = &replay->outputs[replay->noutputs++];

	g->serial = serial;
	g->spans.n = 0;
	return &g->spans;
}

/* What one call asked the kernel for. */
struct requests {
	unsigned int nkeys, key;	/* the last one */
	unsigned int fallback;		/* or NONE */
	unsigned int others;
};

static bool is_call(const struct log_entry *entry)
{
	return entry->what == CALLS || entry->what == NEXT;
}

static bool is_request_of(const struct history *history, unsigned int n)
{
	for (unsigned int i = 0; i < history->nlineage; i++)
		if (mock_request(n)->pid == history->lineage[i].pid &&
		    n >= history->lineage[i].from && n < history->lineage[i].to)
			return true;
	return false;
}

/* Inside of one of the calls that have interrupted the outer one? */
static bool is_inner_request(const struct history *history, unsigned int n)
{
	for (unsigned int i = 0; i < history->nentries; i++)
		if (is_call(&history->entries[i]) && n >= history->entries[i].made.from &&
		    n < history->entries[i].made.to)
			return true;
	return false;
}

static struct requests get_requests(const struct history *history, const struct call_record *m)
{
	struct requests a = { .fallback = NONE };

	for (unsigned int n = m->from; n < m->to; n++) {
		const struct mock_request *r = mock_request(n);

		if (!is_request_of(history, n) || (m == &history->outer && is_inner_request(history, n)))
			continue;
		if (r->is_key && r->len == VGETRANDOM_KEY_SIZE && !r->flags &&
		    a.fallback == NONE) {
			a.nkeys++;
			a.key = n;
		} else if (r->buffer == m->buffer && r->len == m->len &&
			   r->flags == m->flags && a.fallback == NONE) {
			a.fallback = n;
		} else {
			a.others++;
		}
	}
	return a;
}

/* Of bytes that are wrong: is it the worst that they could be? */
static const char *wrong_bytes(const struct call_record *m, const char *otherwise)
{
	static const uint8_t zero[MAX_LEN];
	struct chain c = { .valid = true };
	uint8_t out[MAX_LEN];

	if (m->len >= 4 && !memcmp(m->out, zero, m->len))
		return "zeros: those of a batch that was dropped";
	chain_take(&c, &inject.subject.layout, out, m->len, NULL);
	if (!memcmp(m->out, out, m->len < 32 ? m->len : 32))
		return "bytes of a key of zeros";
	return otherwise;
}

/*
 * The kernel's own goes on counting blocks when it starts over with a new key. That is
 * as good as any other way, and no secret: how many blocks there were is tried.
 */
static void find_counter(struct chain *chain, const struct call_record *m)
{
	unsigned int most = 2 * (m->len / VGETRANDOM_BLOCK_SIZE + inject.subject.layout.refill_blocks);
	uint8_t want[MAX_LEN];

	if (chain->left || chain->id)
		return;
	for (unsigned int n = 0; n <= most; n++) {
		struct chain c = *chain;

		c.counter = n;
		chain_take(&c, &inject.subject.layout, want, m->len, NULL);
		if (!memcmp(want, m->out, m->len)) {
			chain->counter = n;
			return;
		}
	}
}

static const char *check_bytes(struct replay *replay, const struct call_record *m, struct spans *spans)
{
	uint8_t want[MAX_LEN];

	if (!replay->chain.valid)
		return wrong_bytes(m, "bytes that come from no key: the state was lost");
	if (replay->chain.generation != replay->generation)
		return wrong_bytes(m, "bytes of an older generation");
	if (!inject.subject.is_hosted)
		find_counter(&replay->chain, m);
	chain_take(&replay->chain, &inject.subject.layout, want, m->len, spans);
	if (memcmp(want, m->out, m->len))
		return wrong_bytes(m, "bytes that are not those of the key");
	return NULL;
}

static const char *check_fallback(const struct call_record *m, unsigned int n, struct spans *spans)
{
	const struct mock_request *r = mock_request(n);
	uint64_t id;

	memcpy(&id, r->bytes, sizeof(id));
	spans_add(spans, id, 0, m->len);
	return memcmp(m->out, r->bytes, m->len) ? "other bytes than the system call's" : NULL;
}

/* The kernel refuses to lock states' memory: then only the system call is right. */
static bool is_locking_refused(const struct call_record *m)
{
	return !m->may_hold_keys && m->limited;
}

static const char *load_key(struct replay *replay, unsigned int key)
{
	const struct mock_request *r = mock_request(key);

	chain_rekey(&replay->chain, r->bytes, r->generation);
	return r->may_hold_keys ? NULL : "a key in memory that is not locked";
}

/* A handler's call, or one after it all: nothing happens in the course of it. */
static const char *check_call(struct replay *replay, const struct log_entry *entry)
{
	const struct call_record *m = &entry->made;
	struct spans *spans = add_output(replay, entry->serial);
	const struct requests a = get_requests(replay->history, m);
	bool has_valid_key = replay->chain.valid && replay->chain.generation == replay->generation;
	const char *why = NULL;

	if (m->ret != (ssize_t)m->len)
		return "a call has failed";
	if (a.others || a.nkeys > 1)
		return "a call asks the kernel for something else, or too often";
	if (a.fallback != NONE) {
		if (a.nkeys)
			return "a call asks for a key, and then makes the system call";
		if (inject.subject.is_hosted && !m->in_use && m->ready && !is_locking_refused(m))
			return "a system call without need";
		return check_fallback(m, a.fallback, spans);
	}
	if (m->in_use)
		return "in use, and the call is no system call";
	if (!m->ready)
		return "not ready, and the call is no system call";
	if (a.nkeys) {
		if (has_valid_key && !replay->chain.may_rekey && inject.subject.is_hosted)
			return "a new key without need";
		why = load_key(replay, a.key);
	}
	return why ? why : check_bytes(replay, m, spans);
}

/* How often has the interrupted call lost its state, or found it stale, before @n? */
static unsigned int invalidations_before(const struct history *history, unsigned int n)
{
	unsigned long last = ~0UL;
	unsigned int invalidations = 0;

	for (unsigned int i = 0; i < history->nentries; i++) {
		const struct log_entry *entry = &history->entries[i];

		if (!memchr("dwr", entry->what, 3) || entry->at > n || entry->step == last)
			continue;
		invalidations++;
		last = entry->step;
	}
	return invalidations;
}

static const char *check_outer(struct replay *replay, const struct requests *a)
{
	const struct call_record *m = &replay->history->outer;
	struct spans *spans = add_output(replay, NONE);
	const char *why = NULL;

	if (a->fallback != NONE) {
		/* It gives up when it has lost two attempts; or it has not begun any. */
		if (inject.subject.is_hosted && replay->ready && !is_locking_refused(m) &&
		    invalidations_before(replay->history, a->fallback) < 2)
			return "a system call without need";
		replay->chain.may_rekey = true;
		return check_fallback(m, a->fallback, spans);
	}
	if (a->nkeys) {
		if (inject.subject.is_hosted && inject.before.valid &&
		    !invalidations_before(replay->history, a->key))
			return "a new key without need";
		why = load_key(replay, a->key);
	}
	return why ? why : check_bytes(replay, m, spans);
}

/* What happens after the call has taken its bytes is too late only if it has them all. */
static const char *check_committed(struct replay *replay, const struct log_entry *entry)
{
	const struct call_record *m = &replay->history->outer;

	if (memcmp(entry->out, m->out, m->len))
		return "bytes of a key from before the event";
	if (!replay->committed)
		replay->committed_at = entry->step;
	replay->committed = true;
	replay->wiped_after_commit |= entry->what == WIPED;
	return NULL;
}

/* Is the state what it has to be: the rest of the batch, the next key, and zeros? */
static bool state_is_right(const struct chain *m, const uint8_t *state)
{
	static const uint8_t scratch[VGETRANDOM_SCRATCH_SIZE];
	const struct vgetrandom_state *is = (const void *)state;

	return !inject.subject.is_hosted ||
	       (!is->owner && is->available == m->left &&
		!memcmp(is->key, m->key, sizeof(is->key)) &&
		!memcmp(is->batch, m->batch, sizeof(is->batch)) &&
		!memcmp(is->scratch, scratch, sizeof(is->scratch)));
}

/* When no call is under way, keys are only where they may be. */
static bool keys_are_locked(const struct call_record *m)
{
	static const struct chain nothing;

	return m->may_hold_keys || state_is_right(&nothing, m->after);
}

/* The interrupted call check_bytes its bytes after @slot of the other entries. */
static const char *check_order(struct replay *replay, const struct requests *a, unsigned int slot)
{
	static const struct chain nothing;
	const struct history *history = replay->history;
	const struct call_record *last;
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i <= history->nentries && !why; i++) {
		const struct log_entry *entry = &history->entries[i];

		if (i == slot)
			why = check_outer(replay, a);
		if (why || i == history->nentries || entry->what == NEXT)
			break;
		/* To the bytes of a system call it is only a fork that matters. */
		if (i >= slot && strchr(a->fallback == NONE ? "dwr" : "w", entry->what))
			why = check_committed(replay, entry);
		switch (entry->what) {
		case RESEEDS:
			replay->generation++;
			break;
		case UNREADY:
			replay->ready = false;
			break;
		case DROPS:
		case WIPED:
			memset(&replay->chain, 0, sizeof(replay->chain));
			break;
		case CALLS:
			why = why ? why : check_call(replay, entry);
			break;
		}
	}
	if (why)
		return why;
	if (!state_is_right(&replay->chain, history->outer.after) &&
	    !(replay->chain.may_rekey && state_is_right(&nothing, history->outer.after)))
		return "a wrong state is left";
	if (!keys_are_locked(&history->outer))
		return "keys are left in memory that is not locked";
	for (; i < history->nentries; i++) {
		why = check_call(replay, &history->entries[i]);
		if (why)
			return why;
	}
	last = &history->entries[i - 1].made;
	if (!state_is_right(&replay->chain, last->after))
		return "the next call leaves a wrong state";
	if (!keys_are_locked(last))
		return "the next call leaves keys in memory that is not locked";
	if (inject.subject.is_hosted && last->may_hold_keys &&
	    ((const struct vgetrandom_state *)last->after)->generation != replay->generation)
		return "the next call leaves a state of another generation";
	return NULL;
}

/* A process, by itself. */
static const char *check_history(const struct history *history, struct replay *replay)
{
	const struct requests a = get_requests(history, &history->outer);
	const char *why = NULL, *first = NULL;
	unsigned int slot = 0, last = 0, got = a.fallback;

	if (!history->finished)
		return "the call has not come to its end";
	if (!history->canaries_ok)
		return "bytes outside of the state have changed";
	if (history->outer.ret != (ssize_t)history->outer.len)
		return "the call has failed";
	if (a.others)
		return "the call asks the kernel for something else";
	if (a.nkeys > 2)
		return "more than two keys";
	if (a.fallback == NONE && a.nkeys)
		got = a.key;
	for (unsigned int i = 0; i < history->nentries && history->entries[i].what != NEXT; i++) {
		last++;
		slot += got != NONE && history->entries[i].at <= got;
	}
	if (got != NONE)
		last = slot;
	for (; slot <= last; slot++) {
		replay->history = history;
		replay->committed = false;
		replay->wiped_after_commit = false;
		replay->noutputs = 0;
		replay->chain = inject.before;
		replay->generation = history->outer.generation;
		replay->ready = history->outer.ready;
		why = check_order(replay, &a, slot);
		if (!why)
			return NULL;
		first = first ? first : why;
	}
	return first;
}

/* What everybody was given. */
static struct {
	unsigned int serials[MAX_HISTORIES * MAX_ENTRIES], nserials;
	struct spans spans;
} returned;

static bool is_recorded(unsigned int serial)
{
	for (unsigned int i = 0; i < returned.nserials; i++)
		if (returned.serials[i] == serial)
			return true;
	return false;
}

static const char *check_unique(const struct replay *replay)
{
	for (unsigned int i = 0; i < replay->noutputs; i++) {
		const struct output *g = &replay->outputs[i];

		/* Calls of before a fork, which the child has not made; or not by itself. */
		if (g->serial == NONE ? replay->wiped_after_commit : is_recorded(g->serial))
			continue;
		if (g->serial != NONE)
			returned.serials[returned.nserials++] = g->serial;
		if (!spans_add_all(&returned.spans, &g->spans))
			return "bytes that were handed out twice";
	}
	return NULL;
}

void inject_check(struct verdict *v)
{
	static const char * const names[MAX_HISTORIES] = {
		"", "first process", "second process", "third process",
		"4th process", "5th process", "6th process", "7th process",
	};
	static struct replay replay;

	memset(v, 0, sizeof(*v));
	returned.nserials = 0;
	returned.spans.n = 0;
	for (unsigned int i = 1; i < inject.shared->nhistories && !v->why; i++) {
		v->process = names[i];
		v->why = check_history(&inject.shared->histories[i], &replay);
		if (v->why)
			break;
		v->why = check_unique(&replay);
		if (replay.committed && (!v->committed || replay.committed_at < v->committed_at))
			v->committed_at = replay.committed_at;
		v->committed = v->committed || replay.committed;
	}
}
