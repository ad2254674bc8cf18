// SPDX-License-Identifier: GPL-2.0-only
/* Resources of the process and free memory of the kernel, before and after the test. */
#include <dirent.h>
#include <vgetrandom.h>

#include "droppable_util.h"
#include "soak.h"

static long entries_of(const char *directory)
{
	DIR *dir = opendir(directory);
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

/* Make the kernel free its caches. */
static void free_caches(void)
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

/*
 * @slack: an increase up to this is no leak. @exact: a decrease is a failure too.
 *
 * A leak would be a page for each drop, fork or signal, so a few pages are none. libc keeps
 * arenas, and as many stacks as there were threads at a time. The kernel's free memory
 * varies by 15 MiB; the test drops many times that in half a minute.
 */
static const struct {
	const char *name;
	long slack;
	bool exact;
} uses[USES] = {
	{ "KiB of the process", 512, false },
	{ "mappings", 4 * WORKERS, false },
	{ "threads", 0, true },
	{ "files", 0, true },
	{ "states of the library", 0, true },
	/* No other program runs in the guest. */
	{ "KiB in use by the kernel", 32768, false },
};

struct soak_usage usage_now(void)
{
	struct vgetrandom_info info;
	long swap = number_in("/proc/self/status", "VmSwap:");

	if (strict)
		free_caches();
	vgetrandom_info(&info, sizeof(info));
	return (struct soak_usage){ {
		number_in("/proc/self/status", "RssAnon:") + (swap > 0 ? swap : 0),
		lines_of("/proc/self/maps"),
		number_in("/proc/self/status", "Threads:"),
		entries_of("/proc/self/fd"),
		info.states,
		strict ? number_in("/proc/meminfo", "MemTotal:") -
			 number_in("/proc/meminfo", "MemFree:") : 0,
	} };
}

void usage_compare(const struct soak_usage *before, const struct soak_usage *after)
{
	for (int i = 0; i < USES; i++) {
		long more = after->of[i] - before->of[i];

		printf("# before and after: %ld and %ld %s\n", before->of[i], after->of[i],
		       uses[i].name);
		if (more > uses[i].slack || (more < 0 && uses[i].exact))
			soak_fault(LEAKS, "%ld %s have become %ld", before->of[i], uses[i].name,
				   after->of[i]);
	}
}
