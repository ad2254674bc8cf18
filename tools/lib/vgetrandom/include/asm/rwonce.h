/* SPDX-License-Identifier: MIT */
#ifndef _VGETRANDOM_ASM_RWONCE_H
#define _VGETRANDOM_ASM_RWONCE_H

#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile typeof(x) *)&(x) = (value))

#endif /* _VGETRANDOM_ASM_RWONCE_H */
