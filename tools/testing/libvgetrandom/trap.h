/* SPDX-License-Identifier: MIT */
/*
 * Something happens in front of a certain instruction of a piece of code, or of each: a
 * signal handler runs there. The path through the code is recorded once, with the
 * processor's trap flag, which costs a signal for each instruction; to get to one of them
 * later, it is replaced by a breakpoint.
 *
 * One thread at a time, and no two pieces of code in one another.
 */
#ifndef _TRAP_H
#define _TRAP_H

#include <stdbool.h>

/* In place of the number of an instruction. */
#define TRAP_RECORD	(-1)	/* nothing happens, but the path is recorded */
#define TRAP_EACH	(-2)	/* at each, while the path is recorded */

/* What trap_on() was given last. */
extern volatile long trap_at;

/**
 * trap_within - look at some of the instructions only
 * @start: the first one
 * @end: behind the last one
 */
void trap_within(const char *start, const char *end);

/**
 * trap_on - the piece of code begins
 * @action: what is to happen
 * @at: before which instruction: its number in the path, or one of the above
 */
void trap_on(void (*action)(void), long at);

/**
 * trap_off - it ends
 *
 * Return: has anything happened, or been recorded?
 */
bool trap_off(void);

/**
 * trap_path - how many instructions does the recorded path have?
 *
 * Children record it for their parents, too.
 */
long trap_path(void);

/**
 * trap_each - have something happen at each instruction of the path, one after another
 * @run: calls trap_on() with the number that it gets, runs the code, and calls trap_off();
 *	 returns what that said
 * @every: to be tried, from the first one on: each, ...
 * @stride: ... and behind them each @stride-th
 *
 * A path can change from one run to the next, so that it does not come by an instruction.
 * Then @run is called again; few may be missed in the end.
 *
 * Return: how many have been tried.
 */
long trap_each(bool (*run)(long at), long every, long stride);

#endif /* _TRAP_H */
