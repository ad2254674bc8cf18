/* SPDX-License-Identifier: MIT */
#ifndef _VGETRANDOM_ASM_ASM_H
#define _VGETRANDOM_ASM_ASM_H

#define CC_SET(condition)
#define CC_OUT(condition)	"=@cc" #condition

#endif /* _VGETRANDOM_ASM_ASM_H */
