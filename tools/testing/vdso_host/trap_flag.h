/* SPDX-License-Identifier: MIT */
/*
 * Single-stepping: while the trap flag is set, each instruction raises SIGTRAP.
 */
#ifndef _TRAP_FLAG_H
#define _TRAP_FLAG_H

#define TRAP_FLAG	0x100

/**
 * set_trap_flag - set or clear the trap flag
 * @flag: TRAP_FLAG or 0
 *
 * Skips the red zone. Inline, because the steps of a function would raise SIGTRAP, too.
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
