/* SPDX-License-Identifier: MIT */
/*
 * Single steps: while the trap flag is set, a SIGTRAP comes after each instruction.
 */
#ifndef _TRAP_FLAG_H
#define _TRAP_FLAG_H

#define TRAP_FLAG	0x100

/**
 * set_trap_flag - set or clear it
 * @flag: TRAP_FLAG or 0
 *
 * Clear of the red zone, and inline, because a function would be stepped through too.
 */
static inline __attribute__((always_inline)) void set_trap_flag(unsigned long flag)
{
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "pushfq\n\t"
		     "andq %0, (%%rsp)\n\t"
		     "orq %1, (%%rsp)\n\t"
		     "popfq\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : : "i" (~TRAP_FLAG), "ri" (flag) : "memory", "cc");
}

#endif /* _TRAP_FLAG_H */
