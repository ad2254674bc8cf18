// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks the logs of inject.c against the keys that the mock kernel has returned.
 *
 * A process' log is replayed in order. The replay knows at every entry which chain of bytes
 * the state may return: none once the page was dropped or wiped, and none of an older
 * generation. So bytes pass only if they come from a key that the kernel returned to this
 * process, for this state, in the current generation. Afterwards the check looks for bytes
 * that were returned twice, in one process or in two.
 *
 * The log does not say when the interrupted call took bytes from a key that it did not ask
 * for: one that was there before the call, or that of a handler which ran between two attempts
 * of the call. So the replay tries each place between two entries.
 *
 * A call that the kernel has aborted starts over: its bytes come from after the last abort, or
 * it was complete before. Then the abort counts as an event after the call was committed.
 */
#include <linux/random.h>
#include <stdio.h>
#include <string.h>

#include "inject.h"

#define NONE (~0U)

struct output {
	unsigned int serial;		/* of the call's entry; NONE for the interrupted call */
	struct spans spans;
};

struct replay {
	const struct history *history;
	struct chain chain;		/* the bytes that the state may return */
	uint64_t generation;
	bool ready;
	bool aborted;			/* the state is what an abort has left: no call since */
	bool committed;			/* an event came after the call had all its bytes */
	bool wiped_after_commit;	/* and was a fork: parent and child return the same bytes */
	unsigned long committed_at;
	unsigned int noutputs;
	struct output outputs[MAX_ENTRIES + 1];
};

static struct spans *add_output(struct replay *replay, unsigned int serial)
{
	struct output *output = &replay->outputs[replay->noutputs++];

	output->serial = serial;
	output->spans.n = 0;
	return &output->spans;
}

/* The requests that one call made to the kernel. */
struct requests {
	unsigned int nkeys, key;	/* number of the last request for a key */
	unsigned int fallback;		/* number of the fallback system call, or NONE */
	unsigned int others;
	unsigned int aborts;		/* of the call, before the first of these requests */
	bool loads_key;			/* the call's bytes come from its last key */
};

static bool is_call(const struct log_entry *entry)
{
	return entry->what == CALLS || entry->what == NEXT;
}

/* After this event a state may no longer return bytes of an older key. */
static bool is_invalidation(const struct log_entry *entry)
{
	return entry->what == DROPS || entry->what == WIPED || entry->what == RESEEDS ||
	       entry->what == UNREADY || entry->what == ABORTED;
}

static bool is_request_of(const struct history *history, unsigned int n)
{
	for (unsigned int i = 0; i < history->nlineage; i++)
		if (mock_request(n)->pid == history->lineage[i].pid &&
		    n >= history->lineage[i].from && n < history->lineage[i].to)
			return true;
	return false;
}

/* Was request @n made by one of the calls that interrupted the outer one? */
static bool is_inner_request(const struct history *history, unsigned int n)
{
	for (unsigned int i = 0; i < history->nentries; i++)
		if (is_call(&history->entries[i]) && n >= history->entries[i].call.from &&
		    n < history->entries[i].call.to)
			return true;
	return false;
}

/* The requests from number @from on. */
static struct requests get_requests(const struct history *history,
				    const struct call_record *call, unsigned int from)
{
	struct requests requests = { .fallback = NONE };

	for (unsigned int n = from; n < call->to; n++) {
		const struct mock_request *r = mock_request(n);

		if (!is_request_of(history, n) ||
		    (call == &history->outer && is_inner_request(history, n)))
			continue;
		if (r->is_key && r->len == VGETRANDOM_KEY_SIZE && !r->flags &&
		    requests.fallback == NONE) {
			requests.nkeys++;
			requests.key = n;
		} else if (r->buffer == call->buffer && r->len == call->len &&
			   r->flags == call->flags && requests.fallback == NONE) {
			requests.fallback = n;
		} else {
			requests.others++;
		}
	}
	return requests;
}

/* Say so if wrong bytes are the worst possible ones: known to an attacker. */
static const char *wrong_bytes(const struct call_record *call, const char *otherwise)
{
	static const uint8_t zero[MAX_LEN];
	struct chain zero_key = { .valid = true };
	uint8_t out[MAX_LEN];

	if (call->len >= 4 && !memcmp(call->out, zero, call->len))
		return "the call returned zeros: bytes of a dropped batch";
	chain_take(&zero_key, &inject.subject.layout, out, call->len, NULL);
	if (!memcmp(call->out, out, call->len < 32 ? call->len : 32))
		return "the call returned bytes of an all-zero key";
	return otherwise;
}

