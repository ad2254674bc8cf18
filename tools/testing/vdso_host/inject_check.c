// SPDX-License-Identifier: GPL-2.0-only
/*
 * The oracle: it knows every key that the kernel gave, to whom and when, and goes
 * through what a process has logged in the order in which it took place. At every
 * moment it knows the one chain of bytes that the process' state may hand out from, if
 * any: none once the page was dropped or wiped, and none of an older generation. So
 * bytes are right only if they come from a key that the kernel gave for this state, to
 * this process, and that is new enough; and only once. Then it looks for bytes that two
 * processes, or handlers in them, have been given.
 *
 * One thing is not logged: when the interrupted call took its bytes, if it did so from a
 * key that was there before. So that is tried at each place.
 */
#include <linux/random.h>
#include <stdio.h>
#include <string.h>

#include "inject.h"

#define NONE (~0U)

struct given {
	unsigned int serial;		/* of the call; of the interrupted one NONE */
	struct spans spans;
};

struct judge {
	const struct line *line;
	struct chain m;			/* what the state has to give */
	uint64_t generation;
	bool ready;
	bool late;			/* for an event, so it had its bytes before */
	bool wiped_late;		/* in the child, which has the parent's, then */
	unsigned long late_point;
	unsigned int ngiven;
	struct given given[MAX_ITEMS + 1];
};

static struct spans *give(struct judge *j, unsigned int serial)
{
	struct given *g = &j->given[j->ngiven++];

	g->serial = serial;
	g->spans.n = 0;
	return &g->spans;
}

/* What one call asked the kernel for. */
struct asked {
	unsigned int nkeys, key;	/* the last one */
	unsigned int fallback;		/* or NONE */
	unsigned int others;
};

static bool is_call(const struct item *item)
{
	return item->what == CALLS || item->what == NEXT;
}

static bool belongs(const struct line *line, unsigned int n)
{
	for (unsigned int i = 0; i < line->generations; i++)
		if (mock_request(n)->pid == line->lineage[i].pid &&
		    n >= line->lineage[i].from && n < line->lineage[i].to)
			return true;
	return false;
}

/* Inside of one of the calls that have interrupted the outer one? */
static bool is_inner(const struct line *line, unsigned int n)
{
	for (unsigned int i = 0; i < line->nitems; i++)
		if (is_call(&line->items[i]) && n >= line->items[i].made.from &&
		    n < line->items[i].made.to)
			return true;
	return false;
}

static struct asked what_asked(const struct line *line, const struct made *m)
{
	struct asked a = { .fallback = NONE };

