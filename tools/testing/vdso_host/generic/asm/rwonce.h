/* SPDX-License-Identifier: MIT */
#ifndef _ASM_RWONCE_H
#define _ASM_RWONCE_H

#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile typeof(x) *)&(x) = (value))

#endif /* _ASM_RWONCE_H */
