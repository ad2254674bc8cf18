// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "abort_model.h"
#include "trap_flag.h"
#include "walk.h"

#define MAX_FRAMES	32
#define MAX_DEPTH	6	/* the generator: fast and slow path, continue, guard, try; a core */
#define MAX_DATA	16
#define SYSCALL_SIZE	2
#define STACK_SIZE	(256 * 1024)

struct walk walk;

static struct {
	char name[64];
	long value;
} data[MAX_DATA];
static int ndata;
static size_t tls_module;	/* the library's */

/* The callee-saved registers: libunwind's numbers, and a signal context's. */
static const struct {
	int unwound, context;
} saved[] = {
	{ UNW_X86_64_RBX, REG_RBX }, { UNW_X86_64_RBP, REG_RBP }, { UNW_X86_64_R12, REG_R12 },
	{ UNW_X86_64_R13, REG_R13 }, { UNW_X86_64_R14, REG_R14 }, { UNW_X86_64_R15, REG_R15 },
};

#define NSAVED (sizeof(saved) / sizeof(saved[0]))

static struct {
	walk_hook hook;
	uintptr_t entry_sp;	/* stack pointer at the call's first instruction */
	enum walk_kind last;
	bool landed;		/* the kernel has just aborted the call */
	unsigned int depth;
	struct {
		uintptr_t ip, sp, saved[NSAVED];
	} callers[MAX_DEPTH];	/* frames to return to, innermost last */
	unsigned long steps;
} current;

#define problem(format, ...)							\
	(walk.problem[0] ? 0 : snprintf(walk.problem, sizeof(walk.problem), format, __VA_ARGS__))

/* Does the cursor's frame have the registers that @caller had when it made its call? */
static bool is_caller(unw_cursor_t *cursor, unsigned int caller, long ip)
{
	unw_word_t word;

	if (unw_get_reg(cursor, UNW_REG_IP, &word) || word != current.callers[caller].ip)
		return problem("%#lx: frame %u is at the wrong instruction", ip, caller), false;
	if (unw_get_reg(cursor, UNW_REG_SP, &word) || word != current.callers[caller].sp)
		return problem("%#lx: frame %u has the wrong stack", ip, caller), false;
	for (size_t i = 0; i < NSAVED; i++)
		if (unw_get_reg(cursor, saved[i].unwound, &word) ||
		    word != current.callers[caller].saved[i])
			return problem("%#lx: frame %u has a wrong %s", ip, caller,
				       unw_regname(saved[i].unwound)), false;
	return true;
}

static bool reaches_main(ucontext_t *context, long ip)
{
	unsigned int left = current.depth;
	unw_cursor_t cursor;
	unw_word_t offset;
	char name[64];

	if (unw_init_local2(&cursor, (unw_context_t *)context, UNW_INIT_SIGNAL_FRAME))
		return problem("%#lx: unw_init_local2() failed", ip), false;
	for (unsigned int i = 0; i < MAX_FRAMES && unw_step(&cursor) > 0; i++) {
		if (left && !is_caller(&cursor, --left, ip))
			return false;
		/* The remaining frames are this program's. */
		if (!left && !unw_get_proc_name(&cursor, name, sizeof(name), &offset) &&
		    !strcmp(name, "main"))
			return true;
	}
	return problem("%#lx: the walk ends before main()", ip), false;
}

/* Before the instruction at @ip: update the call stack by what the last one did. */
static bool follow_calls(long ip, const greg_t *regs)
{
	const uintptr_t sp = regs[REG_RSP];

	if (current.last == RETURN)
		current.depth--;
	if (current.last != CALL && current.entry_sp)
		return true;
	current.entry_sp = current.entry_sp ? current.entry_sp : sp;
	if (current.depth == MAX_DEPTH)
		return problem("%#lx: calls nest deeper than MAX_DEPTH", ip), false;
	current.callers[current.depth].ip = *(uintptr_t *)sp;
	current.callers[current.depth].sp = sp + sizeof(uintptr_t);
	for (size_t i = 0; i < NSAVED; i++)
		current.callers[current.depth].saved[i] = regs[saved[i].context];
	current.depth++;
	return true;
}