/*
 * Linux 6.11's generator keeps its block counter when it starts over with a new key, which
 * is safe. So find the counter that explains the bytes.
 */
static void find_counter(struct chain *chain, const struct call_record *call)
{
	const size_t refill = inject.subject.layout.refill_blocks;
	unsigned int most = 2 * (call->len / VGETRANDOM_BLOCK_SIZE + refill);
	uint8_t want[MAX_LEN];

	if (chain->left || chain->id)
		return;
	for (unsigned int n = 0; n <= most; n++) {
		struct chain c = *chain;

		c.counter = n;
		chain_take(&c, &inject.subject.layout, want, call->len, NULL);
		if (!memcmp(want, call->out, call->len)) {
			chain->counter = n;
			return;
		}
	}
}

/*
 * The next bytes, in the chunks of vgetrandom_slow(): each abort makes the next chunk smaller,
 * and each chunk the one after it larger. The tests abort a call only in its first chunk.
 */
static void take_chunks(struct replay *replay, unsigned int aborts, uint8_t *out, size_t len,
			struct spans *spans)
{
	static const size_t chunks[] = { MAX_CHUNK, 4032, 960, 192 };
	size_t level = aborts < ARRAY_SIZE(chunks) ? aborts : ARRAY_SIZE(chunks) - 1;
	size_t part;

	for (; len; out += part, len -= part) {
		part = len < chunks[level] ? len : chunks[level];
		chain_take(&replay->chain, &inject.subject.layout, out, part, spans);
		level -= level > 0;
	}
}

static const char *check_bytes(struct replay *replay, const struct call_record *call,
			       unsigned int aborts, struct spans *spans)
{
	uint8_t want[MAX_LEN];

	if (!replay->chain.valid)
		return wrong_bytes(call, "the call returned bytes of no key: the state was dropped");
	if (replay->chain.generation != replay->generation)
		return wrong_bytes(call, "the call returned bytes of an older generation");
	if (!inject.subject.is_hosted)
		find_counter(&replay->chain, call);
	take_chunks(replay, aborts, want, call->len, spans);
	if (memcmp(want, call->out, call->len))
		return wrong_bytes(call, "the call returned other bytes than its key's");
	return NULL;
}

static const char *check_fallback(const struct call_record *call, unsigned int n,
				  struct spans *spans)
{
	const struct mock_request *r = mock_request(n);
	uint64_t id;

	memcpy(&id, r->bytes, sizeof(id));
	spans_add(spans, id, 0, call->len);
	return memcmp(call->out, r->bytes, call->len) ?
	       "the call returned other bytes than the system call" : NULL;
}

/* If the kernel refuses to lock the states' memory, the call must use the system call. */
static bool is_locking_refused(const struct call_record *call)
{
	return !call->may_hold_keys && call->limited;
}

static const char *load_key(struct replay *replay, unsigned int key)
{
	const struct mock_request *r = mock_request(key);

	chain_rekey(&replay->chain, r->bytes, r->generation);
	return r->may_hold_keys ? NULL : "the call stored a key in memory that is not locked";
}

static bool has_valid_key(const struct replay *replay)
{
	return replay->chain.valid && replay->chain.generation == replay->generation;
}

/* A handler's call, or one after the interrupted call: no event happens during it. */
static const char *check_call(struct replay *replay, const struct log_entry *entry)
{
	const struct call_record *call = &entry->call;
	struct spans *spans = add_output(replay, entry->serial);
	const struct requests requests = get_requests(replay->history, call, call->from);
	const char *why = NULL;

	if (call->ret != (ssize_t)call->len)
		return "a call failed";
	if (requests.others || requests.nkeys > 1)
		return "a call made more requests than one key or one system call";
	if (requests.fallback != NONE) {
		if (requests.nkeys)
			return "an undisturbed call asked for a key and fell back";
		if (inject.subject.is_hosted && !call->in_use && call->ready &&
		    !is_locking_refused(call))
			return "a call fell back to the system call without need";
		return check_fallback(call, requests.fallback, spans);
	}
	if (call->in_use)
		return "the state was in use, and the call did not fall back";
	if (!call->ready)
		return "the RNG was not ready, and the call did not fall back";
	if (requests.nkeys) {
		if (has_valid_key(replay) && !replay->chain.may_rekey && inject.subject.is_hosted)
			return "a call asked for a new key without need";
		why = load_key(replay, requests.key);
	}
	return why ? why : check_bytes(replay, call, 0, spans);
}

