// SPDX-License-Identifier: MIT
/*
 * What is shown to people, and what is written for programs.
 *
 * ns is the time from one call's start to the next one's in the same thread.
 * MB/s, of 1000000 bytes, is what all threads get together.
 */
#define _GNU_SOURCE
#include <err.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "report.h"

static double mb_per_s(const struct figure *figure)
{
	return figure->bytes * 1e3 * figure->threads / figure->ns;
}

/* Four digits, whatever the size of it. */
static int decimals(double value)
{
	return value < 9.995 ? 2 : value < 999.95 ? 1 : 0;
}

static const struct figure *find(const struct figure *figures, size_t nr, const char *impl,
				 size_t bytes, unsigned int threads)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (figures[i].bytes == bytes && figures[i].threads == threads &&
		    !strcmp(figures[i].contender->impl, impl))
			return &figures[i];
	return NULL;
}

static void print_line(const struct contender *contenders, const struct figure *figures,
		       size_t nr, size_t bytes, unsigned int threads)
{
	const struct figure *figure, *syscall;
	double ratio, mb;
	int i;

	syscall = find(figures, nr, contenders[NR_CONTENDERS - 1].impl, bytes, threads);
	printf("%8zu", bytes);
	for (i = 0; i < NR_CONTENDERS; i++) {
		figure = find(figures, nr, contenders[i].impl, bytes, threads);
		if (!figure)
			continue;
		ratio = syscall->ns / figure->ns;
		mb = mb_per_s(figure);
		printf(" |%9.*f%7.*f", decimals(figure->ns), figure->ns, decimals(mb), mb);
		if (figure != syscall)
			printf("%7.*fx", decimals(ratio), ratio);
	}
	putchar('\n');
}

void report_table(const struct contender *contenders, const struct figure *figures,
		  size_t nr, const char *where, unsigned int threads)
{
	size_t i, bytes = 0;

	printf("\n%s, %u thread%s: time of a call, throughput, and speed against the system call\n",
	       where, threads, threads == 1 ? "" : "s");
	printf("%8s", "");
	for (i = 0; i < NR_CONTENDERS; i++)
		if (!contenders[i].absent)
			printf(" | %-*s", i + 1 < NR_CONTENDERS ? 23 : 15, contenders[i].impl);
	printf("\n%8s", "bytes");
	for (i = 0; i < NR_CONTENDERS; i++)
		if (!contenders[i].absent)
			printf(" |%9s%7s%s", "ns", "MB/s",
			       i + 1 < NR_CONTENDERS ? "   ratio" : "");
	putchar('\n');

	for (i = 0; i < nr; i++) {
		if (figures[i].threads != threads || figures[i].bytes == bytes)
			continue;
		bytes = figures[i].bytes;
		print_line(contenders, figures, nr, bytes, threads);
	}
}

void report_rows(FILE *out, const struct figure *figures, size_t nr, const char *where)
{
	const struct figure *figure;

	for (figure = figures; figure < figures + nr; figure++)
		fprintf(out,
			"{\"where\": \"%s\", \"impl\": \"%s\", \"core\": \"%s\", \"bytes\": %zu, \"threads\": %u, \"ns_per_call\": %.2f, \"mb_per_s\": %.2f}\n",
			where, figure->contender->impl, figure->contender->core,
			figure->bytes, figure->threads, figure->ns, mb_per_s(figure));
}

static void json_string(FILE *out, const char *name, const char *value)
{
	fprintf(out, "\"%s\": \"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		/* All others, from 0x80 on too, stand for themselves. */
		if ((unsigned char)*value >= ' ')
			fputc(*value, out);
	}
	fputc('"', out);
}

static void read_cpu_name(char *name, size_t size)
{
	FILE *info = fopen("/proc/cpuinfo", "r");
	char line[256], *value;

	snprintf(name, size, "unknown");
	if (!info)
		return;
	while (fgets(line, sizeof(line), info)) {
		value = strstr(line, ": ");
		if (strncmp(line, "model name", 10) || !value)
			continue;
		value[strcspn(value, "\n")] = '\0';
		snprintf(name, size, "%s", value + 2);
		break;
	}
	fclose(info);
}

void report_host(FILE *out)
{
	char cpu[128], date[32];
	time_t t = time(NULL);
	struct utsname uts;

	if (uname(&uts))
		err(1, "uname");
	read_cpu_name(cpu, sizeof(cpu));
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));

	fputc('{', out);
	json_string(out, "cpu", cpu);
	fputs(", ", out);
	json_string(out, "kernel", uts.release);
	fputs(", ", out);
#ifdef __clang__
	json_string(out, "compiler", __VERSION__);
#else
	json_string(out, "compiler", "gcc " __VERSION__);
#endif
	fputs(", ", out);
	json_string(out, "date", date);
	fputs("}\n", out);
}