/* Return from a function that this processor cannot run. */
static void return_early(greg_t *regs)
{
	regs[REG_RIP] = *(uintptr_t *)regs[REG_RSP];
	regs[REG_RSP] += sizeof(uintptr_t);
	current.last = RETURN;
}

/*
 * Make the system call without running the instruction: after that the processor would run
 * the next one, too, before it traps again.
 */
static void emulate_syscall(greg_t *regs)
{
	const long ret = syscall(regs[REG_RAX], regs[REG_RDI], regs[REG_RSI], regs[REG_RDX]);

	regs[REG_RAX] = ret < 0 ? -errno : ret;
	regs[REG_RIP] += SYSCALL_SIZE;
	regs[REG_RCX] = regs[REG_RIP];
	regs[REG_R11] = regs[REG_EFL];
}

static void observe(ucontext_t *context, long ip)
{
	struct walk_instruction *instruction = &walk.instructions[ip];

	if (instruction->kind == NO_INSTRUCTION)
		problem("%#lx: reached, but the list has no such instruction", ip);
	if (!follow_calls(ip, context->uc_mcontext.gregs))
		instruction->failed++;
	if (current.landed) {
		walk.landings++;
		walk.failed_landings += !reaches_main(context, ip);
		current.landed = false;
	} else if (instruction->walked < walk.each) {
		instruction->walked++;
		if (!reaches_main(context, ip))
			instruction->failed++;
	}
	current.last = instruction->kind;
	if (current.hook)
		current.hook(current.steps, ip, context);
	current.steps++;
}

bool walk_abort(ucontext_t *context, int reason)
{
	const struct vgetrandom_range *ranges = walk_data("vgetrandom_ranges"), *range;
	const greg_t *regs = context->uc_mcontext.gregs;
	uintptr_t frame;

	range = ranges ? abort_model_range(ranges, regs[REG_RIP]) : NULL;
	if (!range || !abort_model(context, ranges, reason))
		return false;
	/* What the landing's function has called is gone. */
	frame = regs[range->guarded ? REG_RBP : REG_RSP];
	while (current.depth && current.callers[current.depth - 1].sp <= frame)
		current.depth--;
	current.last = ORDINARY;
	current.landed = true;
	return true;
}

/* Other functions of the library, and libc's, run without walks. */
static bool is_foreign(long ip)
{
	return ip < 0 || ip >= WALK_MAX_IMAGE ||
	       (walk.is_library && walk.instructions[ip].kind == NO_INSTRUCTION);
}

static void on_sigtrap(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	int saved_errno = errno;
	long ip;

	(void)sig;
	(void)info;
	for (;;) {
		const struct walk_function *function;

		ip = regs[REG_RIP] - walk.base;
		if (is_foreign(ip)) {
			current.last = ORDINARY;
			break;
		}
		observe(context, ip);
		if (current.landed)
			continue;
		function = &walk.functions[walk.instructions[ip].function];
		if (!memcmp((void *)regs[REG_RIP], "\x0f\x05", SYSCALL_SIZE))
			emulate_syscall(regs);
		else if (!function->runs_here && ip == function->start)
			return_early(regs);
		else
			break;
	}
	if (current.entry_sp && (uintptr_t)regs[REG_RSP] > current.entry_sp)
		regs[REG_EFL] &= ~TRAP_FLAG;
	errno = saved_errno;
}

/* Not inlined, so that the vDSO does not return to main() directly. */
__attribute__((noinline))
ssize_t walk_call(void *buffer, size_t len, unsigned int flags, void *state, size_t state_len,
		  walk_hook hook, unsigned long *steps)
{
	ssize_t ret;

	current.entry_sp = 0;
	current.depth = 0;
	current.last = ORDINARY;
	current.landed = false;
	current.steps = 0;
	current.hook = hook;
	set_trap_flag(TRAP_FLAG);
	ret = walk.fn(buffer, len, flags, state, state_len);
	asm volatile("" : "+r" (ret) : : "memory");
	if (steps)
		*steps = current.steps;
	return ret;
}

