// SPDX-License-Identifier: GPL-2.0-only
/*
 * A state that is restored on another boot is stale, as after a checkpoint by CRIU: the first
 * generation of a boot is random.
 *
 * usage: guest_other_boot >FILE	copies a state, and the bytes that it gives next
 *        guest_other_boot FILE		uses the copy, on another boot
 */
#include "guest.h"

/* Were generations counted from 1, the second boot would pass the one of the copy. */
#define RESEEDS	50

static struct {
	struct vgetrandom_state state;
	uint8_t next[32];
} copied;

static struct vgetrandom_state *state;

static void copy(void)
{
	uint8_t byte;

	for (int i = 0; i < RESEEDS / 2; i++)
		guest_reseed();
	do {
		check(guest_getrandom(state, &byte, 1, 0) == 1, "no bytes");
		copied.state = *state;
		check(guest_getrandom(state, copied.next, sizeof(copied.next), 0) ==
		      sizeof(copied.next), "no more bytes");
	/* Not with a new key. */
	} while (state->generation != copied.state.generation ||
		 state->available + sizeof(copied.next) != copied.state.available);
	check(fwrite(&copied, sizeof(copied), 1, stdout) == 1, "writing the copy failed");
}

/* Are the next bytes of @s those that came on the other boot? */
static bool repeats(struct vgetrandom_state *s)
{
	uint8_t out[sizeof(copied.next)];

	check(guest_getrandom(s, out, sizeof(out), 0) == sizeof(out), "no bytes");
	return !memcmp(out, copied.next, sizeof(out));
}

static bool copy_repeats(struct vgetrandom_state *s)
{
	*s = copied.state;
	return repeats(s);
}

static bool current_copy_repeats(struct vgetrandom_state *s)
{
	uint64_t current = s->generation;

	*s = copied.state;
	s->generation = current;
	return repeats(s);
}

static void use(const char *file)
{
	enum guest_end end = MADE_A_SYSCALL;
	FILE *f = fopen(file, "re");
	uint64_t distance;

	check(f && fread(&copied, sizeof(copied), 1, f) == 1, "%s: no copy", file);
	fclose(f);

	/* Retry, because the kernel may reseed in the middle. */
	for (int i = 0; end == MADE_A_SYSCALL && i < 5; i++)
		end = guest_without_syscalls(current_copy_repeats, state, 10);
	check(end == RETURNED_TRUE, "control: no repeated bytes with this boot's generation");
	check(guest_without_syscalls(copy_repeats, state, 10) == MADE_A_SYSCALL,
	      "the copied state gets no new key");

	for (int i = 0; i < RESEEDS; i++) {
		check(!copy_repeats(state), "after %d reseeds the copied state repeats bytes", i);
		check(memcmp(state->key, copied.state.key, sizeof(state->key)),
		      "after %d reseeds the copied state keeps its key", i);
		guest_reseed();
	}
	distance = state->generation - copied.state.generation;
	check((distance < -distance ? distance : -distance) >> 32,
	      "the generations of two boots are near to each other");
	printf("a state of another boot: stale\n");
}

int main(int argc, char **argv)
{
	guest_open();
	guest_wait_ready();
	state = guest_map_states();
	if (argc > 1)
		use(argv[1]);
	else
		copy();
	return 0;
}