static bool is_aborted_at(const struct history *history, unsigned long step)
{
	for (unsigned int i = 0; i < history->nentries; i++)
		if (history->entries[i].what == ABORTED && history->entries[i].step == step)
			return true;
	return false;
}

/*
 * How many attempts of the interrupted call can have failed before request @n? Its state was
 * dropped or made stale so often. An attempt that is aborted at that step does not fail.
 */
static unsigned int failures_before(const struct history *history, unsigned int n)
{
	unsigned long last = ~0UL;
	unsigned int count = 0;

	for (unsigned int i = 0; i < history->nentries; i++) {
		const struct log_entry *entry = &history->entries[i];

		if (!is_invalidation(entry) || entry->at > n || entry->step == last ||
		    is_aborted_at(history, entry->step))
			continue;
		count++;
		last = entry->step;
	}
	return count;
}

/* Can an attempt have failed before entry @n? */
static bool may_have_failed(const struct history *history, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (is_invalidation(&history->entries[i]) &&
		    !is_aborted_at(history, history->entries[i].step))
			return true;
	return false;
}

/* Has nothing happened since the call began, or began again, that makes request @n necessary? */
static bool is_undisturbed(const struct history *history, unsigned int n)
{
	bool undisturbed = true;

	for (unsigned int i = 0; i < history->nentries && history->entries[i].at <= n; i++)
		if (is_invalidation(&history->entries[i]))
			undisturbed = history->entries[i].what == ABORTED;
	return undisturbed;
}

static const char *check_outer(struct replay *replay, const struct requests *requests)
{
	const struct call_record *call = &replay->history->outer;
	struct spans *spans = add_output(replay, NONE);
	const char *why = NULL;

	if (requests->fallback != NONE) {
		/* It may fall back after two failed attempts, or without any attempt. */
		if (inject.subject.is_hosted && replay->ready && !is_locking_refused(call) &&
		    failures_before(replay->history, requests->fallback) < 2)
			return "the call fell back to the system call without need";
		replay->chain.may_rekey = true;
		return check_fallback(call, requests->fallback, spans);
	}
	if (requests->loads_key) {
		if (inject.subject.is_hosted && has_valid_key(replay) &&
		    is_undisturbed(replay->history, requests->key))
			return "the call asked for a new key without need";
		why = load_key(replay, requests->key);
	}
	return why ? why : check_bytes(replay, call, requests->aborts, spans);
}

/* An event after the call took its bytes is harmless only if the buffer has them all. */
static const char *check_committed(struct replay *replay, const struct log_entry *entry)
{
	const struct call_record *call = &replay->history->outer;

	if (memcmp(entry->out, call->out, call->len))
		return "the call returned bytes of a key from before the event";
	if (!replay->committed)
		replay->committed_at = entry->step;
	replay->committed = true;
	replay->wiped_after_commit |= entry->what == WIPED;
	return NULL;
}

/* An abort leaves a state that is invalid and not locked. The next call erases it. */
static bool state_is_invalid(const uint8_t *state)
{
	const struct vgetrandom_state *is = (const void *)state;

	return !is->owner && !is->generation && !is->available && !is->request;
}

/* Does the state hold the rest of the batch, the next key, and zeros elsewhere? */
static bool state_is_right(const struct chain *chain, const uint8_t *state)
{
	static const uint8_t scratch[VGETRANDOM_SCRATCH_SIZE];
	const struct vgetrandom_state *is = (const void *)state;

	return !inject.subject.is_hosted ||
	       (!is->owner && !is->request && is->available == chain->left &&
		!memcmp(is->key, chain->key, sizeof(is->key)) &&
		!memcmp(is->batch, chain->batch, sizeof(is->batch)) &&
		!memcmp(is->scratch, scratch, sizeof(is->scratch)));
}

/* While no call is active, a state in memory that is not locked must be all zeros. */
static bool keys_are_locked(const struct call_record *call)
{
	static const struct chain nothing;

	return call->may_hold_keys || state_is_right(&nothing, call->after);
}

