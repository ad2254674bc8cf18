// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testbed.h"

#define DEFAULT_IMAGE "build/kernel/arch/x86/entry/vdso/vdso64.so.dbg"

#define CORE_PREFIX	"vgetrandom_chacha20_"

#define SKIP		4	/* KSFT_SKIP, which the tests' harness has */

struct testbed testbed;

bool testbed_set_core(const char *name)
{
	if (vdso_host_set_core(testbed.host, name))
		return false;
	testbed.iteration_blocks = vdso_host_cores[vdso_host_rng(testbed.host)->core].blocks;
	oracle_set_iteration(testbed.iteration_blocks);
	return true;
}

const char *testbed_image(void)
{
	const char *image = getenv("VDSO_IMAGE");

	return image ? image : DEFAULT_IMAGE;
}

/*
 * Before main(), because the harness cannot skip a whole program. testbed_open() reports
 * errors of the image or the name.
 */
__attribute__((constructor))
static void skip_without_core(void)
{
	const char *name = getenv("VDSO_CORE");

	for (size_t i = 0; name && vdso_host_cores[i].name; i++) {
		if (strcmp(name, vdso_host_cores[i].name) || vdso_host_runs_here(i))
			continue;
		printf("1..0 # SKIP this processor, or its kernel, cannot run core %s\n", name);
		exit(SKIP);
	}
}

void testbed_place_at(void *state)
{
	memset(testbed.page, CANARY, PAGE);
	memset(state, 0, testbed.state_size);
	testbed.state = state;
}

bool testbed_open_page(size_t state_size)
{
	uint8_t *p;

	p = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE)) {
		fprintf(stderr, "cannot map a page for states: %s\n", strerror(errno));
		return false;
	}
	testbed.page = p + PAGE;
	testbed.state_size = state_size;
	testbed_place(MIDDLE_OF_PAGE);
	return true;
}

bool testbed_open(void)
{
	const char *image = testbed_image(), *core = getenv("VDSO_CORE");

	testbed.host = vdso_host_open(image);
	if (!testbed.host) {
		fprintf(stderr, "%s (VDSO_IMAGE names another image)\n",
			vdso_host_error());
		return false;
	}
	testbed.fn = (vgetrandom_fn)vdso_host_generator(testbed.host);
	if (!testbed.fn) {
		fprintf(stderr, "the vDSO image has no __vdso_getrandom\n");
		return false;
	}
	testbed.rng = vdso_host_rng(testbed.host);
	if (!testbed_set_core(core)) {
		fprintf(stderr, "%s: %s\n", core ? core : image,
			vdso_host_set_core(testbed.host, core));
		return false;
	}

	if (!testbed_open_library() || !(testbed.pool || testbed_open_page(STATE_SIZE)) ||
	    !mock_open(testbed.host, testbed.page, PAGE))
		return false;
	mock->may_hold_keys = testbed.pool ? testbed_may_hold_keys : NULL;
	return true;
}

void testbed_place(enum place place)
{
	const size_t offset[] = {
		[FIRST_IN_PAGE] = 0,
		[MIDDLE_OF_PAGE] = PAGE / 2,
		[LAST_IN_PAGE] = PAGE - testbed.state_size,
	};

	testbed_place_at(testbed.page + offset[place]);
	testbed_use_state(testbed.state);
}

bool testbed_canaries_ok(void)
{
	const uint8_t *state = (uint8_t *)testbed.state;

	for (const uint8_t *p = testbed.page; p < testbed.page + PAGE; p++)
		if ((p < state || p >= state + testbed.state_size) && *p != CANARY)
			return false;
	return true;
}

bool testbed_in_core(const void *ip)
{
	const char *function = testbed.host ? vdso_host_function(testbed.host, ip) : NULL;

	return function && !strncmp(function, CORE_PREFIX, strlen(CORE_PREFIX));
}

ssize_t testbed_call(void *buffer, size_t len, unsigned int flags)
{
	return testbed.fn(buffer, len, flags, testbed.state, STATE_SIZE);
}

void testbed_start(enum start start)
{
	uint8_t buffer[VGETRANDOM_KEYSTREAM_SIZE];

	testbed_restore();
	testbed_drop();
	if (start == EMPTY)
		return;
	testbed_restore();
	/* A whole iteration for the caller: the next one fills the batch. */
	testbed_call(buffer, ITERATION_SIZE, 0);
	if (start == PARTLY_USED)
		testbed_call(buffer, BATCH - PART_LEFT, 0);
}

bool testbed_replay(struct oracle *o, const uint8_t *out, size_t len,
		    unsigned int from, unsigned int to, pid_t pid)
{
	static uint8_t want[MAX_REPLAY];

	if (len > sizeof(want))
		return false;
	for (unsigned int i = from; i < to; i++) {
		const struct mock_request *r = mock_request(i);

		if (r->pid != pid)
			continue;
		if (!r->is_key || r->len != VGETRANDOM_KEY_SIZE || r->flags)
			return false;
		oracle_rekey(o, r->bytes);
	}
	for (size_t at = 0; at < len; at += MAX_CHUNK)
		oracle_take(o, want + at, len - at < MAX_CHUNK ? len - at : MAX_CHUNK);
	return !memcmp(out, want, len);
}

struct mock_request *testbed_only_request(unsigned int from, unsigned int to,
					  pid_t pid)
{
	struct mock_request *found = NULL;

	for (unsigned int i = from; i < to; i++) {
		if (mock_request(i)->pid != pid)
			continue;
		if (found)
			return NULL;
		found = mock_request(i);
	}
	return found;
}
