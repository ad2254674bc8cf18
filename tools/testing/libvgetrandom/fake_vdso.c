// SPDX-License-Identifier: MIT
/*
 * A fake vDSO: its function makes the system call, and records for tests how it has been called.
 * Built several times, also with faults.
 *
 *	STATE_SIZE	size of a state, as the query tells it
 *	QUERY		return value of the query
 *	NAME		name of the function
 */
#include <stdint.h>
#include <sys/types.h>

#include "fake_vdso.h"
#include "raw.h"

#ifndef STATE_SIZE
#define STATE_SIZE	144
#endif
#ifndef QUERY
#define QUERY		0
#endif
#ifndef NAME
#define NAME		__vdso_getrandom
#endif

#define PAGE_BYTES	4096UL

struct params {
	uint32_t size_of_opaque_state, mmap_prot, mmap_flags, reserved[13];
};

/* In .data, because the kernel maps no .bss for a vDSO. */
static struct fake_vdso fake __attribute__((section(".data"))) = { 0 };

static inline void count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static unsigned long this_thread(void)
{
	unsigned long self;

	asm("movq %%fs:0, %0" : "=r" (self));
	return self;
}

static long answer(void *buffer, size_t len, unsigned int flags)
{
	long refuse = fake.answer;

	if (refuse && fake.answers) {
		if (fake.answers != ~0UL)
			__atomic_fetch_sub(&fake.answers, 1, __ATOMIC_RELAXED);
		return refuse;
	}
	if (fake.at_most && len > fake.at_most)
		len = fake.at_most;
	if (fake.fixed && len) {
		unsigned char *p = buffer;

		for (size_t i = 0; i < len; i++)
			((volatile unsigned char *)p)[i] = 'k';
		return len;
	}
	return raw_syscall(SYS_getrandom, buffer, len, flags);
}

__attribute__((visibility("default")))
ssize_t NAME(void *buffer, size_t len, unsigned int flags, void *state, size_t size)
{
	unsigned long thread, other, place = (unsigned long)state;
	struct fake_state *s = state;
	ssize_t ret;

	if (size == ~0UL) {
		struct params *params = state;

		if (!params || len || buffer || flags)
			return -22;
		*params = (struct params) {
			.size_of_opaque_state = STATE_SIZE,
			.mmap_prot = 0x3,	/* PROT_READ | PROT_WRITE */
			.mmap_flags = 0x28,	/* MAP_DROPPABLE | MAP_ANONYMOUS */
		};
		/* Set in any case: a caller that ignores the return value is caught. */
		return QUERY;
	}
	if (size == FAKE_VDSO_CONTROL) {
		*(struct fake_vdso **)buffer = &fake;
		return 0;
	}

	count(&fake.calls);
	if (len == 32)
		count(&fake.keys);
	if (len > fake.longest)
		fake.longest = len;
	if (!s) {
		count(&fake.null_state);
		return answer(buffer, len, flags);
	}
	if (size != STATE_SIZE)
		count(&fake.wrong_size);
	if (place % 64 || (STATE_SIZE <= PAGE_BYTES &&
			   place / PAGE_BYTES != (place + STATE_SIZE - 1) / PAGE_BYTES))
		count(&fake.misplaced);

	/*
	 * A signal handler may interrupt a call of this thread and use the same state. Another
	 * thread must not.
	 */
	thread = this_thread();
	other = __atomic_load_n(&s->thread, __ATOMIC_RELAXED);
	if (other && other != thread)
		count(&fake.shared);
	__atomic_store_n(&s->thread, thread, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->depth, 1, __ATOMIC_RELAXED);
	s->calls++;
	for (int i = 0; i < fake.spin; i++)
		asm volatile("pause");
	ret = answer(buffer, len, flags);
	if (fake.hook)
		fake.hook();
	if (!__atomic_sub_fetch(&s->depth, 1, __ATOMIC_RELAXED))
		__atomic_store_n(&s->thread, 0, __ATOMIC_RELAXED);
	return ret;
}
