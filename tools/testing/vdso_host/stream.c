// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the vDSO's getrandom hands out, on stdout, for programs that look for patterns.
 *
 * usage: stream [--zeros N | --repeat N] [BYTES]
 *
 * By requests of mixed lengths, on one state, that gets its keys from the running kernel.
 * VDSO_CORE names the core, VDSO_IMAGE the image. Without BYTES it goes on until nobody
 * reads any more.
 *
 * As a control, with a flaw: --zeros has every Nth block of 64 bytes zeros, which is what
 * a state hands out that was lost unnoticed; --repeat has it be the one before.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vdso_host.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#endif

#define DEFAULT_IMAGE	"build/kernel/arch/x86/entry/vdso/vdso64.so.dbg"
#define PAGE		4096
#define SKIP		4
#define BLOCK		64
#define ROOM		1048576
#define RESEED_EVERY	(16 << 20)	/* bytes */

typedef ssize_t (*vgetrandom_fn)(void *buffer, size_t len, unsigned int flags, void *state,
				 size_t state_len);

static noreturn void die(const char *format, const char *why)
{
	fprintf(stderr, "stream: ");
	fprintf(stderr, format, why);
	fprintf(stderr, "\n");
	exit(1);
}

/* All ways through the generator: from the batch, with a refill, and with whole blocks. */
static size_t some_len(unsigned int n)
{
	static const size_t lens[] = {
		16, 4, 8, 1, 32, 16, 7, 64, 31, 256, 16, 3, 480, 100, 8, 1000, 16, 33, 4096, 12,
	};

	return lens[n % ARRAY_SIZE(lens)] + n / 7 % 3;
}

static bool put(const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, p, len);

		if (n < 0 && errno == EPIPE)
			return false;
		if (n < 0)
			die("writing: %s", strerror(errno));
		p += n;
		len -= n;
	}
	return true;
}

static uint64_t parse_number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (!*text || *end || !n)
		die("'%s' is no number", text);
	return n;
}

int main(int argc, char **argv)
{
	const char *image = getenv("VDSO_IMAGE"), *core = getenv("VDSO_CORE"), *why;
	uint64_t zeros = 0, repeat = 0, left = UINT64_MAX, reseeds = 1, since_reseed = 0;
	static uint8_t room[ROOM + PAGE + 3];
	size_t have = 0, kept, blocks = 0;
	struct vdso_host *host;
	vgetrandom_fn fn;
	void *state;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--zeros") && i + 1 < argc)
			zeros = parse_number(argv[++i]);
		else if (!strcmp(argv[i], "--repeat") && i + 1 < argc)
			repeat = parse_number(argv[++i]);
		else
			left = parse_number(argv[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	host = vdso_host_open(image ? image : DEFAULT_IMAGE);
	if (!host)
		die("%s", vdso_host_error());
	fn = (vgetrandom_fn)vdso_host_generator(host);
	if (!fn)
		die("%s has no __vdso_getrandom", image ? image : DEFAULT_IMAGE);
	why = vdso_host_set_core(host, core);
	if (why) {
		fprintf(stderr, "stream: %s: %s\n", core, why);
		return SKIP;
	}
	/* Droppable or not is all the same: nobody drops it, and nobody forks. */
	state = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (state == MAP_FAILED)
		die("mapping a state: %s", strerror(errno));

	for (unsigned int n = 0; left; n++) {
		size_t len = some_len(n);

		if (fn(room + have, len, 0, state, sizeof(struct vgetrandom_state)) != (ssize_t)len)
			die("%s", "the call fails");
		have += len;
		since_reseed += len;
		if (since_reseed >= RESEED_EVERY) {
			since_reseed = 0;
			vdso_host_set_rng(host, ++reseeds, true);
		}
		if (have < ROOM)
			continue;
		for (size_t at = 0; at < ROOM; at += BLOCK, blocks++) {
			if (zeros && blocks % zeros == zeros - 1)
				memset(room + at, 0, BLOCK);
			if (repeat && at && blocks % repeat == repeat - 1)
				memcpy(room + at, room + at - BLOCK, BLOCK);
		}
		kept = left < ROOM ? left : ROOM;
		if (!put(room, kept))
			break;
		left -= kept;
		memmove(room, room + ROOM, have - ROOM);
		have -= ROOM;
	}
	return 0;
}
