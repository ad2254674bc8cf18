/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#define MACHINE_ELF		EM_AARCH64
#define MACHINE_BASELINE	"asimd"
#define MACHINE_STATE_ALIGN	8	/* of an atomic word */
#define MACHINE_SYSCALL_SIGNAL		SIGILL

#define machine_has(feature)	(!strcmp(feature, MACHINE_BASELINE))

static const uint8_t machine_breakpoint[] = { 0x00, 0x00, 0x20, 0xd4 };	/* brk #0 */

static inline uint64_t machine_argument(const ucontext_t *context, unsigned int n)
{
	return context->uc_mcontext.regs[n];
}

/* The program counter is still at the undefined instruction, of 4 bytes. */
static inline void machine_return_from_syscall(ucontext_t *context, long value)
{
	context->uc_mcontext.regs[0] = value;
	context->uc_mcontext.pc += 4;
}

static inline void machine_return_early(ucontext_t *context, long value)
{
	context->uc_mcontext.regs[0] = value;
	context->uc_mcontext.pc = context->uc_mcontext.regs[30];
}
