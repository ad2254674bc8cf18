// SPDX-License-Identifier: MIT
/*
 * libvgetrandom and what it is compared with, at all sizes.
 */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>

#include "comparison.h"

const size_t library_sizes[NR_LIBRARY_SIZES] = {
	4, 16, 32, 64, 128, 192, 256, 512, 1024, 4096, 16384, MAX_REQUEST,
};

/* The first of a setting with libvgetrandom's own choice of core says which that is. */
static const struct way ways[] = {
	{ HERE,	    "getrandom",	true,  NULL,	   NULL },
	{ HERE,	    "arc4random_buf",	true,  NULL,	   NULL },
	{ HERE,	    "vgetrandom",	true,  "avx512",   NULL },
	{ HERE,	    "vgetrandom",	true,  "avx512vl", NULL },
	{ HERE,	    "vgetrandom",	true,  "avx2",	   NULL },
	{ HERE,	    "vgetrandom",	true,  "sse2",	   NULL },
	{ NEWER,    "getrandom",	true,  NULL,	   NULL },
	{ MUSL,	    "getrandom",	true,  NULL,	   NULL },
	{ HERE,	    "__vdso_getrandom",	false, NULL,	   NULL },
	{ NEWER,    "getrandom",	false, NULL,	   NULL },
	{ NEWER,    "arc4random_buf",	false, NULL,	   NULL },
	{ HERE,	    "getrandom",	false, NULL,	   NULL },
	{ HERE,	    "arc4random_buf",	false, NULL,	   NULL },
	{ MUSL,	    "getrandom",	false, NULL,	   NULL },
	{ HERE,	    "libbsd",		false, NULL,	   NULL },
	{ HERE,	    "RAND_bytes",	false, NULL,	   NULL },
	{ HERE,	    "randombytes_buf",	false, NULL,	   NULL },
	{ HERE,	    "randombytes_buf:internal", false, NULL, NULL },
	{ HERE,	    "syscall",		false, NULL,	   NULL },
	{ NO_VDSO,  "vgetrandom",	true,  NULL,	   NULL },
	{ NO_VDSO,  "syscall",		false, NULL,	   NULL },
	{ OUR_VDSO, "vgetrandom",	true,  NULL,	   NULL },
	{ OUR_VDSO, "__vdso_getrandom",	false, NULL,	   NULL },
};

_Static_assert(ARRAY_SIZE(ways) <= MAX_ENTRIES, "more ways than room");

/* "randombytes_buf:internal" is a call of randombytes_buf(), as "libbsd" is of another. */
const char *comparison_called(const struct way *way)
{
	static char text[64];

	if (!strcmp(way->function, "libbsd"))
		return "arc4random_buf";
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(way->function, ":"), way->function);
	return text;
}

/* What is known of one that is absent: it may not even have told its name. */
static const char *impl_of(const struct entry *entry)
{
	static const char * const libcs[] = {
		[HERE] = "libc", [NEWER] = "glibc-2.41", [MUSL] = "musl",
		[NO_VDSO] = "libc", [OUR_VDSO] = "libc",
	};

	if (*entry->remote.hello.impl)
		return entry->remote.hello.impl;
	return entry->way->preload ? "libvgetrandom" : libcs[entry->way->setting];
}

/* Those that are absent for one and the same reason are told of together. */
static void print_absent(const struct comparison *comparison)
{
	const struct entry *end = comparison->entries + comparison->nr_entries;
	const struct entry *entry, *other;
	const char *why;

	for (entry = comparison->entries; entry < end; entry++) {
		why = entry->remote.hello.absent;
		for (other = comparison->entries; strcmp(other->remote.hello.absent, why); other++)
			;
		if (!*why || other != entry)
			continue;
		printf("left out, because %s:\n", why);
		for (; other < end; other++)
			if (!strcmp(other->remote.hello.absent, why))
				printf("\t%s %s%s%s, %s\n", impl_of(other),
				       other->way->core ? other->way->core : "",
				       other->way->core ? " " : "", comparison_called(other->way),
				       setting_name(other->way->setting));
	}
}

void comparison_open(struct comparison *comparison, const struct places *places)
{
	struct entry *entry;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		entry = &comparison->entries[comparison->nr_entries++];
		entry->way = &ways[i];
		way_start(&entry->remote, entry->way, places);
	}
	print_absent(comparison);
}

