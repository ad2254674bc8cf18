// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

#define DEFAULT_IMAGE "build/kernel/arch/x86/entry/vdso/vdso64.so.dbg"

#define CORE_PREFIX	"vgetrandom_chacha20_"

#define SKIP		4	/* KSFT_SKIP, which the tests' harness has */

struct world world;

bool world_set_core(const char *name)
{
	if (vdso_host_set_core(world.host, name))
		return false;
	world.pass = vdso_host_cores[vdso_host_rng(world.host)->core].blocks;
	oracle_set_pass(world.pass);
	return true;
}

const char *world_image(void)
{
	const char *image = getenv("VDSO_IMAGE");

	return image ? image : DEFAULT_IMAGE;
}

/*
 * Before main(), because the harness has no other way to skip a whole program. What is
 * wrong with the image, or with the name, is for world_open() to say.
 */
__attribute__((constructor))
static void skip_without_core(void)
{
	const char *name = getenv("VDSO_CORE");

	for (size_t i = 0; name && vdso_host_cores[i].name; i++) {
		if (strcmp(name, vdso_host_cores[i].name) || vdso_host_runs_here(i))
			continue;
		printf("1..0 # SKIP %s: not on this processor, or not with its kernel\n", name);
		exit(SKIP);
	}
}

void world_place_at(void *state)
{
	memset(world.page, CANARY, PAGE);
	memset(state, 0, world.state_size);
	world.state = state;
}

bool world_open_page(size_t state_size)
{
	uint8_t *p;

	p = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE)) {
		fprintf(stderr, "mapping a page for states: %s\n", strerror(errno));
		return false;
	}
	world.page = p + PAGE;
	world.state_size = state_size;
	world_place(MIDDLE_OF_PAGE);
	return true;
}

bool world_open(void)
{
	const char *image = world_image(), *core = getenv("VDSO_CORE");

	world.host = vdso_host_open(image);
	if (!world.host) {
		fprintf(stderr, "%s (VDSO_IMAGE names another image)\n",
			vdso_host_error());
		return false;
	}
	world.fn = (vgetrandom_fn)vdso_host_generator(world.host);
	if (!world.fn) {
		fprintf(stderr, "the vDSO image has no __vdso_getrandom\n");
		return false;
	}
	world.rng = vdso_host_rng(world.host);
	if (!world_set_core(core)) {
		fprintf(stderr, "%s: %s\n", core ? core : image,
			vdso_host_set_core(world.host, core));
		return false;
	}

	if (!world_open_library() || !(world.pool || world_open_page(STATE_SIZE)) ||
	    !gate_open(world.host, world.page, PAGE))
		return false;
	gate->may_keep = world.pool ? world_may_keep : NULL;
	return true;
}

void world_place(enum place place)
{
	const size_t offset[] = {
		[FIRST_IN_PAGE] = 0,
		[MIDDLE_OF_PAGE] = PAGE / 2,
		[LAST_IN_PAGE] = PAGE - world.state_size,
	};

	world_place_at(world.page + offset[place]);
	world_use_state(world.state);
}

bool world_canaries_ok(void)
{
	const uint8_t *state = (uint8_t *)world.state;

	for (const uint8_t *p = world.page; p < world.page + PAGE; p++)
		if ((p < state || p >= state + world.state_size) && *p != CANARY)
			return false;
	return true;
}

bool world_in_core(const void *ip)
{
	const char *function = world.host ? vdso_host_function(world.host, ip) : NULL;

	return function && !strncmp(function, CORE_PREFIX, strlen(CORE_PREFIX));
}

ssize_t world_call(void *buffer, size_t len, unsigned int flags)
{
	return world.fn(buffer, len, flags, world.state, STATE_SIZE);
}

void world_start(enum start start)
{
	uint8_t buffer[VGETRANDOM_RUN_SIZE];

	world_restore();
	world_lose();
	if (start == EMPTY)
		return;
	world_restore();
	/* A whole pass leaves the one that is made for the batch untouched. */
	world_call(buffer, PASS_SIZE, 0);
	if (start == PARTLY_USED)
		world_call(buffer, BATCH - PART_LEFT, 0);
}

bool world_replay(struct oracle *o, const uint8_t *out, size_t len,
		  unsigned int from, unsigned int to, pid_t pid)
{
	uint8_t want[MAX_REPLAY];

	if (len > sizeof(want))
		return false;
	for (unsigned int i = from; i < to; i++) {
		const struct gate_request *r = gate_request(i);

		if (r->pid != pid)
			continue;
		if (!r->is_key || r->len != VGETRANDOM_KEY_SIZE || r->flags)
			return false;
		oracle_rekey(o, r->bytes);
	}
	oracle_take(o, want, len);
	return !memcmp(out, want, len);
}

struct gate_request *world_only_request(unsigned int from, unsigned int to,
					pid_t pid)
{
	struct gate_request *found = NULL;

	for (unsigned int i = from; i < to; i++) {
		if (gate_request(i)->pid != pid)
			continue;
		if (found)
			return NULL;
		found = gate_request(i);
	}
	return found;
}
