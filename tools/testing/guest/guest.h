/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the tests that run in the guest, on the patched kernel: the vDSO's getrandom(),
 * states for it, and proof of which calls enter the kernel.
 *
 * Each program tests one promise. It prints its result, and exits with 0 if the
 * promise is kept and with 1 if not.
 */
#ifndef _GUEST_H
#define _GUEST_H

#include <stdnoreturn.h>
#include <vdso/getrandom.h>

#include "droppable_util.h"

#ifndef GRND_INSECURE
#define GRND_INSECURE	0x0004
#endif

/* Print what is wrong, and exit with 1. */
noreturn void fail(const char *format, ...);

#define check(condition, ...) do {		\
	if (!(condition))			\
		fail(__VA_ARGS__);		\
} while (0)

/* Print the name of a test that has passed, in a program that has several. */
void passed(const char *name);

/* Exit if the vDSO has no getrandom(), or its states have another size. */
void guest_open(void);

/* Map a page of states, with the flags that the vDSO's query returns. */
struct vgetrandom_state *guest_map_states(void);

/* The vDSO's getrandom on @state. */
ssize_t guest_getrandom(struct vgetrandom_state *state, void *buffer, size_t len,
			unsigned int flags);

/* Wait until the kernel has seeded its RNG; seed it; make it reseed. */
void guest_wait_ready(void);
void guest_add_entropy(void);
void guest_reseed(void);

/*
 * Reseed, but not before the machine has run for @uptime seconds. In the first minutes the kernel
 * reseeds by itself when the uptime has grown by half. Return the uptime in seconds.
 */
long guest_reseed_at(long uptime);

/*
 * Run @fn in a child that the kernel kills at its first system call other than
 * read and write, for at most @seconds. @state has a key when it starts. Return how
 * it ended.
 */
enum guest_end { RETURNED_TRUE, RETURNED_FALSE, MADE_A_SYSCALL, STILL_RUNNING };

enum guest_end guest_without_syscalls(bool (*fn)(struct vgetrandom_state *state),
				      struct vgetrandom_state *state,
				      unsigned int seconds);

/* Check that @state, once it has a key, serves many calls without the kernel. */
void guest_check_served(struct vgetrandom_state *state);

/* Run @fn in a child; fail() there fails the test too. */
void guest_in_child(void (*fn)(void));

/*
 * For searches of the guest's memory from outside: a word for each @type of mapping (MAP_DROPPABLE,
 * MAP_PRIVATE) that is nowhere else, as a word, and memory that is full of @word.
 */
uint64_t guest_word(int type);
void guest_fill(uint8_t *p, size_t len, uint64_t word);

/* Where the running vDSO is. Store its length in bytes in @size. */
void *guest_vdso(size_t *size);

/* Write @text to a file of /proc or /sys; exits if that fails. */
void guest_write(const char *file, const char *text);

#endif /* _GUEST_H */
