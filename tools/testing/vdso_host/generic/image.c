// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * The generator with the generic forms, exported as a vDSO does.
 */
#include "../../../../lib/vdso/getrandom.c"

__attribute__((visibility("default")))
ssize_t __vdso_getrandom(void *buffer, size_t len, unsigned int flags,
			 void *opaque_state, size_t opaque_len)
{
	return __cvdso_getrandom(buffer, len, flags, opaque_state, opaque_len);
}
