/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction ranges of the running vDSO in which the kernel aborts calls, and the
 * registers that it clears then. See <asm/vdso/getrandom-ranges.h>.
 */
#ifndef _RANGES_H
#define _RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/vdso/getrandom-ranges.h>

/* Offsets in an area of FXSAVE or XSAVE, in a signal frame or from ptrace(). */
#define FP_CW		0
#define FP_MXCSR	24
#define FP_ST0		32
#define FP_XMM		160
#define FP_XMM_SIZE	256
#define FP_SW_BYTES	464		/* struct _fpx_sw_bytes, in a signal frame */
#define FP_FXSAVE_SIZE	512
#define FP_IN_USE	512		/* XSTATE_BV */

/* The table of the running vDSO, in this process and its children. */
extern const struct vgetrandom_range *ranges;

/* Find the table: RANGES in the environment is its offset in the image, in hexadecimal. */
void ranges_open(void);

bool is_in_vdso(uintptr_t ip);

/* Is @ip an address to which the kernel sends aborted calls? */
bool is_landing(uintptr_t ip);

/* Set all vector and mask registers to zero. */
void clear_vectors(void);

/*
 * Are all vector and mask registers zero in this area? @size is that of the area;
 * without XSAVE it is FP_FXSAVE_SIZE.
 */
bool are_vectors_zero(const uint8_t *area, size_t size);

/* The size of the area in a signal frame. */
size_t frame_area_size(const uint8_t *area);

#endif /* _RANGES_H */
