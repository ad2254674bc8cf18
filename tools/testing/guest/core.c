// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel has chosen the ChaCha20 core CORE, its log says so, and calls use that core.
 *
 * usage: guest_core CORE
 *
 * The kernel publishes its number, and the number of bytes that a refill makes shows it too. The
 * registers do not: the kernel clears them when it interrupts a call.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "guest.h"

#define LINES		10000		/* more than a boot logs */
#define RNG_DATA	640		/* arch/x86/include/asm/vvar.h */

static const struct core {
	const char *name, *logged, *feature;
	size_t blocks;			/* of a refill */
} cores[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature) { #name, log, feature, blocks },
#include <asm/vdso/getrandom-cores.h>
};

/* The kernel's log names the core. */
static void check_log(const struct core *core)
{
	static const char intro[] = "vDSO: getrandom() uses ";
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[2048], *text = NULL;

	check(fd >= 0, "opening /dev/kmsg: %s", strerror(errno));
	for (int i = 0; !text && i < LINES; i++) {
		ssize_t n = read(fd, line, sizeof(line) - 1);

		if (n < 0 && errno == EAGAIN)
			break;
		line[n > 0 ? n : 0] = '\0';
		text = strstr(line, intro);
	}
	close(fd);
	check(text, "the kernel's log does not say which core it uses");
	/* cppcheck-suppress nullPointerArithmeticRedundantCheck ; check() does not return */
	text += strlen(intro);
	text[strcspn(text, "\n")] = '\0';
	check(!strcmp(text, core->logged), "the kernel uses %s, not %s", text, core->logged);
}

/* The data page, the first of those before the vDSO, has the number of the core. */
static void check_number(const struct core *core)
{
	const struct vdso_rng_data *rng = NULL;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	check(maps, "/proc/self/maps: %s", strerror(errno));
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[vvar]"))
			rng = (const void *)(strtoul(line, NULL, 16) + RNG_DATA);
	fclose(maps);
	check(rng && rng->is_ready, "the data page has no ready RNG");
	check(rng->core == core - cores, "the data page has core %u", rng->core);
}

/* All bytes are written, and no bytes come twice. */
static void check_bytes(struct vgetrandom_state *state)
{
	static uint8_t all[3][4096];

	for (int i = 0; i < 3; i++) {
		size_t len = sizeof(all[i]) - i;

		check(guest_getrandom(state, all[i], len, 0) == (ssize_t)len, "no bytes");
		for (size_t at = 0; at + 16 <= len; at += 16)
			check(!is_zero(all[i] + at, 16), "zeros at byte %zu of %zu", at, len);
	}
	check(memcmp(all[0], all[1], 64) && memcmp(all[1], all[2], 64), "the same bytes twice");
}

int main(int argc, char **argv)
{
	const struct core *core = cores;
	struct vgetrandom_state *state;
	size_t batch;
	uint8_t byte;

	check(argc == 2, "usage: guest_core CORE");
	while (strcmp(core->name, argv[1]))
		check(++core < cores + sizeof(cores) / sizeof(cores[0]), "unknown core");
	guest_open();
	guest_wait_ready();
	check_log(core);

	state = guest_map_states();
	check(guest_getrandom(state, &byte, 1, 0) == 1, "no bytes");
	batch = core->blocks * VGETRANDOM_BLOCK_SIZE - VGETRANDOM_KEY_SIZE;
	check(state->available == batch - 1, "a refill makes %llu bytes, not %zu",
	      (unsigned long long)state->available + 1, batch);
	check_bytes(state);
	check_number(core);
	guest_check_served(state);
	printf("%s: picked, and used\n", core->name);
	return 0;
}
