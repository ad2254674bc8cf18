/* SPDX-License-Identifier: MIT */
/*
 * Single steps: while the trap flag is set, a SIGTRAP comes after each instruction.
 */
#ifndef _TRAP_H
#define _TRAP_H

#define TRAP_FLAG	0x100

/* Clear of the red zone. */
static inline __attribute__((always_inline)) void trap_on(void)
{
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "pushfq\n\t"
		     "orq %0, (%%rsp)\n\t"
		     "popfq\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : : "i" (TRAP_FLAG) : "memory", "cc");
}

static inline __attribute__((always_inline)) void trap_off(void)
{
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "pushfq\n\t"
		     "andq %0, (%%rsp)\n\t"
		     "popfq\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : : "i" (~TRAP_FLAG) : "memory", "cc");
}

#endif /* _TRAP_H */
