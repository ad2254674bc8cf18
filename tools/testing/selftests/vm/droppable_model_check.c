// SPDX-License-Identifier: GPL-2.0
/*
 * What smaps, kpageflags and the swap device say, and what they must say.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest.h"
#include "droppable_model.h"
#include "droppable_util.h"

#define FLAG_PAGES	64
#define BUFFER		(1024L * 1024)

static const char *const attr_names[] = {
	"rd", "wr", "lo", "dc", "nr", "wf", "dd", "hg", "nh", "mg", "dp",
};

/* The kernel's mapping around @page, as far as it is in the arena. */
bool mapping_of(int page, int *first, int *end)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to, p = (unsigned long)at(page);
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%lx-%lx", &from, &to) == 2 && p >= from && p < to;
	if (f)
		fclose(f);
	if (found) {
		*first = ((long)from - (long)ARENA) / PAGE;
		*end = ((long)to - (long)ARENA) / PAGE;
	}
	return found;
}

static unsigned int parse_flags(const char *line)
{
	unsigned int attr = 0;

	for (int i = 0; i < (int)ARRAY_SIZE(attr_names); i++) {
		const char *at = strstr(line, attr_names[i]);

		/* Two letters each, between blanks: never part of another. */
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
		fail("a mapping reaches out of the arena: %#lx to %#lx", from, to);
	for (int i = (from - start) / PAGE; i < (int)((to - start) / PAGE); i++)
		if (!pages[i].mapped || (pages[i].attr & A_IN_SMAPS) != attr)
			fail("page %d: smaps says %#x, but it should be %#x, %smapped", i, attr,
			     pages[i].attr & A_IN_SMAPS, pages[i].mapped ? "" : "not ");
}

/* Each mapping as it should be, nothing droppable swapped, and as many as there are. */
void op_check_smaps(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long from = 0, to = 0, a, b;
	long swap = 0, total = 0, mapped = 0;
	char line[512];

	note("check smaps");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = a;
			to = b;
		} else if (sscanf(line, "Swap: %ld", &swap) != 1 &&
			   !strncmp(line, "VmFlags:", 8)) {
			unsigned int attr = parse_flags(line);

			if ((attr & A_DROPPABLE) && swap)
				fail("%ld kB of droppable memory at %#lx are on swap", swap, from);
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
		fail("%ld pages are mapped, but there should be %ld", total, mapped);
}

static uint64_t head_flags(uint64_t frame)
{
	static int fd = -1;
	uint64_t flags;

	if (fd < 0)
		fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	do {
		if (pread(fd, &flags, sizeof(flags), frame-- * sizeof(flags)) != sizeof(flags))
			fail("/proc/kpageflags: %s", strerror(errno));
	} while (flags & KPF_COMPOUND_TAIL);
	return flags;
}

/* The page may go while it is looked at. If not, it is what it is, and stays so. */
static bool looks_wrong(int page)
{
	const struct page *p = &pages[page];
	uint64_t frame = page_frame(at(page)), flags = frame ? head_flags(frame) : 0;

	if (!(flags & KPF_ANON) || page_frame(at(page)) != frame)
		return false;
	if (p->attr & A_DROPPABLE)
		return flags & (KPF_SWAPBACKED | KPF_SWAPCACHE | KPF_KSM);
	return !p->ever_freed && !(flags & KPF_SWAPBACKED);
}

void op_check_flags(void)
{
	int start = rnd(PAGES);

	note("check flags from %d", start);
	for (int i = start; i < PAGES && i < start + FLAG_PAGES; i++)
		if (pages[i].mapped && looks_wrong(i) && looks_wrong(i) && looks_wrong(i))
			fail("page %d, %s, has flags %#llx", i,
			     pages[i].attr & A_DROPPABLE ? "droppable" : "ordinary",
			     (unsigned long long)head_flags(page_frame(at(i))));
}

static void check_swapped_page(const uint64_t *words, const char *device, long page)
{
	uint64_t some = 0;
	int found = 0;

	for (int k = 0; k < WORDS; k++) {
		if (!is_droppable_word(words[k]))
			continue;
		some = words[k];
		found++;
	}
	if (found > 1)
		fail("page %ld of %s holds %d words of a droppable page, version %#llx", page,
		     device, found, (unsigned long long)(some >> 16 & 0xffffff));
}

static void check_device(const char *device, uint8_t *buffer)
{
	/* Not through the page cache, which does not see what is swapped. */
	int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	long page = 0;
	ssize_t got;

	if (fd < 0)
		fail("%s: %s", device, strerror(errno));
	while ((got = read(fd, buffer, BUFFER)) > 0)
		for (long i = 0; i < got; i += PAGE)
			check_swapped_page((uint64_t *)(buffer + i), device, page++);
	if (got < 0)
		fail("reading %s: %s", device, strerror(errno));
	close(fd);
	counts.swapped += page;
}

void op_check_swap(void)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[512], device[256];
	uint8_t *buffer = map_pages(MAP_PRIVATE, BUFFER);

	note("check swap");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s", device) == 1 && device[0] == '/')
			check_device(device, buffer);
	if (f)
		fclose(f);
	munmap(buffer, BUFFER);
}

void op_check_all(void)
{
	note("check all");
	check_range((struct range){ 0, PAGES });
}
