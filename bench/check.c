// SPDX-License-Identifier: MIT
/*
 * What is made sure of before anything is measured.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include <vdso_host.h>

#include "check.h"
#include "step.h"

/*
 * Which core our vDSO uses, by what it does: a new state's first call makes a pass.
 * What is left of it tells how wide it was, and its instructions tell the rest.
 */
static const struct core *find_core(struct contender *ours)
{
	static const char * const encodings[] = { "SSE", "AVX", "AVX-512", "zmm" };
	struct contender probe = *ours;
	struct vgetrandom_state *state;
	const struct core *core;
	struct step_result result;
	unsigned long made;
	struct call call;
	char byte;

	probe.states = contenders_map_states(ours, 1);
	state = (struct vgetrandom_state *)probe.states;
	ours->describe(&probe, &byte, sizeof(byte), &call);
	step_call(&call, &result);
	made = state->available + sizeof(byte) + VGETRANDOM_KEY_SIZE;
	munmap(probe.states, PAGE_BYTES);

	if (result.value != sizeof(byte))
		errx(1, "vdso: a call for a byte returns %ld", result.value);
	for (core = cores; core < cores + NR_CORES; core++)
		if (core->width * VGETRANDOM_BLOCK_SIZE == made &&
		    core->encoding == result.encoding)
			return core;
	errx(1, "vdso: a pass of %lu bytes, with instructions of %s, is of no core that is known",
	     made, encodings[result.encoding]);
}

void check_core(struct contender *ours)
{
	const struct core *core = find_core(ours);

	if (!*ours->core) {
		ours->core = core->name;
		ours->width = core->width;
	} else if (strcmp(ours->core, core->name)) {
		errx(1, "vdso: core %s has been asked for, but %s is used",
		     ours->core, core->name);
	}
}

#define CHECK_BYTES	256U
#define CHUNK		16U	/* long enough that no two are ever alike by chance */

static bool is_zero(const unsigned char *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

static void check_call(const struct contender *contender, unsigned int thread,
		       unsigned char *out, size_t len)
{
	if (contender->run(contender, thread, out, len, 1))
		errx(1, "%s: a call for %zu bytes does not return %zu",
		     contender->impl, len, len);
}

static void check_thread(const struct contender *contender, unsigned int thread)
{
	unsigned char out[2 * CHECK_BYTES];
	size_t i, j;

	memset(out, 0, sizeof(out));
	check_call(contender, thread, out, CHECK_BYTES);
	check_call(contender, thread, out + CHECK_BYTES, CHECK_BYTES);

	for (i = 0; i < sizeof(out); i += CHUNK) {
		if (is_zero(out + i, CHUNK))
			errx(1, "%s: a call leaves 16 bytes of its buffer zero", contender->impl);
		for (j = 0; j < i; j += CHUNK)
			if (!memcmp(out + i, out + j, CHUNK))
				errx(1, "%s: the same 16 bytes come twice", contender->impl);
	}

	/* Byte by byte, which takes another way through a generator. */
	memset(out, 0, sizeof(out));
	for (i = 0; i < 2 * CHUNK; i++)
		check_call(contender, thread, out + i, 1);
	if (is_zero(out, CHUNK) || is_zero(out + CHUNK, CHUNK) ||
	    !memcmp(out, out + CHUNK, CHUNK))
		errx(1, "%s: calls for one byte give zeros, or the same twice", contender->impl);
}

void check_output(const struct contender *contender, unsigned int nr_threads)
{
	unsigned int i;

	for (i = 0; i < nr_threads; i++) {
		check_thread(contender, i);
		/* It would be the system call's time under another name. */
		if (contender->states &&
		    is_zero(contender->states + i * PAGE_BYTES, contender->state_size))
			errx(1, "%s: it leaves its state alone, and makes the system call",
			     contender->impl);
	}
}
