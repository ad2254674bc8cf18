// SPDX-License-Identifier: MIT
/*
 * What is asked of our vDSO, and what it does.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "targets.h"

/* "avx512vl" is for processors that "avx512" slows down; nothing is asked of it. */
#define NO_TARGET	0.0

/* The time of a kernel's vDSO over ours, by core, in the order of cores[]. */
static const struct {
	size_t	bytes;
	double	ratio[NR_CORES];
} targets[] = {
	{ 4,	   {  4.5, NO_TARGET, 3.5, 1.7 } },
	{ 16,	   {  9.0, NO_TARGET, 5.5, 1.8 } },
	{ 32,	   { 12.0, NO_TARGET, 6.5, 1.8 } },
	{ 256,	   { 13.0, NO_TARGET, 6.5, 1.8 } },
	{ 4096,	   { 14.0, NO_TARGET, 6.0, 1.9 } },
	{ 65536,   { 16.0, NO_TARGET, 6.5, 2.0 } },
	{ 1048576, { 16.0, NO_TARGET, 6.5, 2.0 } },
};

#define OPENSSL_BYTES	65536
#define OPENSSL_TARGET	0.9
#define SYSCALL_TARGET	1.0

static unsigned int missed;

static void print_ratio(double ratio, double target)
{
	char text[32] = "";

	if (isnan(ratio)) {
		printf(" |%16s", "-");
		return;
	}
	if (target)
		snprintf(text, sizeof(text), "(%.1f)%c", target, ratio < target ? '!' : ' ');
	missed += target && ratio < target;
	printf(" |%8.2f %-7s", ratio, text);
}

/* How many times as long as "vdso" with @core the other takes. */
static double ratio_to(const struct figure *figures, size_t nr, const char *core,
		       const char *other, const char *other_core, size_t bytes)
{
	const struct figure *ours = figures_find(figures, nr, "vdso", core, bytes, 1);
	const struct figure *theirs = figures_find(figures, nr, other, other_core, bytes, 1);

	return ours && theirs ? theirs->ns / ours->ns : NAN;
}

static double least_to_syscall(const struct figure *figures, size_t nr, const char *core,
			       size_t *bytes)
{
	double ratio, least = NAN;
	size_t i;

	*bytes = 0;
	for (i = 0; i < nr; i++) {
		ratio = ratio_to(figures, nr, core, "syscall", NULL, figures[i].bytes);
		if (!isnan(ratio) && !(ratio >= least)) {
			least = ratio;
			*bytes = figures[i].bytes;
		}
	}
	return least;
}

void targets_print(const struct contenders *contenders, const struct figure *figures,
		   size_t nr)
{
	size_t at[NR_CORES], i, c;

	missed = 0;
	printf("\ntargets: kernel-vdso's time over ours (at least)\n%24s", "bytes");
	for (c = 0; c < NR_CORES; c++)
		printf(" |%8s%8s", cores[c].name, "");
	putchar('\n');
	if (!contenders_find(contenders, "kernel-vdso", NULL))
		puts("(nothing to compare with)");
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		printf("%24zu", targets[i].bytes);
		for (c = 0; c < NR_CORES; c++)
			print_ratio(ratio_to(figures, nr, cores[c].name, "kernel-vdso", NULL,
					     targets[i].bytes),
				    targets[i].ratio[c]);
		putchar('\n');
	}

	printf("%15s at %5d", "openssl/ours", OPENSSL_BYTES);
	for (c = 0; c < NR_CORES; c++)
		print_ratio(ratio_to(figures, nr, cores[c].name, "openssl-chacha20",
				     cores[c].name, OPENSSL_BYTES), OPENSSL_TARGET);
	printf("\n%24s", "with its SSSE3 code");
	for (c = 0; c < NR_CORES; c++)
		print_ratio(strcmp(cores[c].name, "sse2") ? NAN :
			    ratio_to(figures, nr, cores[c].name, "openssl-chacha20", "ssse3",
				     OPENSSL_BYTES), NO_TARGET);
	printf("\n%24s", "least of syscall/ours");
	for (c = 0; c < NR_CORES; c++)
		print_ratio(least_to_syscall(figures, nr, cores[c].name, &at[c]),
			    SYSCALL_TARGET);
	printf("\n%24s", "that is at");
	for (c = 0; c < NR_CORES; c++) {
		if (at[c])
			printf(" |%8zu %-7s", at[c], "bytes");
		else
			printf(" |%16s", "-");
	}
	if (missed)
		printf("\n%u of them missed, marked with \"!\"\n", missed);
	else
		puts("\nall of them reached");
}
