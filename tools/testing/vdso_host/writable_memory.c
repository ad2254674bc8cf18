// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "secrets.h"
#include "writable_memory.h"

/* Allocated once for all searches. */
static uint8_t *copy;
static size_t copy_size;

static bool read_range(int mem, const struct memory_range *range)
{
	size_t len = range->end - range->start, done = 0;

	if (len > copy_size) {
		free(copy);
		copy = malloc(len);
		copy_size = copy ? len : 0;
		if (!copy)
			return false;
	}
	while (done < len) {
		ssize_t n = pread(mem, copy + done, len - done, range->start + done);

		if (n <= 0)
			return false;
		done += n;
	}
	return true;
}

/* Search @copy, which is @range, without the allowed ranges. */
static bool is_clean(const struct memory_range *range, const struct memory_range *allowed,
		     size_t nallowed, struct memory_finding *finding)
{
	uintptr_t from = range->start, to, next;
	size_t where;

	while (from < range->end) {
		to = range->end;
		next = range->end;
		for (size_t i = 0; i < nallowed; i++) {
			if (allowed[i].end <= from || allowed[i].start >= to)
				continue;
			to = allowed[i].start > from ? allowed[i].start : from;
			next = allowed[i].end;
		}
		finding->searched += to - from;
		if (secrets_found(copy + (from - range->start), to - from, &where)) {
			finding->address = from + where;
			return false;
		}
		from = next;
	}
	return true;
}

static bool search(FILE *maps, int mem, const struct memory_range *allowed, size_t nallowed,
		   struct memory_finding *finding)
{
	char line[512], may[8], name[64];
	struct memory_range range;

	while (fgets(line, sizeof(line), maps)) {
		name[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %63s", &range.start, &range.end, may,
			   name) < 3) {
			snprintf(finding->what, sizeof(finding->what), "maps: %.80s", line);
			return false;
		}
		if (may[1] != 'w')
			continue;
		finding->mappings++;
		if (!read_range(mem, &range)) {
			snprintf(finding->what, sizeof(finding->what), "%s, %lx-%lx: cannot read it: %s",
				 name, range.start, range.end, strerror(errno));
			return false;
		}
		if (is_clean(&range, allowed, nallowed, finding))
			continue;
		snprintf(finding->what, sizeof(finding->what), "%s, %lu bytes from its start",
			 name[0] ? name : "memory without a name",
			 finding->address - range.start);
		return false;
	}
	return true;
}

bool memory_is_clean(pid_t pid, const struct memory_range *allowed, size_t nallowed,
		     struct memory_finding *finding)
{
	char path[64];
	bool clean = false;
	FILE *maps;
	int mem;

	memset(finding, 0, sizeof(*finding));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	/* process_vm_readv() cannot read write-only mappings; this can. */
	mem = open(path, O_RDONLY | O_CLOEXEC);
	if (maps && mem >= 0)
		clean = search(maps, mem, allowed, nallowed, finding);
	else
		snprintf(finding->what, sizeof(finding->what), "%s: %s", path, strerror(errno));
	if (maps)
		fclose(maps);
	if (mem >= 0)
		close(mem);
	return clean;
}
