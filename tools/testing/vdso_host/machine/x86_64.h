/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <ucontext.h>

#define MACHINE_ELF		EM_X86_64
#define MACHINE_BASELINE	"sse2"
#define MACHINE_STATE_ALIGN	1
#define MACHINE_SYSCALL_SIGNAL		SIGSYS

/* The compiler's runtime uses CPUID, and XGETBV for the features that the kernel enables. */
#define machine_has(feature)	__builtin_cpu_supports(feature)

static const uint8_t machine_breakpoint[] = { 0xcc };

static inline uint64_t machine_argument(const ucontext_t *context, unsigned int n)
{
	static const int registers[] = { REG_RDI, REG_RSI, REG_RDX };

	return context->uc_mcontext.gregs[registers[n]];
}

static inline void machine_return_from_syscall(ucontext_t *context, long value)
{
	context->uc_mcontext.gregs[REG_RAX] = value;
}

/* Called at the function's first instruction: the return address is on top of the stack. */
static inline void machine_return_early(ucontext_t *context, long value)
{
	greg_t *registers = context->uc_mcontext.gregs;

	registers[REG_RAX] = value;
	registers[REG_RIP] = *(greg_t *)registers[REG_RSP];
	registers[REG_RSP] += sizeof(greg_t);
}
