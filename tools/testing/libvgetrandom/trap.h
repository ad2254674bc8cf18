/* SPDX-License-Identifier: MIT */
/*
 * Runs a function, in a signal handler, before a certain instruction of a section of code or before
 * each of them. The path through the code is recorded once with the processor's trap flag, which
 * costs a signal per instruction. Later, the instruction is replaced by a breakpoint.
 *
 * One thread at a time may do this, and sections must not be nested.
 */
#ifndef _TRAP_H
#define _TRAP_H

#include <stdbool.h>

/* Special values instead of an instruction's number. */
#define TRAP_RECORD	(-1)	/* only record the path */
#define TRAP_EACH	(-2)	/* record the path, and run the function before each instruction */

/* @at of the last trap_on(). */
extern volatile long trap_at;

/**
 * trap_within - limit traps to a range of instructions
 * @start: the first instruction
 * @end: the end of the last one
 */
void trap_within(const char *start, const char *end);

/**
 * trap_on - begin the section of code
 * @action: the function to run
 * @at: before which instruction: its number in the path, TRAP_RECORD or TRAP_EACH
 */
void trap_on(void (*action)(void), long at);

/**
 * trap_off - end the section of code
 *
 * Return: true if @action has run, or an instruction has been recorded
 */
bool trap_off(void);

/**
 * trap_path - the number of instructions of the recorded path
 *
 * The path is in shared memory: a child may record it for its parent.
 */
long trap_path(void);

/**
 * trap_each - run the code once for each instruction of the path
 * @run: calls trap_on() with @at, runs the code, calls trap_off() and returns its result
 * @every: each of the first @every instructions is tried,
 * @stride: and of later ones each @stride-th
 *
 * The path may differ between runs, and then may not reach the instruction. @run is repeated then.
 * The test fails if more than a twentieth of the instructions are never reached.
 *
 * Return: the number of instructions tried
 */
long trap_each(bool (*run)(long at), long every, long stride);

#endif /* _TRAP_H */
