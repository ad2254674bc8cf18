/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps through calls of this process' own vDSO, or of libvgetrandom, and at every
 * instruction has libunwind walk to main(). Each step of the way is compared with the calls
 * that were seen to be made: where it has no information libunwind guesses, and may reach
 * main() nevertheless.
 */
#ifndef _WALK_H
#define _WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/ucontext.h>

#define WALK_MAX_FUNCTIONS	16
#define WALK_MAX_IMAGE		65536

typedef ssize_t (*walk_getrandom_fn)(void *buffer, size_t len, unsigned int flags, void *state,
				     size_t state_len);

/* What an instruction does to the calls, as its mnemonic says. */
enum walk_kind { NO_INSTRUCTION, ORDINARY, CALL, RETURN, PADDING };

struct walk_instruction {
	enum walk_kind kind;
	int function;
	unsigned long walked, failed;
};

struct walk_function {
	char name[64];
	long start, size;
	bool runs_here;		/* if not, it is left at its first instruction */
};

extern struct walk {
	uintptr_t base;		/* of the vDSO, or the library */
	bool is_library;
	walk_getrandom_fn fn;	/* what is called */
	struct walk_function functions[WALK_MAX_FUNCTIONS];
	int nfunctions;
	/* By their place in the image. */
	struct walk_instruction instructions[WALK_MAX_IMAGE];
	unsigned int each;	/* walks from an instruction: information is of a place */
	char problem[160];	/* the first one */
} walk;

/*
 * Once in a process: read what instructions there are, and the addresses of data; and load
 * @library, unless that is NULL. Says why on stderr if it returns false.
 */
bool walk_open(const char *list, const char *library);

/* A symbol of the image's data, or a function of ours, or NULL. */
void *walk_data(const char *name);

/* Of the library: the same, of data that this thread has. */
void *walk_thread_data(const char *name);

/* Forget what has been seen, and what libunwind has kept of the unwind information. */
void walk_reset(void);

/* Called before each instruction, the how manieth of a call it is, and may disturb. */
typedef void (*walk_hook)(unsigned long step, long ip, greg_t *regs);

/* Call walk.fn. Returns what it returns; in @steps, if not NULL, how long. */
ssize_t walk_call(void *buffer, size_t len, unsigned int flags, void *state, size_t state_len,
		  walk_hook hook, unsigned long *steps);

#endif /* _WALK_H */
