// SPDX-License-Identifier: GPL-2.0
/*
 * The model's pages: what was written, and what may be read.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "droppable_model.h"

#define TAG_SHIFT	40

struct page pages[PAGES];
struct counts counts;

static uint64_t key;
static uint32_t last_version;

/* splitmix64's. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

void init_words(uint64_t seed)
{
	key = mix(seed + 0x9e3779b97f4a7c15);
}

/* A child's versions are its own: its pages must not turn up in the parent. */
void child_words(void)
{
	last_version |= 0x800000;
}

/* Made, not stored: nothing of the program itself may look like it on the swap. */
static uint64_t tag(bool droppable)
{
	return mix(key + droppable) >> TAG_SHIFT | 1;
}

bool is_droppable_word(uint64_t word)
{
	return word >> TAG_SHIFT == tag(true);
}

static uint64_t make_word(uint64_t tag, const struct layer *l, int k)
{
	uint64_t check = mix(key ^ ((uint64_t)l->version << 32 | (uint64_t)l->id << 16 | k));

	return tag << TAG_SHIFT | (uint64_t)l->version << 16 | (check & 0xffff);
}

void make_page(uint64_t *words, int page, const struct layer *l)
{
	uint64_t t = tag(pages[page].attr & A_DROPPABLE);

	for (int k = l->first; k <= l->last; k++)
		words[k] = make_word(t, l, k);
}

struct layer new_layer(int page, int first, int last)
{
	last_version++;
	return (struct layer){ last_version, page, first, last };
}

void record_write(struct page *p, const struct layer *l)
{
	if (l->first == 0 && l->last == WORDS - 1) {
		p->nr = 0;
		p->dropped = 0;
		p->seen = 0;
		p->freed = 0;
	}
	p->layer[p->nr++] = *l;
	counts.writes++;
}

/* In ascending order: a drop in between leaves zeros before what comes after. */
void write_words(int page, int first, int last)
{
	struct page *p = &pages[page];
	uint64_t *words = (uint64_t *)at(page);
	uint64_t t = tag(p->attr & A_DROPPABLE);
	struct layer l;

	if (p->nr == MAX_LAYERS) {
		first = 0;
		last = WORDS - 1;
	}
	l = new_layer(page, first, last);
	record_write(p, &l);
	for (int k = first; k <= last; k++)
		__atomic_store_n(&words[k], make_word(t, &l, k), __ATOMIC_RELEASE);
}

/* Zeros, in a page that is nothing special yet. */
void forget_contents(struct page *p)
{
	p->nr = 0;
	p->dropped = 0;
	p->seen = 0;
	p->freed = 0;
	p->pin = 0;
	p->ever_freed = false;
}

static const struct layer *last_writer(const struct page *p, int k, int *time)
{
	for (int i = p->nr - 1; i >= 0; i--) {
		if (k < p->layer[i].first || k > p->layer[i].last)
			continue;
		*time = i * WORDS + k;
		return &p->layer[i];
	}
	return NULL;
}

static void describe(int page)
{
	const struct page *p = &pages[page];

	note("page %d: attr %#x pin %d freed %#x dropped %d seen %d", page, p->attr, p->pin,
	     p->freed, p->dropped, p->seen);
	for (int i = 0; i < p->nr; i++)
		note("  layer %d: version %#x of page %d, words %d to %d", i, p->layer[i].version,
		     p->layer[i].id, p->layer[i].first, p->layer[i].last);
}

/*
 * Which words hold what was written? Anything but that and zero is a failure. Counts
 * those that do not, though they were written; returns where those that do end.
 */