	for (unsigned int n = m->from; n < m->to; n++) {
		const struct mock_request *r = mock_request(n);

		if (!belongs(line, n) || (m == &line->outer && is_inner(line, n)))
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
static const char *wrong_bytes(const struct made *m, const char *otherwise)
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
static void find_counter(struct chain *chain, const struct made *m)
{
	unsigned int most = 2 * (m->len / VGETRANDOM_BLOCK_SIZE + inject.subject.layout.kept);
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

static const char *took(struct judge *j, const struct made *m, struct spans *spans)
{
	uint8_t want[MAX_LEN];

	if (!j->m.valid)
		return wrong_bytes(m, "bytes that come from no key: the state was lost");
	if (j->m.generation != j->generation)
		return wrong_bytes(m, "bytes of an older generation");
	if (!inject.subject.ours)
		find_counter(&j->m, m);
	chain_take(&j->m, &inject.subject.layout, want, m->len, spans);
	if (memcmp(want, m->out, m->len))
		return wrong_bytes(m, "bytes that are not those of the key");
	return NULL;
}

static const char *fell_back(const struct made *m, unsigned int n, struct spans *spans)
{
	const struct mock_request *r = mock_request(n);
	uint64_t id;

	memcpy(&id, r->bytes, sizeof(id));
	spans_add(spans, id, 0, m->len);
	return memcmp(m->out, r->bytes, m->len) ? "other bytes than the system call's" : NULL;
}

/* The kernel refuses to lock states' memory: then only the system call is right. */
static bool is_refused(const struct made *m)
{
	return !m->may_keep && m->limited;
}

static const char *draw_key(struct judge *j, unsigned int key)
{
	const struct mock_request *r = mock_request(key);

	chain_rekey(&j->m, r->bytes, r->generation);
	return r->may_keep ? NULL : "a key in memory that is not locked";
}

/* A handler's call, or one after it all: nothing happens in the course of it. */
static const char *judge_call(struct judge *j, const struct item *item)
{
	const struct made *m = &item->made;
	struct spans *spans = give(j, item->serial);
	const struct asked a = what_asked(j->line, m);
	bool may_draw = j->m.valid && j->m.generation == j->generation;
	const char *why = NULL;

	if (m->ret != (ssize_t)m->len)
		return "a call has failed";
	if (a.others || a.nkeys > 1)
		return "a call asks the kernel for something else, or too often";
	if (a.fallback != NONE) {
		if (a.nkeys)
			return "a call asks for a key, and then makes the system call";
		if (inject.subject.ours && !m->in_use && m->ready && !is_refused(m))
			return "a system call without need";
		return fell_back(m, a.fallback, spans);
	}
	if (m->in_use)
		return "in use, and the call is no system call";
	if (!m->ready)
		return "not ready, and the call is no system call";
	if (a.nkeys) {
		if (may_draw && !j->m.may_rekey && inject.subject.ours)
			return "a new key without need";
		why = draw_key(j, a.key);
	}
	return why ? why : took(j, m, spans);
}

/* How often has the interrupted call lost its state, or found it stale, before @n? */
static unsigned int losses_before(const struct line *line, unsigned int n)
{
	unsigned long last = ~0UL;
	unsigned int losses = 0;

	for (unsigned int i = 0; i < line->nitems; i++) {
		const struct item *item = &line->items[i];

		if (!memchr("dwr", item->what, 3) || item->at > n || item->point == last)
			continue;
		losses++;
		last = item->point;
	}
	return losses;
}

static const char *judge_outer(struct judge *j, const struct asked *a)
{
	const struct made *m = &j->line->outer;
	struct spans *spans = give(j, NONE);
	const char *why = NULL;

	if (a->fallback != NONE) {
		/* It gives up when it has lost two attempts; or it has not begun any. */
		if (inject.subject.ours && j->ready && !is_refused(m) &&
		    losses_before(j->line, a->fallback) < 2)
			return "a system call without need";
		j->m.may_rekey = true;
		return fell_back(m, a->fallback, spans);
	}
	if (a->nkeys) {
		if (inject.subject.ours && inject.before.valid &&
		    !losses_before(j->line, a->key))
			return "a new key without need";
		why = draw_key(j, a->key);
	}
	return why ? why : took(j, m, spans);
}

/* What happens after the call has taken its bytes is too late only if it has them all. */
static const char *judge_late(struct judge *j, const struct item *item)
{
	const struct made *m = &j->line->outer;

	if (memcmp(item->out, m->out, m->len))
		return "bytes of a key from before the event";
	if (!j->late)
		j->late_point = item->point;
	j->late = true;
	j->wiped_late |= item->what == WIPED;
	return NULL;
}

/* Is the state what it has to be: the rest of the batch, the next key, and zeros? */
static bool state_is_right(const struct chain *m, const uint8_t *state)
{
	static const uint8_t scratch[VGETRANDOM_SCRATCH_SIZE];
	const struct vgetrandom_state *is = (const void *)state;

	return !inject.subject.ours ||
	       (!is->owner && is->available == m->left &&
		!memcmp(is->key, m->key, sizeof(is->key)) &&
		!memcmp(is->batch, m->batch, sizeof(is->batch)) &&
		!memcmp(is->scratch, scratch, sizeof(is->scratch)));
}

/* When no call is under way, keys are only where they may be. */
static bool state_is_kept(const struct made *m)
{
	static const struct chain nothing;

	return m->may_keep || state_is_right(&nothing, m->after);
}

/* The interrupted call took its bytes after @slot of the other items. */
static const char *judge_order(struct judge *j, const struct asked *a, unsigned int slot)
{
	static const struct chain nothing;
	const struct line *line = j->line;
	const struct made *last;
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i <= line->nitems && !why; i++) {
		const struct item *item = &line->items[i];

		if (i == slot)
			why = judge_outer(j, a);
		if (why || i == line->nitems || item->what == NEXT)
			break;
		/* To the bytes of a system call it is only a fork that matters. */
		if (i >= slot && strchr(a->fallback == NONE ? "dwr" : "w", item->what))
			why = judge_late(j, item);
		switch (item->what) {
		case RESEEDS:
			j->generation++;
			break;
		case UNREADY:
			j->ready = false;
			break;
		case DROPS:
		case WIPED:
			memset(&j->m, 0, sizeof(j->m));
			break;
		case CALLS:
			why = why ? why : judge_call(j, item);
			break;
		}
	}
	if (why)
		return why;
	if (!state_is_right(&j->m, line->outer.after) &&
	    !(j->m.may_rekey && state_is_right(&nothing, line->outer.after)))
		return "a wrong state is left";
	if (!state_is_kept(&line->outer))
		return "keys are left in memory that is not locked";
	for (; i < line->nitems; i++) {
		why = judge_call(j, &line->items[i]);
		if (why)
			return why;
	}
	last = &line->items[i - 1].made;
	if (!state_is_right(&j->m, last->after))
		return "the next call leaves a wrong state";
	if (!state_is_kept(last))
		return "the next call leaves keys in memory that is not locked";
	if (inject.subject.ours && last->may_keep &&
	    ((const struct vgetrandom_state *)last->after)->generation != j->generation)
		return "the next call leaves a state of another generation";
	return NULL;
}

/* A process, by itself. */
static const char *judge_line(const struct line *line, struct judge *j)
{
	const struct asked a = what_asked(line, &line->outer);
	const char *why = NULL, *first = NULL;
	unsigned int slot = 0, last = 0, got = a.fallback;

	if (!line->finished)
		return "the call has not come to its end";
	if (!line->canaries_ok)
		return "bytes outside of the state have changed";
	if (line->outer.ret != (ssize_t)line->outer.len)
		return "the call has failed";
	if (a.others)
		return "the call asks the kernel for something else";
	if (a.nkeys > 2)
		return "more than two keys";
	if (a.fallback == NONE && a.nkeys)
		got = a.key;
	for (unsigned int i = 0; i < line->nitems && line->items[i].what != NEXT; i++) {
		last++;
		slot += got != NONE && line->items[i].at <= got;
	}
	if (got != NONE)
		last = slot;
	for (; slot <= last; slot++) {
		j->line = line;
		j->late = false;
		j->wiped_late = false;
		j->ngiven = 0;
		j->m = inject.before;
		j->generation = line->outer.generation;
		j->ready = line->outer.ready;
		why = judge_order(j, &a, slot);
		if (!why)
			return NULL;
		first = first ? first : why;
	}
	return first;
}

/* What everybody was given. */
static struct {
	unsigned int serials[MAX_LINES * MAX_ITEMS], nserials;
	struct spans spans;
} all;

static bool is_known(unsigned int serial)
{
	for (unsigned int i = 0; i < all.nserials; i++)
		if (all.serials[i] == serial)
			return true;
	return false;
}

static const char *judge_given(const struct judge *j)
{
	for (unsigned int i = 0; i < j->ngiven; i++) {
		const struct given *g = &j->given[i];

		/* Calls of before a fork, which the child has not made; or not by itself. */
		if (g->serial == NONE ? j->wiped_late : is_known(g->serial))
			continue;
		if (g->serial != NONE)
			all.serials[all.nserials++] = g->serial;
		if (!spans_add_all(&all.spans, &g->spans))
			return "bytes that were handed out twice";
	}
	return NULL;
}

void inject_check(struct verdict *v)
{
	static const char * const names[MAX_LINES] = {
		"", "first process", "second process", "third process",
		"4th process", "5th process", "6th process", "7th process",
	};
	static struct judge j;

	memset(v, 0, sizeof(*v));
	all.nserials = 0;
	all.spans.n = 0;
	for (unsigned int i = 1; i < inject.shared->nlines && !v->why; i++) {
		v->process = names[i];
		v->why = judge_line(&inject.shared->lines[i], &j);
		if (v->why)
			break;
		v->why = judge_given(&j);
		if (j.late && (!v->late || j.late_point < v->late_point))
			v->late_point = j.late_point;
		v->late = v->late || j.late;
	}
}
