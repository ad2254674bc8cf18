// SPDX-License-Identifier: GPL-2.0
/*
 * The model's pages: what was written, what a read may return, and what smaps,
 * kpageflags and the swap devices must show.
 */
#define _GNU_SOURCE
#include "../kselftest.h"
#include "droppable_model.h"
#include "droppable_util.h"

#define TAG_SHIFT	40
#define FLAG_PAGES	64

static const char *const attr_names[] = {
	"rd", "wr", "lo", "dc", "nr", "wf", "dd", "hg", "nh", "mg", "dp",
};

struct page pages[PAGES];
struct counts counts;

static uint64_t key;
static uint32_t last_version;

/* The mixing function of splitmix64. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

void init_key(uint64_t seed)
{
	key = mix(seed + 0x9e3779b97f4a7c15);
}

/* A child uses other versions, to detect its pages in the parent. */
void init_child_versions(void)
{
	last_version |= 0x800000;
}

/* Computed, not stored: no page of the program itself may hold it on swap. */
static uint64_t tag(bool droppable)
{
	return mix(key + droppable) >> TAG_SHIFT | 1;
}

static bool is_droppable_word(uint64_t word)
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

/* Write in ascending order: a drop in between leaves zeros, then written words. */
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

/* The page holds zeros, and has no history. */
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

static void log_page(int page)
{
	const struct page *p = &pages[page];

	log_event("page %d: attr %#x pin %d freed %#x dropped %d seen %d", page, p->attr, p->pin,
		  p->freed, p->dropped, p->seen);
	for (int i = 0; i < p->nr; i++)
		log_event("  layer %d: version %#x of page %d, words %d to %d", i,
			  p->layer[i].version, p->layer[i].id, p->layer[i].first,
			  p->layer[i].last);
}

/*
 * Compare a page with the model: each word must be what was written last, or zero. Sets
 * @written for each word that is not zero, and @missing to the number of written words that
 * are zero.
 * Returns the end of the words that are not zero.
 */
static int compare_page(int page, const uint64_t *words, bool *written, int *missing)
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
			log_page(page);
			fail("page %d word %d is %#llx (%s, version %#llx); expected %#llx or 0",
			     page, k, (unsigned long long)word,
			     is_droppable_word(word) ? "droppable" :
			     word >> TAG_SHIFT == tag(false) ? "ordinary" : "never written",
			     (unsigned long long)(word >> 16 & 0xffffff),
			     (unsigned long long)(l ? make_word(t, l, k) : 0));
		}
		end = k + 1;
	}
	return end;
}

/* A drop at any time from @from to @to leaves the first @end words as they are. */
static void possible_drop_times(const struct page *p, const bool *written, int end, int *from,
				int *to)
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

/* A time from @from to @to at which the page may have been dropped, or -1. */
static int find_drop_time(const struct page *p, int from, int to)
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

static void record_full_drop(struct page *p)
{
	bool ever_freed = p->ever_freed;

	if (p->attr & A_DROPPABLE)
		counts.drops++;
	else
		counts.lazy_frees++;
	forget_contents(p);
	p->ever_freed = ever_freed;
}

static void record_contents(struct page *p, int time)
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
		fail("reading page %d through /proc/self/mem: %s", page, strerror(errno));
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
	end = compare_page(page, words_of(page), written, &missing);
	if (!end && (!p->nr || may_drop_now(p))) {
		if (p->nr)
			record_full_drop(p);
		return;
	}
	if (!missing && !p->dropped) {
		record_contents(p, 0);
		return;
	}
	possible_drop_times(p, written, WORDS, &from, &to);
	time = find_drop_time(p, from, to);
	if (time >= p->nr * WORDS && p->nr) {
		record_full_drop(p);
		return;
	}
	if (time >= 0) {
		record_contents(p, time);
		return;
	}
	/* Dropped during the read? Then all of it is zeros now. */
	possible_drop_times(p, written, end, &from, &to);
	if (find_drop_time(p, from, to) >= 0 && may_drop_now(p) &&
	    !compare_page(page, words_of(page), written, &missing)) {
		record_full_drop(p);
		return;
	}
	log_page(page);
	log_event("  written words end before %d, drop between %d and %d", end, from, to);
	fail("page %d holds a mixture of zeros and contents that no drop can leave", page);
}

void check_range(struct range r)
{
	for (int i = r.first; i < r.first + r.nr; i++)
		check_page(i);
}