static int see(int page, const uint64_t *words, bool *written, int *missing)
{
	const struct page *p = &pages[page];
	uint64_t t = tag(p->attr & A_DROPPABLE);
	int end = 0, time;

	*missing = 0;
	for (int k = 0; k < WORDS; k++) {
		uint64_t word = __atomic_load_n(&words[k], __ATOMIC_ACQUIRE);
		const struct layer *l = last_writer(p, k, &time);

		written[k] = word;
		if (!word) {
			*missing += !!l;
			continue;
		}
		if (!l || word != make_word(t, l, k)) {
			describe(page);
			fail("page %d word %d is %#llx, of %s, version %#llx; wanted %#llx or 0",
			     page, k, (unsigned long long)word,
			     is_droppable_word(word) ? "droppable" :
			     word >> TAG_SHIFT == tag(false) ? "ordinary" : "nobody",
			     (unsigned long long)(word >> 16 & 0xffffff),
			     (unsigned long long)(l ? make_word(t, l, k) : 0));
		}
		end = k + 1;
	}
	return end;
}

/* The times of a drop that leave the first @end words as they are: @from to @to. */
static void drop_times(const struct page *p, const bool *written, int end, int *from, int *to)
{
	int time;

	*from = 0;
	*to = p->nr * WORDS;
	for (int k = 0; k < end; k++) {
		if (!last_writer(p, k, &time))
			continue;
		if (written[k] && time < *to)
			*to = time;
		if (!written[k] && time >= *from)
			*from = time + 1;
	}
}

/* One of them that is possible, or -1. */
static int possible_time(const struct page *p, int from, int to)
{
	if (p->dropped >= from && p->dropped <= to)
		return p->dropped;
	if (p->attr & A_DROPPABLE)
		return p->pin || to < p->seen || from > to ? -1 :
		       from < p->seen ? p->seen : from;
	for (int i = 0; i <= p->nr; i++)
		if ((p->freed & (1 << i)) && i * WORDS >= from && i * WORDS <= to)
			return i * WORDS;
	return -1;
}

static bool may_drop_now(const struct page *p)
{
	return p->attr & A_DROPPABLE ? !p->pin : p->freed & (1 << p->nr);
}

static void became_zeros(struct page *p)
{
	bool ever_freed = p->ever_freed;

	if (p->attr & A_DROPPABLE)
		counts.drops++;
	else
		counts.frees_dropped++;
	forget_contents(p);
	p->ever_freed = ever_freed;
}

static void became_seen(struct page *p, int time)
{
	if (time != p->dropped)
		counts.partial_drops++;
	p->dropped = time;
	p->seen = p->nr * WORDS;
	p->freed &= 1 << p->nr;
}

static const uint64_t *words_of(int page)
{
	uint8_t *copy;
	int fd;

	if (pages[page].attr & A_READ)
		return (uint64_t *)at(page);
	copy = locked_buffer();
	fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (pread(fd, copy, PAGE, (long)at(page)) != PAGE)
		fail("page %d cannot be read by /proc/self/mem", page);
	close(fd);
	return (uint64_t *)copy;
}

void check_page(int page)
{
	struct page *p = &pages[page];
	bool written[WORDS];
	int end, missing, from, to, time;

	if (!p->mapped)
		return;
	end = see(page, words_of(page), written, &missing);
	if (!end && (!p->nr || may_drop_now(p))) {
		if (p->nr)
			became_zeros(p);
		return;
	}
	if (!missing && !p->dropped) {
		became_seen(p, 0);
		return;
	}
	drop_times(p, written, WORDS, &from, &to);
	time = possible_time(p, from, to);
	if (time >= p->nr * WORDS && p->nr) {
		became_zeros(p);
		return;
	}
	if (time >= 0) {
		became_seen(p, time);
		return;
	}
	/* Dropped while it was read? Then there is nothing left of it. */
	drop_times(p, written, end, &from, &to);
	if (possible_time(p, from, to) >= 0 && may_drop_now(p) &&
	    !see(page, words_of(page), written, &missing)) {
		became_zeros(p);
		return;
	}
	describe(page);
	note("  written words end before %d, drop between %d and %d", end, from, to);
	fail("page %d holds a mixture of zeros and contents that no drop leaves", page);
}

void check_range(struct range r)
{
	for (int i = r.first; i < r.first + r.nr; i++)
		check_page(i);
}
