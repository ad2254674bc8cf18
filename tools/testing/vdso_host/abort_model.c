// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abort_model.h"
#include <vdso/getrandom.h>

#define PAGE		4096
#define USER_CS		0x33	/* selector of 64-bit code */

/* In the frame's XSAVE area, which is never compacted. */
#define XMM_OFFSET	160
#define XMM_SIZE	256
#define MAGIC_OFFSET	464
#define XSTATE_MAGIC	0x46505853	/* FP_XSTATE_MAGIC1: more than FXSAVE's 512 bytes */
#define XSTATE_BV	512

const struct vgetrandom_range *abort_model_range(const struct vgetrandom_range *table,
						 uintptr_t ip)
{
	const intptr_t offset = ip - (uintptr_t)table;

	for (int i = 0; i < VGETRANDOM_NR_RANGES; i++)
		if (offset >= table[i].start && offset < table[i].end)
			return &table[i];
	return NULL;
}

uintptr_t abort_model_landing(const struct vgetrandom_range *table,
			      const struct vgetrandom_range *range)
{
	return (uintptr_t)table + range->landing;
}

/* As the kernel stores: false instead of a fault. */
static bool store_zero(uintptr_t at)
{
	const uint64_t zero = 0;
	const struct iovec from = { (void *)&zero, sizeof(zero) };
	const struct iovec to = { (void *)at, sizeof(zero) };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == sizeof(zero);
}

/* Does a store to @at find a page, without a fault? */
static bool is_present(uintptr_t at)
{
	unsigned char present;

	return !mincore((void *)(at & -PAGE), PAGE, &present) && present & 1;
}

/* Unlock last: a state is locked or invalid at any time. */
static void invalidate(uintptr_t state, int reason)
{
	if (reason == -ENOMEM && !is_present(state))
		return;
	if (store_zero(state + offsetof(struct vgetrandom_state, generation)) &&
	    store_zero(state + offsetof(struct vgetrandom_state, available)))
		store_zero(state + offsetof(struct vgetrandom_state, owner));
}

/* Clear all vector and mask registers, but neither MXCSR nor the x87 registers. */
static void clear_vectors(uint8_t *xsave)
{
	static const unsigned int components[] = { 2, 5, 6, 7 };	/* ymm, k, zmm, zmm16-31 */
	unsigned int size, offset, c, d;
	uint32_t magic;
	uint64_t in_use;

	if (!xsave)
		return;
	memset(xsave + XMM_OFFSET, 0, XMM_SIZE);
	memcpy(&magic, xsave + MAGIC_OFFSET, sizeof(magic));
	if (magic != XSTATE_MAGIC)
		return;
	memcpy(&in_use, xsave + XSTATE_BV, sizeof(in_use));
	for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
		if (!(in_use & 1ULL << components[i]))
			continue;
		__cpuid_count(0xd, components[i], size, offset, c, d);
		memset(xsave + offset, 0, size);
		in_use &= ~(1ULL << components[i]);
	}
	memcpy(xsave + XSTATE_BV, &in_use, sizeof(in_use));
}

bool abort_model(ucontext_t *context, const struct vgetrandom_range *table, int reason)
{
	static const int fast[] = { REG_RAX, REG_R9, REG_R10, REG_R11 };
	static const int guarded[] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_R9, REG_R10, REG_R11,
		REG_R12, REG_R13, REG_R14, REG_R15,
	};
	greg_t *regs = context->uc_mcontext.gregs;
	const struct vgetrandom_range *range = abort_model_range(table, regs[REG_RIP]);
	const int *cleared;
	size_t n;

	if (!range || (regs[REG_CSGSFS] & 0xffff) != USER_CS)
		return false;
	cleared = range->guarded ? guarded : fast;
	n = range->guarded ? sizeof(guarded) / sizeof(guarded[0]) : sizeof(fast) / sizeof(fast[0]);

	invalidate(regs[range->guarded ? REG_RBX : REG_RCX], reason);
	for (size_t i = 0; i < n; i++)
		regs[cleared[i]] = 0;
	regs[REG_R8] = reason;
	regs[REG_RIP] = abort_model_landing(table, range);
	clear_vectors((uint8_t *)context->uc_mcontext.fpregs);
	return true;
}
