// SPDX-License-Identifier: GPL-2.0-only
/* What the process has, and what the kernel has left: before, and after. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vgetrandom.h>

#include "droppable_util.h"
#include "soak.h"

/*
 * A page here and there is no leak: each drop, fork or signal that loses one is. And libc
 * keeps stacks, as many as there have been at once, and arenas. What the kernel has free
 * varies by 15 MiB; in half a minute it drops many times that.
 */
#define ANON_SLACK_KB		512
#define FREE_SLACK_KB		32768
#define MAPPINGS_SLACK		(4 * WORKERS)

static long entries_of(const char *folder)
{
	DIR *dir = opendir(folder);
	long n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static long lines_of(const char *file)
{
	FILE *f = fopen(file, "re");
	long n = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

/* What the kernel has only kept for later. */
static void settle(void)
{
	if (!write_to_file("/proc/sys/vm/drop_caches", "3") ||
	    !write_to_file("/proc/sys/vm/compact_memory", "1"))
		soak_die("settings of vm: %s", strerror(errno));
	soak_sleep_us(500000);
}

static long number_in(const char *file, const char *key)
{
	return file_number(file, key, NULL);
}

struct soak_usage usage_now(void)
{
	struct vgetrandom_info info;
	long swap = number_in("/proc/self/status", "VmSwap:");

	if (strict)
		settle();
	vgetrandom_info(&info, sizeof(info));
	return (struct soak_usage){
		.anon_kb = number_in("/proc/self/status", "RssAnon:") + (swap > 0 ? swap : 0),
		.mappings = lines_of("/proc/self/maps"),
		.threads = number_in("/proc/self/status", "Threads:"),
		.fds = entries_of("/proc/self/fd"),
		.states = info.states,
		.free_kb = number_in("/proc/meminfo", "MemFree:"),
	};
}

void usage_compare(const struct soak_usage *before, const struct soak_usage *after)
{
	printf("# before and after: %ld and %ld KiB of its own, %ld and %ld mappings, ",
	       before->anon_kb, after->anon_kb, before->mappings, after->mappings);
	printf("%ld and %ld threads, %ld and %ld files, ", before->threads, after->threads,
	       before->fds, after->fds);
	printf("%ld and %ld states of the library, %ld and %ld MiB free\n", before->states,
	       after->states, before->free_kb >> 10, after->free_kb >> 10);
	if (after->anon_kb > before->anon_kb + ANON_SLACK_KB)
		soak_fault(LEAKS, "%ld KiB have become %ld", before->anon_kb, after->anon_kb);
	if (after->mappings > before->mappings + MAPPINGS_SLACK)
		soak_fault(LEAKS, "%ld mappings have become %ld", before->mappings,
			   after->mappings);
	if (after->threads != before->threads || after->fds != before->fds)
		soak_fault(LEAKS, "threads or files are left over");
	if (after->states != before->states)
		soak_fault(LEAKS, "%ld states of the library have become %ld", before->states,
			   after->states);
	/* Nobody else is in the guest. */
	if (strict && after->free_kb < before->free_kb - FREE_SLACK_KB)
		soak_fault(LEAKS, "the kernel had %ld KiB free and has %ld", before->free_kb,
			   after->free_kb);
}
