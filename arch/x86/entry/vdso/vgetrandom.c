// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * getrandom() in the vDSO of 64-bit processes: all but the fast path, which is in
 * vgetrandom-entry.S.
 */
#include <linux/cache.h>	/* both for <asm/pvclock.h>, which <vdso/datapage.h> includes */
#include <linux/time.h>

#include "../../../../lib/vdso/getrandom.c"
