// SPDX-License-Identifier: GPL-2.0-only
/*
 * From every instruction of the vDSO's getrandom() at which a task can be seen, also those
 * where the kernel lets aborted calls continue, an unwinder reaches main(). It finds the
 * vDSO as debuggers and profilers do.
 * Without unwind information libunwind follows frame pointers, and leaves out a frame.
 * So the frames are compared with the calls and returns seen in single steps.
 */
#define _GNU_SOURCE
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <signal.h>
#include <sys/auxv.h>
#include <ucontext.h>

#include "../vdso_host/abort_model.h"
#include "../vdso_host/trap_flag.h"
#include "guest.h"
#include "ranges.h"

#define CALL		0xe8	/* of a displacement of 32 bits */
#define CALL_SIZE	5
#define MAX_DEPTH	4
#define MAX_FRAMES	16
#define VDSO_SIZE	(4 * 4096UL)	/* more than it has; main() is far away */
#define STACK_SIZE	(256 * 1024)

static struct vgetrandom_state *state;

static struct {
	uintptr_t first, end;	/* where the vDSO is */
	bool entered;
	struct {
		uintptr_t ip, sp;
	} callers[MAX_DEPTH];	/* return addresses, innermost last */
	unsigned int depth;
	uintptr_t last_ip;
	bool seen[VDSO_SIZE];	/* instructions, by their place in it */
	unsigned long steps, different, landed, failed;
	uintptr_t failed_at;
} run;

static bool reaches_main(ucontext_t *context)
{
	unw_word_t offset, ip, sp;
	unw_cursor_t cursor;
	char name[64];

	if (unw_init_local2(&cursor, (unw_context_t *)context, UNW_INIT_SIGNAL_FRAME))
		return false;
	for (unsigned int i = 0; i < MAX_FRAMES && unw_step(&cursor) > 0; i++) {
		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		unw_get_reg(&cursor, UNW_REG_SP, &sp);
		if (i < run.depth && (ip != run.callers[run.depth - 1 - i].ip ||
				      sp != run.callers[run.depth - 1 - i].sp))
			return false;
		/* The caller outside of the vDSO may be inlined in main(). */
		if (i + 1 >= run.depth &&
		    !unw_get_proc_name(&cursor, name, sizeof(name), &offset) &&
		    !strcmp(name, "main"))
			return true;
	}
	return false;
}

/*
 * Update the callers. The instruction before @ip may have been a call; and a return, or the
 * abort of a call, has ended each function whose return address is below @sp.
 */
static void follow_calls(uintptr_t ip, uintptr_t sp, uintptr_t bp)
{
	const uint8_t *last = (uint8_t *)run.last_ip;
	/* The stack pointer may still be that of the functions that were aborted. */
	const uintptr_t frame = ip == abort_model_landing(ranges, &ranges[1]) ? bp : sp;
	int32_t displacement;

	run.last_ip = ip;
	while (run.depth && run.callers[run.depth - 1].sp <= frame)
		run.depth--;
	if (last) {
		if (*last != CALL)
			return;
		memcpy(&displacement, last + 1, sizeof(displacement));
		if (ip != (uintptr_t)last + CALL_SIZE + displacement)
			return;
	}
	check(run.depth < MAX_DEPTH, "the vDSO has more nested calls than this test expects");
	run.callers[run.depth].ip = *(uintptr_t *)sp;
	run.callers[run.depth].sp = sp + sizeof(uintptr_t);
	run.depth++;
}

static void on_sigtrap(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t ip = regs[REG_RIP];

	(void)sig;
	(void)info;
	if (ip >= run.first && ip < run.end) {
		run.entered = true;
		run.steps++;
		run.landed += is_landing(ip);
		follow_calls(ip, regs[REG_RSP], regs[REG_RBP]);
		/* Unwind information belongs to an address: check each address once. */
		if (run.seen[ip - run.first])
			return;
		run.seen[ip - run.first] = true;
		run.different++;
		if (!reaches_main(context) && !run.failed++)
			run.failed_at = ip;
	} else if (run.entered) {
		regs[REG_EFL] &= ~TRAP_FLAG;
	}
}

static void step_through(size_t len)
{
	uint8_t buffer[1024];

	run.entered = false;
	run.depth = 0;
	run.last_ip = 0;
	set_trap_flag(TRAP_FLAG);
	check(guest_getrandom(state, buffer, len, 0) == (ssize_t)len,
	      "a call that is stepped through does not deliver");
}

int main(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_sigtrap,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	stack_t stack = { .ss_size = STACK_SIZE };
	/* These cause refills, all ways of __arch_vgetrandom_take() and several core iterations. */
	static const size_t lens[] = { 1, 1, 2, 4, 5, 8, 9, 16, 17, 33, 65, 500, 1000 };

	guest_open();
	guest_wait_ready();
	ranges_open();
	state = guest_map_states();
	run.first = getauxval(AT_SYSINFO_EHDR);
	run.end = run.first + VDSO_SIZE;
	stack.ss_sp = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(stack.ss_sp != MAP_FAILED && !sigaltstack(&stack, NULL) &&
	      !sigaction(SIGTRAP, &sa, NULL), "a handler for SIGTRAP: %s", strerror(errno));

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		step_through(lens[i]);
	/* No step ends in the generator. Outside of it these are most of the instructions. */
	check(run.steps > 500 && run.different > 80 && run.landed > 50,
	      "only %lu instructions were stepped through, %lu different ones, %lu after aborts",
	      run.steps, run.different, run.landed);
	check(!run.failed, "from %lu of %lu instructions main() is not reached, first from %#lx in the vDSO",
	      run.failed, run.different, (unsigned long)(run.failed_at - run.first));
	passed("main() is reached from each instruction and from the landings");
	printf("main() is reached from all of %lu instructions\n", run.different);
	return 0;
}
