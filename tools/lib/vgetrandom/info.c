// SPDX-License-Identifier: MIT
#include <string.h>

#include "core.h"
#include "setup.h"
#include "thread.h"
#include "vgetrandom.h"

static const char lock_refused[] =
	"in this child of fork(), the kernel refuses to lock memory again; raise RLIMIT_MEMLOCK (ulimit -l)";

static void describe_large(struct vgetrandom_info *info)
{
	info->large = info->small;
	info->large_why = config.large_why;
	if (config.large_from == NEVER_LARGE)
		return;
	if (pool_is_refused(&thread_expansions)) {
		info->large_why = lock_refused;
		return;
	}
	info->large = VGETRANDOM_EXPAND;
	info->large_from = config.large_from;
}

void vgetrandom_info(struct vgetrandom_info *info, size_t size)
{
	struct vgetrandom_info full = {
		.version = VERSION,
		.vdso = config.fn,
		.state_size = config.state_size,
		.states = atomic_load(&thread_states.capacity),
		.droppable = config.fn && !thread_states.lock,
		.small = config.way,
		.small_why = config.small_why,
		.core = config.core ? config.core->name : NULL,
		.module_why = config.module_why,
		.syscalls = thread.syscalls,
	};

	if (config.fn) {
		full.state_prot = (int)config.params.mmap_prot;
		full.state_flags = (int)config.params.mmap_flags;
	}
	if (config.fn && !full.states) {
		full.small = VGETRANDOM_SYSCALL;
		full.small_why = "no memory for states: mmap() fails";
	}
	if (pool_is_refused(&thread_states)) {
		full.small = VGETRANDOM_SYSCALL;
		full.small_why = lock_refused;
	}
	describe_large(&full);
	if (!config.small_why) {
		full.small_why = "the library has not started yet";
		full.large_why = full.small_why;
	}
	memset(info, 0, size);
	memcpy(info, &full, size < sizeof(full) ? size : sizeof(full));
}
