// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes random bytes of the hosted vDSO to stdout, for statistical tests.
 *
 * usage: stream [--zeros N | --repeat N] [BYTES]
 *
 * The bytes come from requests of mixed lengths with one state, whose keys come from the
 * running kernel. VDSO_CORE names the core, VDSO_IMAGE the image. Without BYTES the stream
 * ends when the reader closes it.
 *
 * Two flaws serve as controls of such tests: --zeros makes every Nth block of 64 bytes
 * zeros, as a state does that was dropped unnoticed; --repeat repeats the previous block.
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
#define BUFFER_SIZE		1048576
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

/* Lengths for all paths of the generator: from the batch, with a refill, with whole blocks. */
static size_t request_len(unsigned int n)
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
			die("cannot write: %s", strerror(errno));
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
		die("'%s': not a positive number", text);
	return n;
}

int main(int argc, char **argv)
{
	const char *image = getenv("VDSO_IMAGE"), *core = getenv("VDSO_CORE"), *why;
	uint64_t zeros = 0, repeat = 0, left = UINT64_MAX, reseeds = 1, since_reseed = 0;
	static uint8_t buffer[BUFFER_SIZE + PAGE + 3];
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
	/* Ordinary memory will do: nothing drops it, and this program does not fork. */
	state = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (state == MAP_FAILED)
		die("cannot map a state: %s", strerror(errno));

	for (unsigned int n = 0; left; n++) {
		size_t len = request_len(n);

		if (fn(buffer + have, len, 0, state, sizeof(struct vgetrandom_state)) !=
		    (ssize_t)len)
			die("%s", "__vdso_getrandom failed");
		have += len;
		since_reseed += len;
		if (since_reseed >= RESEED_EVERY) {
			since_reseed = 0;
			vdso_host_set_rng(host, ++reseeds, true);
		}
		if (have < BUFFER_SIZE)
			continue;
		for (size_t at = 0; at < BUFFER_SIZE; at += BLOCK, blocks++) {
			if (zeros && blocks % zeros == zeros - 1)
				memset(buffer + at, 0, BLOCK);
			if (repeat && at && blocks % repeat == repeat - 1)
				memcpy(buffer + at, buffer + at - BLOCK, BLOCK);
		}
		kept = left < BUFFER_SIZE ? left : BUFFER_SIZE;
		if (!put(buffer, kept))
			break;
		left -= kept;
		memmove(buffer, buffer + BUFFER_SIZE, have - BUFFER_SIZE);
		have -= BUFFER_SIZE;
	}
	return 0;
}
