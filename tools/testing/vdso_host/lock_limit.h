/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LOCK_LIMIT_H
#define _LOCK_LIMIT_H

#include <linux/capability.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Let RLIMIT_MEMLOCK apply to this process, even if root runs it. */
static inline bool apply_lock_limit(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &header, caps))
		return false;
	caps[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	return !syscall(SYS_capset, &header, caps);
}

#endif /* _LOCK_LIMIT_H */
