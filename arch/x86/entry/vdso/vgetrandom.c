// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * getrandom() in the vDSO of 64-bit processes.
 */
#include <linux/cache.h>	/* both for <asm/pvclock.h>, which <vdso/datapage.h> includes */
#include <linux/time.h>

#include "../../../../lib/vdso/getrandom.c"

/* See __cvdso_getrandom(). */
ssize_t __vdso_getrandom(void *buffer, size_t len, unsigned int flags,
			 void *opaque_state, size_t opaque_len)
{
	return __cvdso_getrandom(buffer, len, flags, opaque_state, opaque_len);
}

ssize_t getrandom(void *buffer, size_t len, unsigned int flags,
		  void *opaque_state, size_t opaque_len)
	__weak __alias(__vdso_getrandom);
