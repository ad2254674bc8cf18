// SPDX-License-Identifier: MIT
#include <string.h>

#include "core.h"
#include "setup.h"
#include "thread.h"
#include "vgetrandom.h"

static const char refused[] =
	"this is a child of fork(), in which the kernel refuses to lock memory again; raise RLIMIT_MEMLOCK (ulimit -l)";

static void describe_large(struct vgetrandom_info *info)
{
	info->large = info->small;
	info->large_why = effect.large_why;
	if (effect.large_from == NEVER_LARGE)
		return;
	if (pool_is_refused(&thread_expanders)) {
		info->large_why = refused;
		return;
	}
	info->large = VGETRANDOM_EXPAND;
	info->large_from = effect.large_from;
}

void vgetrandom_info(struct vgetrandom_info *info, size_t size)
{
	struct vgetrandom_info full = {
		.version = VERSION,
		.vdso = effect.fn,
		.state_size = effect.state_size,
		.states = atomic_load(&thread_states.capacity),
		.droppable = effect.fn && !thread_states.lock,
		.small = effect.way,
		.small_why = effect.small_why,
		.core = effect.core ? effect.core->name : NULL,
		.module_why = effect.module_why,
		.syscalls = thread.syscalls,
	};

	if (effect.fn) {
		full.state_prot = (int)effect.params.mmap_prot;
		full.state_flags = (int)effect.params.mmap_flags;
	}
	if (effect.fn && !full.states) {
		full.small = VGETRANDOM_SYSCALL;
		full.small_why = "there is no memory for states";
	}
	if (pool_is_refused(&thread_states)) {
		full.small = VGETRANDOM_SYSCALL;
		full.small_why = refused;
	}
	describe_large(&full);
	if (!effect.small_why) {
		full.small_why = "the library has not started yet";
		full.large_why = full.small_why;
	}
	memset(info, 0, size);
	memcpy(info, &full, size < sizeof(full) ? size : sizeof(full));
}
