// SPDX-License-Identifier: MIT
/*
 * What is shown to people, and what is written for programs.
 *
 * ns is the time from one call's start to the next one's in the same thread.
 * MB/s, of 1000000 bytes, is what all threads get together.
 */
#define _GNU_SOURCE
#include <err.h>
#include <math.h>
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

/*
 * Tables with a column for each contender, and a line for each size.
 */

struct columns {
	const struct contender	*list[MAX_CONTENDERS];
	size_t			nr;
};

static void add_column(struct columns *columns, const struct contender *contender)
{
	size_t i;

	for (i = 0; i < columns->nr; i++)
		if (columns->list[i] == contender)
			return;
	columns->list[columns->nr++] = contender;
}

static struct columns find_columns(const struct figure *figures, size_t nr,
				   unsigned int threads)
{
	struct columns columns = { .nr = 0 };
	size_t i;

	for (i = 0; i < nr; i++)
		if (figures[i].threads == threads)
			add_column(&columns, figures[i].contender);
	return columns;
}

/* Names that do not fit under one another in a column. */
static const char *short_name(const char *impl)
{
	return !strcmp(impl, "openssl-chacha20") ? "openssl" :
	       !strcmp(impl, "kernel-vdso") ? "kernel's" : impl;
}

static void print_heading(const struct columns *columns)
{
	size_t i;

	printf("%8s", "");
	for (i = 0; i < columns->nr; i++)
		printf("%10s", short_name(columns->list[i]->impl));
	printf("\n%8s", "bytes");
	for (i = 0; i < columns->nr; i++)
		printf("%10s", columns->list[i]->core);
	putchar('\n');
}

static void print_value(double value)
{
	if (isnan(value))
		printf("%10s", "-");
	else
		printf("%10.*f", decimals(value), value);
}

static double value_of(const struct figure *figure, const struct figure *syscall,
		       const char *what)
{
	if (!figure)
		return NAN;
	if (*what == 'n')
		return figure->ns;
	if (*what == 'M')
		return mb_per_s(figure);
	return syscall->ns / figure->ns;
}

static void print_values(const struct figure *figures, size_t nr, unsigned int threads,
			 const struct columns *columns, const char *what)
{
	const struct figure *syscall;
	size_t i, c, bytes = 0;

	for (i = 0; i < nr; i++) {
		if (figures[i].threads != threads || figures[i].bytes == bytes)
			continue;
		bytes = figures[i].bytes;
		syscall = figures_find(figures, nr, "syscall", NULL, bytes, threads);
		printf("%8zu", bytes);
		for (c = 0; c < columns->nr; c++)
			print_value(value_of(figures_find(figures, nr, columns->list[c]->impl,
							  columns->list[c]->core, bytes,
							  threads),
					     syscall, what));
		putchar('\n');
	}
}

void report_table(const struct figure *figures, size_t nr, const char *where,
		  unsigned int threads)
{
	static const char * const whats[] = {
		"ns per call", "MB/s", "times as fast as the system call",
	};
	const struct columns columns = find_columns(figures, nr, threads);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(whats); i++) {
		printf("\n%s, %u thread%s: %s\n", where, threads, threads > 1 ? "s" : "",
		       whats[i]);
		print_heading(&columns);
		print_values(figures, nr, threads, &columns, whats[i]);
	}
}

void report_instructions(const struct instructions *list, size_t nr, const char *where)
{
	struct columns columns = { .nr = 0 };
	size_t i, c, bytes = 0;

	for (i = 0; i < nr; i++)
		add_column(&columns, list[i].contender);
	printf("\n%s: instructions per call, refills shared among the calls\n", where);
	print_heading(&columns);
	for (i = 0, c = 0; i < nr; i++, c++) {
		if (list[i].bytes != bytes) {
			printf("%s%8zu", i ? "\n" : "", list[i].bytes);
			bytes = list[i].bytes;
			c = 0;
		}
		for (; columns.list[c] != list[i].contender; c++)
			print_value(NAN);
		print_value(list[i].per_call);
	}
	putchar('\n');
}

