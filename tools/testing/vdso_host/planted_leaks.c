// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "planted_leaks.h"

#define ROOM		4096
#define FAR_BELOW	5001	/* bytes below the call's frame */
#define DISTANCE	64	/* of the functions in planted_leaks_asm.S */

/* planted_leaks_asm.S calls this, too. */
vgetrandom_fn leaks_real;
extern const char leaks_registers[];

static uint8_t *on_heap, *mapped, *write_only;
static uint8_t data[ROOM] = "data";
static uint8_t bss[ROOM];
static __thread uint8_t thread_local_data[ROOM] = "thread";
static __thread uint8_t thread_local_bss[ROOM];

bool leaks_prepare(const struct vdso_host *host)
{
	leaks_real = (vgetrandom_fn)vdso_host_generator(host);
	on_heap = malloc(ROOM);
	mapped = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	write_only = mmap(NULL, ROOM, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return leaks_real && on_heap && mapped != MAP_FAILED && write_only != MAP_FAILED;
}

/* Copy without data in a register, so that only memory leaks. */
static inline void copy(uint8_t *to, const uint8_t *from)
{
	size_t n = 8;

	asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (n) : : "memory");
}

/* The buffer is in the shared memory: so find that from @buffer. */
static inline ssize_t leak(uint8_t *to, void *buffer, size_t len, unsigned int flags,
			   void *state, size_t state_len)
{
	struct tracee_shared *shared = (void *)((uint8_t *)buffer -
						offsetof(struct tracee_shared, out));
	ssize_t ret = leaks_real(buffer, len, flags, state, state_len);

	shared->place = (uintptr_t)to;
	copy(to, ((struct vgetrandom_state *)state)->key + PLANTED_OFFSET);
	return ret;
}

#define ARGUMENTS	void *buffer, size_t len, unsigned int flags, void *state, size_t state_len
#define PLANT(name, place)						\
static ssize_t name(ARGUMENTS)						\
{									\
	return leak(place, buffer, len, flags, state, state_len);	\
}

PLANT(to_heap, on_heap + 101)
PLANT(to_data, data + 1003)
PLANT(to_bss, bss + 2005)
PLANT(to_thread_local, thread_local_data + 307)
PLANT(to_thread_local_bss, thread_local_bss + 309)
PLANT(to_mapped, mapped + ROOM - 8)
PLANT(to_write_only, write_only)
PLANT(to_stack_below, (uint8_t *)__builtin_frame_address(0) - FAR_BELOW)
PLANT(to_red_zone, (uint8_t *)__builtin_frame_address(0) - 128)
PLANT(before_state, (uint8_t *)state - 8)
PLANT(after_state, (uint8_t *)state + state_len)
PLANT(after_buffer, (uint8_t *)buffer + len)
PLANT(to_stdio, (uint8_t *)stdout + sizeof(*stdout) - 9)	/* libc's own data */

static const struct {
	const char *name;
	vgetrandom_fn fn;
} in_memory[] = {
	{ "heap", to_heap },
	{ "data", to_data },
	{ "bss", to_bss },
	{ "thread-local data", to_thread_local },
	{ "thread-local bss", to_thread_local_bss },
	{ "end of a mapping", to_mapped },
	{ "mapping that cannot be read", to_write_only },
	{ "stack, far below", to_stack_below },
	{ "red zone", to_red_zone },
	{ "before the state", before_state },
	{ "after the state", after_state },
	{ "after the buffer", after_buffer },
	{ "data of libc", to_stdio },
};

vgetrandom_fn leaks_in_memory(unsigned int n, const char **name)
{
	if (n >= sizeof(in_memory) / sizeof(in_memory[0]))
		return NULL;
	*name = in_memory[n].name;
	return in_memory[n].fn;
}

/* Registers in the order of planted_leaks_asm.S. */
static const struct {
	const char *name;
	unsigned int first, count, component;
	size_t offset, size;
} kinds[] = {
	{ "general register", 0, 15, LEAK_GENERAL, 0, 8 },
	{ "mm", 0, 8, 0, 32, 16 },
	{ "xmm, low", 0, 16, 0, 160, 16 },
	{ "xmm, high", 0, 16, 0, 168, 16 },
	{ "ymm, upper half", 0, 16, 2, 0, 16 },
	{ "k", 0, 8, 5, 0, 8 },
	{ "zmm, upper half", 0, 16, 6, 0, 32 },
	{ "xmm, low", 16, 16, 7, 0, 64 },
	{ "ymm, upper half", 16, 16, 7, 16, 64 },
	{ "zmm, upper half", 16, 16, 7, 32, 64 },
};

/* Can this processor run the instructions that planted_leaks_asm.S has for @component? */
static bool runs_here(unsigned int component)
{
	if (component == LEAK_GENERAL || component < 2)
		return true;
	if (component == 2)
		return __builtin_cpu_supports("avx2");
	return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq");
}

vgetrandom_fn leaks_in_register(unsigned int n, char name[32], unsigned int *component,
				size_t *offset)
{
	unsigned int passed = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		unsigned int within = n - passed;

		if (n >= passed + kinds[i].count) {
			passed += kinds[i].count;
			continue;
		}
		/* The registers that need most features are last. */
		if (!runs_here(kinds[i].component))
			return NULL;
		snprintf(name, 32, "%s %u", kinds[i].name, kinds[i].first + within);
		*component = kinds[i].component;
		*offset = kinds[i].offset + within * kinds[i].size;
		return (vgetrandom_fn)(leaks_registers + (size_t)n * DISTANCE);
	}
	return NULL;
}
