// SPDX-License-Identifier: MIT
/*
 * How fast a core could be.
 *
 * A core's function is called by itself, on a state of ours, in two ways. For no
 * block: a pass whose results all go to the state, where the next one takes its key
 * from; so each has to wait for the one before. And for BULK_BYTES: passes that do
 * not wait for another, of which the processor may begin one before the last is done.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <vdso_host.h>

#include "limits.h"

#define BULK_BYTES	65536

typedef void (*core_fn)(void *state, void *dst, size_t nr_blocks, unsigned long call);

static struct contender passes[NR_CORES];

static size_t pass_bytes(const struct contender *contender)
{
	return contender->width * VGETRANDOM_BLOCK_SIZE;
}

/* All of a pass's blocks but one, or none: either way the passes are as many. */
static unsigned long run_passes(const struct contender *contender, unsigned int thread,
				void *buffer, size_t len, unsigned long calls)
{
	const size_t nr_blocks = len == pass_bytes(contender) ?
		0 : len / VGETRANDOM_BLOCK_SIZE - 1;
	const core_fn fn = (core_fn)contender->data;
	void *state = contender->states;

	(void)thread;
	while (calls--)
		fn(state, buffer, nr_blocks, 1);
	return 0;
}

static bool open_passes(struct contender *contender, const struct contender *vdso)
{
	char name[64];

	*contender = *vdso;
	contender->impl = "pass";
	contender->run = run_passes;
	snprintf(name, sizeof(name), "vgetrandom_chacha20_%s", vdso->core);
	contender->data = vdso_host_sym(vdso->host, name);
	if (!contender->data) {
		printf("the limit of %s is left out: the image has no symbol %s\n",
		       vdso->core, name);
		return false;
	}
	contender->states = contenders_map_states(vdso, 1);
	memset(contender->states + VGETRANDOM_RUN, 0x5a, VGETRANDOM_KEY_SIZE);
	return true;
}

size_t limits_plan(struct figure *figures, const struct contenders *contenders)
{
	const struct contender *vdso;
	size_t i, nr = 0;

	for (i = 0; i < NR_CORES; i++) {
		vdso = contenders_find(contenders, "vdso", cores[i].name);
		if (!vdso || !vdso->host || !open_passes(&passes[i], vdso))
			continue;
		figures[nr++] = (struct figure) {
			.contender = &passes[i], .bytes = pass_bytes(vdso), .threads = 1,
		};
		figures[nr++] = (struct figure) {
			.contender = &passes[i], .bytes = BULK_BYTES, .threads = 1,
		};
	}
	return nr;
}

static const size_t call_bytes[] = { 1, 4, 8, 16 };

static double ns_of(const struct figure *figures, size_t nr, const char *impl,
		    const char *core, size_t bytes)
{
	const struct figure *figure = figures_find(figures, nr, impl, core, bytes, 1);

	return figure ? figure->ns : 0;
}

/*
 * The next key comes out of each refill, as long as a refill serves many calls; and
 * once out of each call that needs more than a refill.
 */
static double passes_needed(size_t bytes, size_t pass)
{
	const size_t useful = pass - VGETRANDOM_KEY_SIZE;

	if (bytes <= useful)
		return (double)bytes / useful;
	return (double)(bytes + VGETRANDOM_KEY_SIZE) / pass;
}

/* By the size that takes the least: of which copying and erasing is next to nothing. */
static double find_call_ns(const struct contender *contender, const struct figure *figures,
			   size_t nr, double refill)
{
	double ns, least = INFINITY;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(call_bytes); i++) {
		ns = ns_of(figures, nr, "vdso", contender->core, call_bytes[i]);
		if (ns)
			least = fmin(least, ns - refill * passes_needed(call_bytes[i],
									pass_bytes(contender)));
	}
	return least;
}

bool limits_find(struct limit *limit, const struct figure *figure,
		 const struct figure *figures, size_t nr)
{
	const struct contender *contender = figure->contender;
	const size_t pass = pass_bytes(contender);
	double refill, bulk, call;

	if (!pass || figure->threads != 1)
		return false;
	refill = ns_of(figures, nr, "pass", contender->core, pass);
	bulk = ns_of(figures, nr, "pass", contender->core, BULK_BYTES) * pass / BULK_BYTES;
	call = find_call_ns(contender, figures, nr, refill);
	if (!refill || !bulk || isinf(call))
		return false;

	limit->core = contender->core;
	limit->bytes = figure->bytes;
	limit->passes = passes_needed(figure->bytes, pass);
	limit->pass_ns = limit->passes > 1 ? bulk : refill;
	limit->call_ns = call;
	limit->limit_ns = limit->passes * limit->pass_ns + limit->call_ns;
	limit->ns = figure->ns;
	return true;
}
