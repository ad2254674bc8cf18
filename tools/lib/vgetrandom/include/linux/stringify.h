/* SPDX-License-Identifier: MIT */
#ifndef _VGETRANDOM_LINUX_STRINGIFY_H
#define _VGETRANDOM_LINUX_STRINGIFY_H

#define __stringify_1(text...)	#text
#define __stringify(text...)	__stringify_1(text)

#endif /* _VGETRANDOM_LINUX_STRINGIFY_H */