/* The kernel's mapping that contains @page, as page numbers of the arena. */
bool mapping_of(int page, int *first, int *end)
{
	unsigned long from, to;
	char line[512];

	if (!file_line("/proc/self/maps", "", at(page), line, sizeof(line)) ||
	    sscanf(line, "%lx-%lx", &from, &to) != 2)
		return false;
	*first = ((long)from - (long)ARENA) / PAGE;
	*end = ((long)to - (long)ARENA) / PAGE;
	return true;
}

static unsigned int parse_flags(const char *line)
{
	unsigned int attr = 0;

	for (int i = 0; i < (int)ARRAY_SIZE(attr_names); i++) {
		const char *at = strstr(line, attr_names[i]);

		/* Each name has two letters between blanks, so none is part of another. */
		if (at && at[-1] == ' ' && at[2] == ' ')
			attr |= 1 << i;
	}
	return attr;
}

static void compare_mapping(unsigned long from, unsigned long to, unsigned int attr)
{
	unsigned long start = (unsigned long)ARENA, end = start + (long)PAGES * PAGE;

	if (to <= start || from >= end)
		return;
	if (from < start || to > end)
		fail("a mapping extends beyond the arena: %#lx to %#lx", from, to);
	for (int i = (from - start) / PAGE; i < (int)((to - start) / PAGE); i++)
		if (!pages[i].mapped || (pages[i].attr & A_IN_SMAPS) != attr)
			fail("page %d: smaps shows flags %#x, expected %#x, %smapped", i, attr,
			     pages[i].attr & A_IN_SMAPS, pages[i].mapped ? "" : "not ");
}

/*
 * Check that smaps shows exactly the mappings of the model, and no droppable memory on
 * swap. Returns how much droppable memory is resident, in kB.
 */
long check_smaps(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long from = 0, to = 0, a, b;
	long rss = 0, swap = 0, droppable = 0, total = 0, mapped = 0;
	char line[512];

	log_event("check smaps");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = a;
			to = b;
		} else if (sscanf(line, "Rss: %ld", &rss) != 1 &&
			   sscanf(line, "Swap: %ld", &swap) != 1 &&
			   !strncmp(line, "VmFlags:", 8)) {
			unsigned int attr = parse_flags(line);

			if ((attr & A_DROPPABLE) && swap)
				fail("%ld kB of droppable memory at %#lx are on swap", swap, from);
			droppable += attr & A_DROPPABLE ? rss : 0;
			compare_mapping(from, to, attr);
			if (from >= (unsigned long)ARENA && to <= (unsigned long)at(PAGES))
				total += (to - from) / PAGE;
		}
	}
	if (!f)
		fail("/proc/self/smaps: %s", strerror(errno));
	fclose(f);
	for (int i = 0; i < PAGES; i++)
		mapped += pages[i].mapped;
	if (mapped != total)
		fail("%ld pages are mapped, expected %ld", total, mapped);
	return droppable;
}

void op_check_smaps(void)
{
	check_smaps();
}

/* A page may be dropped during the check, so its frame is read again afterwards. */
static bool has_wrong_flags(int page)
{
	const struct page *p = &pages[page];
	uint64_t frame = page_frame(at(page)), flags = frame ? frame_flags(frame) : 0;

	if (!(flags & KPF_ANON) || page_frame(at(page)) != frame)
		return false;
	if (p->attr & A_DROPPABLE)
		return !flags_are_droppable(flags);
	return !p->ever_freed && !(flags & KPF_SWAPBACKED);
}

void op_check_flags(void)
{
	int start = rnd(PAGES);

	log_event("check flags from %d", start);
	for (int i = start; i < PAGES && i < start + FLAG_PAGES; i++)
		if (pages[i].mapped && has_wrong_flags(i) && has_wrong_flags(i) &&
		    has_wrong_flags(i))
			fail("page %d (%s) has wrong flags %#llx", i,
			     pages[i].attr & A_DROPPABLE ? "droppable" : "ordinary",
			     (unsigned long long)frame_flags(page_frame(at(i))));
}

static bool check_swapped_page(const void *page)
{
	const uint64_t *words = page;
	uint64_t some = 0;
	int found = 0;

	for (int k = 0; k < WORDS; k++) {
		if (!is_droppable_word(words[k]))
			continue;
		some = words[k];
		found++;
	}
	if (found > 1)
		fail("a page on swap holds %d words of a droppable page, version %#llx", found,
		     (unsigned long long)(some >> 16 & 0xffffff));
	return true;
}

void op_check_swap(void)
{
	log_event("check swap");
	counts.swapped += read_swap(check_swapped_page);
}

void op_check_all(void)
{
	log_event("check all");
	check_range((struct range){ 0, PAGES });
}