void walk_reset(void)
{
	for (size_t i = 0; i < WALK_MAX_IMAGE; i++) {
		walk.instructions[i].walked = 0;
		walk.instructions[i].failed = 0;
	}
	walk.landings = 0;
	walk.failed_landings = 0;
	walk.problem[0] = 0;
	unw_flush_cache(unw_local_addr_space, 0, 0);
}

void *walk_data(const char *name)
{
	for (int i = 0; i < ndata; i++)
		if (!strcmp(data[i].name, name))
			return (void *)(walk.base + data[i].value);
	for (int i = 0; i < walk.nfunctions; i++)
		if (!strcmp(walk.functions[i].name, name))
			return (void *)(walk.base + walk.functions[i].start);
	return NULL;
}

/* As compilers call it, with the number of a module and an offset. */
void *__tls_get_addr(size_t index[2]);

void *walk_thread_data(const char *name)
{
	const char *at = walk_data(name);
	size_t index[2] = { tls_module, (uintptr_t)at - walk.base };

	return at ? __tls_get_addr(index) : NULL;
}

static enum walk_kind kind_of(const char *word)
{
	static const char * const words[] = {
		[ORDINARY] = "ordinary", [CALL] = "call", [RETURN] = "return",
		[PADDING] = "padding",
	};

	for (int i = ORDINARY; i <= PADDING; i++)
		if (!strcmp(word, words[i]))
			return i;
	return NO_INSTRUCTION;
}

/* Parse a line of the list of unwind_test.sh. */
static bool read_line(const char *line)
{
	struct walk_function *function = &walk.functions[walk.nfunctions];
	char what[16], name[64];
	unsigned long value, size = 0;
	int n = sscanf(line, "%15s %lx %63s %lx", what, &value, name, &size);

	if (n >= 3 && !strcmp(what, "data") && ndata < MAX_DATA) {
		strcpy(data[ndata].name, name);
		data[ndata++].value = value;
		return true;
	}
	if (n < 2 || value >= WALK_MAX_IMAGE)
		return false;
	if (n == 4 && !strcmp(what, "function") && walk.nfunctions < WALK_MAX_FUNCTIONS) {
		strcpy(function->name, name);
		function->start = value;
		function->size = size;
		function->runs_here = true;
		walk.nfunctions++;
		return true;
	}
	if (n != 2 || !kind_of(what) || !walk.nfunctions)
		return false;
	walk.instructions[value].kind = kind_of(what);
	walk.instructions[value].function = walk.nfunctions - 1;
	return true;
}

static bool load(const char *library)
{
	struct link_map *map = dlopen(library, RTLD_NOW);

	if (!map || dlinfo(map, RTLD_DI_TLS_MODID, &tls_module)) {
		fprintf(stderr, "%s\n", dlerror());
		return false;
	}
	walk.is_library = true;
	walk.base = map->l_addr;
	return true;
}

bool walk_open(const char *list, const char *library)
{
	struct sigaction sa = { .sa_sigaction = on_sigtrap, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_size = STACK_SIZE };
	char line[256];
	FILE *file;

	walk.base = getauxval(AT_SYSINFO_EHDR);
	if (library && !load(library))
		return false;
	file = fopen(list, "re");
	if (!file) {
		perror(list);
		return false;
	}
	while (fgets(line, sizeof(line), file)) {
		if (!read_line(line)) {
			fprintf(stderr, "%s: invalid line: %s", list, line);
			fclose(file);
			return false;
		}
	}
	fclose(file);
	walk.fn = (walk_getrandom_fn)walk_data(library ? "vgetrandom" : "__vdso_getrandom");
	if (!walk.base || !walk.fn) {
		fprintf(stderr, "%s: no vDSO in this process, or no getrandom in the list\n", list);
		return false;
	}
	stack.ss_sp = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) ||
	    sigaction(SIGTRAP, &sa, NULL)) {
		perror("cannot install a handler for SIGTRAP");
		return false;
	}
	/* Without a cache, each walk would look up the same unwind information again. */
	unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_GLOBAL);
	return true;
}