void comparison_run(struct comparison *comparison, const struct places *places,
		    unsigned int rounds, double slice_ns)
{
	size_t s, i;

	comparison_open(comparison, places);
	/* Of a size one after another: so what is compared is measured in the same moment. */
	for (s = 0; s < NR_LIBRARY_SIZES; s++)
		for (i = 0; i < comparison->nr_entries; i++)
			if (!*comparison->entries[i].remote.hello.absent)
				comparison->timings[comparison->nr_timings++] = (struct timing) {
					.remote = &comparison->entries[i].remote,
					.bytes = library_sizes[s],
					.threads = 1,
				};
	fprintf(stderr,
		"libraries: %zu figures, each the best of %u times %.0f ms: %.0f s or more\n",
		comparison->nr_timings, rounds, slice_ns / 1e6,
		comparison->nr_timings * rounds * slice_ns / 1e9);
	rounds_run(comparison->timings, comparison->nr_timings, rounds, slice_ns);
}

const struct entry *comparison_find(const struct comparison *comparison, enum setting setting,
				    const char *function, bool preload, const char *core)
{
	const struct entry *entry = comparison->entries;
	const struct way *way;

	for (; entry < comparison->entries + comparison->nr_entries; entry++) {
		way = entry->way;
		if (way->setting == setting && !strcmp(way->function, function) &&
		    way->preload == preload && !*entry->remote.hello.absent &&
		    (core ? way->core && !strcmp(way->core, core) : !way->core))
			return entry;
	}
	return NULL;
}

double comparison_ns(const struct comparison *comparison, const struct entry *entry,
		     size_t bytes)
{
	const struct timing *timing = comparison->timings;

	for (; entry && timing < comparison->timings + comparison->nr_timings; timing++)
		if (timing->remote == &entry->remote && timing->bytes == bytes)
			return timing->ns;
	return NAN;
}

static void print_line(const struct comparison *comparison, const struct entry *entry)
{
	const struct hello *hello = &entry->remote.hello;
	double ns;
	size_t s;

	printf("%-19s%-10s%-17s%-11s", hello->impl, hello->core, comparison_called(entry->way),
	       hello->libc);
	for (s = 0; s < NR_LIBRARY_SIZES; s++) {
		ns = comparison_ns(comparison, entry, library_sizes[s]);
		printf("%*.*f", s < 4 ? 7 : 8, ns < 999.95, ns);
	}
	putchar('\n');
}

static void print_table(const struct comparison *comparison, const char *where)
{
	const struct entry *entry = comparison->entries;
	bool begun = false;
	size_t s;

	for (; entry < comparison->entries + comparison->nr_entries; entry++) {
		if (strcmp(setting_name(entry->way->setting), where) ||
		    *entry->remote.hello.absent)
			continue;
		if (!begun) {
			printf("\n%s, 1 thread: ns per call, by bytes\n%-57s", where, "");
			for (s = 0; s < NR_LIBRARY_SIZES; s++)
				printf("%*zu", s < 4 ? 7 : 8, library_sizes[s]);
			putchar('\n');
		}
		begun = true;
		print_line(comparison, entry);
	}
}

void comparison_print(const struct comparison *comparison)
{
	print_table(comparison, setting_name(HERE));
	print_table(comparison, setting_name(NO_VDSO));
	print_table(comparison, setting_name(OUR_VDSO));
}

static void write_row(FILE *out, const struct entry *entry, const struct timing *timing)
{
	const struct hello *hello = &entry->remote.hello;

	fprintf(out,
		"{\"where\": \"%s\", \"impl\": \"%s\", \"core\": \"%s\", \"libc\": \"%s\", \"call\": \"%s\", \"bytes\": %zu, \"ns_per_call\": %.2f}\n",
		setting_name(entry->way->setting), hello->impl, hello->core, hello->libc,
		comparison_called(entry->way), timing->bytes, timing->ns);
}

void comparison_write(const struct comparison *comparison, FILE *out)
{
	const struct timing *timing = comparison->timings;
	const struct entry *entry;

	for (; timing < comparison->timings + comparison->nr_timings; timing++) {
		for (entry = comparison->entries; timing->remote != &entry->remote; entry++)
			;
		write_row(out, entry, timing);
	}
}