void report_limits(const struct limit *limits, size_t nr, const char *where)
{
	const struct limit *limit;
	const char *core = "";

	printf("\n%s: the limit, passes needed times the time of one plus the call\n", where);
	printf("%10s%9s%9s%9s%9s%9s%11s%11s%10s\n", "core", "bytes", "passes", "pass ns",
	       "call ns", "limit", "measured", "over it", "of limit");
	for (limit = limits; limit < limits + nr; limit++) {
		printf("%10s%9zu%9.2f%9.1f%9.1f%9.*f%11.*f%11.*f%9.0f%%\n",
		       strcmp(core, limit->core) ? limit->core : "",
		       limit->bytes, limit->passes, limit->pass_ns, limit->call_ns,
		       decimals(limit->limit_ns), limit->limit_ns,
		       decimals(limit->ns), limit->ns,
		       decimals(fabs(limit->ns - limit->limit_ns)),
		       limit->ns - limit->limit_ns, 100 * limit->limit_ns / limit->ns);
		core = limit->core;
	}
}

void report_facts(const struct facts *facts, const char *where)
{
	const struct fact *fact;
	const char *name = "";

	for (fact = facts->list; fact < facts->list + facts->nr; fact++) {
		if (strcmp(name, fact->name))
			printf("\n%s: %s (%s)\n", where, fact->name, fact->unit);
		name = fact->name;
		if (!strcmp(fact->unit, "XINUSE"))
			printf("  %-12s %-9s %#9lx\n", fact->impl, fact->core,
			       (unsigned long)fact->value);
		else
			printf("  %-12s %-9s %9.*f\n", fact->impl, fact->core,
			       decimals(fabs(fact->value)), fact->value);
	}
}

/*
 * For programs.
 */

static void write_names(FILE *out, const char *where, const char *impl, const char *core)
{
	fprintf(out, "{\"where\": \"%s\", \"impl\": \"%s\", \"core\": \"%s\"",
		where, impl, core);
}

void report_rows(FILE *out, const struct figure *figures, size_t nr, const char *where)
{
	const struct figure *figure;

	for (figure = figures; figure < figures + nr; figure++) {
		write_names(out, where, figure->contender->impl, figure->contender->core);
		fprintf(out,
			", \"bytes\": %zu, \"threads\": %u, \"ns_per_call\": %.2f, \"mb_per_s\": %.2f}\n",
			figure->bytes, figure->threads, figure->ns, mb_per_s(figure));
	}
}

void report_instruction_rows(FILE *out, const struct instructions *list, size_t nr,
			     const char *where)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		write_names(out, where, list[i].contender->impl, list[i].contender->core);
		fprintf(out, ", \"bytes\": %zu, \"instructions\": %.2f}\n",
			list[i].bytes, list[i].per_call);
	}
}

void report_limit_rows(FILE *out, const struct limit *limits, size_t nr, const char *where)
{
	const struct limit *limit;

	for (limit = limits; limit < limits + nr; limit++) {
		write_names(out, where, "vdso", limit->core);
		fprintf(out,
			", \"bytes\": %zu, \"passes\": %.4f, \"ns_per_pass\": %.2f, \"ns_of_call\": %.2f, \"limit_ns\": %.2f, \"ns_per_call\": %.2f}\n",
			limit->bytes, limit->passes, limit->pass_ns, limit->call_ns,
			limit->limit_ns, limit->ns);
	}
}

void report_fact_rows(FILE *out, const struct facts *facts, const char *where)
{
	const struct fact *fact;

	for (fact = facts->list; fact < facts->list + facts->nr; fact++) {
		write_names(out, where, fact->impl, fact->core);
		fprintf(out, ", \"name\": \"%s\", \"value\": %.2f, \"unit\": \"%s\"}\n",
			fact->name, fact->value, fact->unit);
	}
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