/* Replay the log as if the interrupted call took its bytes after the first @place entries. */
static const char *check_order(struct replay *replay, const struct requests *requests,
			       unsigned int place)
{
	static const struct chain nothing;
	const struct history *history = replay->history;
	const struct call_record *last;
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i <= history->nentries && !why; i++) {
		const struct log_entry *entry = &history->entries[i];

		if (i == place) {
			why = check_outer(replay, requests);
			replay->aborted = false;
		}
		if (why || i == history->nentries || entry->what == NEXT)
			break;
		/* If the call fell back, only a fork can make its bytes wrong. */
		if (i >= place && (requests->fallback == NONE ? is_invalidation(entry) :
				   entry->what == WIPED))
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
		case ABORTED:
			memset(&replay->chain, 0, sizeof(replay->chain));
			replay->aborted = entry->what == ABORTED;
			break;
		case CALLS:
			/* An attempt that has failed invalidates the state, also that of a handler. */
			replay->chain.may_rekey |= i < place && may_have_failed(history, i);
			why = why ? why : check_call(replay, entry);
			replay->aborted = false;
			break;
		}
	}
	if (why)
		return why;
	if (!state_is_right(&replay->chain, history->outer.after) &&
	    !(replay->aborted && state_is_invalid(history->outer.after)) &&
	    !(replay->chain.may_rekey && state_is_right(&nothing, history->outer.after)))
		return "the call left a wrong state";
	if (!keys_are_locked(&history->outer))
		return "the call left keys in memory that is not locked";
	for (; i < history->nentries; i++) {
		why = check_call(replay, &history->entries[i]);
		if (why)
			return why;
	}
	last = &history->entries[i - 1].call;
	if (!state_is_right(&replay->chain, last->after))
		return "the next call left a wrong state";
	if (!keys_are_locked(last))
		return "the next call left keys in memory that is not locked";
	if (inject.subject.is_hosted && last->may_hold_keys &&
	    ((const struct vgetrandom_state *)last->after)->generation != replay->generation)
		return "the next call left a state of another generation";
	return NULL;
}

/* Check one process, if the interrupted call began again after the first @aborts aborts. */
static const char *check_attempts(const struct history *history, unsigned int aborts,
				  struct replay *replay)
{
	const char *why = NULL, *first = NULL;
	struct requests requests;
	/* source: the request that gave the call its bytes or its last key, or NONE. */
	unsigned int place = 0, last, source, begin = 0, seen = 0;

	for (unsigned int i = 0; i < history->nentries; i++)
		if (history->entries[i].what == ABORTED && seen < aborts && ++seen)
			begin = i + 1;
	requests = get_requests(history, &history->outer,
				begin ? history->entries[begin - 1].at : history->outer.from);
	requests.aborts = aborts;
	if (requests.others)
		return "the call requested something else than keys and one fallback";
	if (requests.nkeys > 2)
		return "the call asked for more than two keys";
	source = requests.nkeys && requests.fallback == NONE ? requests.key : requests.fallback;
	last = place = begin;
	for (unsigned int i = begin; i < history->nentries && history->entries[i].what != NEXT;
	     i++) {
		last++;
		place += source != NONE && history->entries[i].at <= source;
	}
	if (requests.fallback != NONE)
		last = place;
	requests.loads_key = source != NONE && requests.fallback == NONE;
	for (; place <= last; place++) {
		replay->history = history;
		replay->committed = false;
		replay->wiped_after_commit = false;
		replay->noutputs = 0;
		replay->chain = inject.before;
		replay->generation = history->outer.generation;
		replay->ready = history->outer.ready;
		replay->aborted = false;
		why = check_order(replay, &requests, place);
		if (!why)
			return NULL;
		first = first ? first : why;
		requests.loads_key = false;
	}
	return first;
}

/* Check one process by itself. */
static const char *check_history(const struct history *history, struct replay *replay)
{
	unsigned int aborts = 0;
	const char *why;

	if (!history->finished)
		return "the call did not return";
	if (!history->canaries_ok)
		return "bytes of the page outside of the state changed";
	if (history->outer.ret != (ssize_t)history->outer.len)
		return "the call failed";
	for (unsigned int i = 0; i < history->nentries; i++)
		aborts += history->entries[i].what == ABORTED;
	why = check_attempts(history, aborts, replay);
	/* The last abort may have come when the call was complete. */
	if (why && aborts && !check_attempts(history, aborts - 1, replay))
		return NULL;
	return why;
}

/* All bytes that calls have returned, in all processes. */
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
		const struct output *output = &replay->outputs[i];

		/* The child's copy of what its parent did before the fork counts once. */
		if (output->serial == NONE ? replay->wiped_after_commit :
					     is_recorded(output->serial))
			continue;
		if (output->serial != NONE)
			returned.serials[returned.nserials++] = output->serial;
		if (!spans_add_all(&returned.spans, &output->spans))
			return "two calls returned the same bytes";
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
		for (unsigned int n = 0; n < inject.shared->histories[i].nentries; n++)
			v->invalidated |= is_invalidation(&inject.shared->histories[i].entries[n]);
	}
}
