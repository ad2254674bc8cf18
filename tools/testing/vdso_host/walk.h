/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Single-steps calls of this process' vDSO, or of libvgetrandom. At every instruction,
 * libunwind walks from there to main(). Each frame of the walk is compared with the calls that
 * were really made: without unwind information libunwind guesses, and may reach main() by
 * chance.
 */
#ifndef _WALK_H
#define _WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <ucontext.h>

#define WALK_MAX_FUNCTIONS	16
#define WALK_MAX_IMAGE		65536

typedef ssize_t (*walk_getrandom_fn)(void *buffer, size_t len, unsigned int flags, void *state,
				     size_t state_len);

/* What an instruction does to the call stack. */
enum walk_kind { NO_INSTRUCTION, ORDINARY, CALL, RETURN, PADDING };

struct walk_instruction {
	enum walk_kind kind;
	int function;
	unsigned long walked, failed;
};

struct walk_function {
	char name[64];
	long start, size;
	bool runs_here;		/* false: return from its first instruction at once */
};

extern struct walk {
	uintptr_t base;		/* of the vDSO, or the library */
	bool is_library;
	walk_getrandom_fn fn;	/* the function that walk_call() calls */
	struct walk_function functions[WALK_MAX_FUNCTIONS];
	int nfunctions;
	/* Indexed by their offset in the image. */
	struct walk_instruction instructions[WALK_MAX_IMAGE];
	/* At most this many walks from each instruction, which all use the same information. */
	unsigned int each;
	/* Walks from the landings of aborted calls, of which there are as many as aborts. */
	unsigned long landings, failed_landings;
	char problem[160];	/* the first one */
} walk;

/*
 * Once in a process: read the list of instructions and data, and load @library, unless that
 * is NULL. Returns false and prints an error to stderr if it fails.
 */
bool walk_open(const char *list, const char *library);

/* The address of data, or of a function, in the list; or NULL. */
void *walk_data(const char *name);

/* The same for thread-local data of the library. */
void *walk_thread_data(const char *name);

/* Clear the counts, and libunwind's cache of unwind information. */
void walk_reset(void);

/* Called before each instruction, number @step of the call. May disturb the call. */
typedef void (*walk_hook)(unsigned long step, long ip, ucontext_t *context);

/*
 * In a hook: abort the call as the kernel does: see abort_model.h. The next walk is from the
 * landing. Returns false if the call is in no range.
 */
bool walk_abort(ucontext_t *context, int reason);

/* Call walk.fn. Returns its result; @steps, if not NULL, is the number of instructions. */
ssize_t walk_call(void *buffer, size_t len, unsigned int flags, void *state, size_t state_len,
		  walk_hook hook, unsigned long *steps);

#endif /* _WALK_H */
