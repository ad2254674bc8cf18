/* SPDX-License-Identifier: MIT */
/*
 * libvgetrandom: getrandom() at the speed of a function call.
 *
 *	#include <vgetrandom.h>
 *
 *	if (vgetrandom(key, sizeof(key), 0) != sizeof(key))
 *		err(1, "vgetrandom");
 *
 * That is all that most programs need, and those that call getrandom(), getentropy()
 * or arc4random() need not even that: linked before libc, or in LD_PRELOAD, the library
 * takes these over.
 *
 * Randomness always comes from the kernel: from the generator that its vDSO brings into
 * the process (Linux 6.11 and later, and Linux 6.1 with the vgetrandom series), from the
 * library's own, for which the module vgetrandom has to be loaded (Linux 5.10 and later), or
 * from the system call where there is neither. See vgetrandom(3) and vgetrandom_alloc(3).
 */
#ifndef _VGETRANDOM_H
#define _VGETRANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * vgetrandom - fill a buffer with random bytes
 * @buf: where they go
 * @len: how many; more than 0x7ffff000 count as that many
 * @flags: 0, or GRND_NONBLOCK, GRND_RANDOM and GRND_INSECURE as in getrandom(2)
 *
 * The contract is that of getrandom(2). Up to 256 bytes, with the kernel's RNG seeded,
 * all @len bytes come, and no signal interrupts that.
 *
 * Any thread may call this at any time: in signal handlers, constructors and
 * destructors, and after fork() in both processes, which get different bytes. It takes
 * no lock, allocates nothing with malloc(), and is no cancellation point.
 *
 * Return: the number of bytes; or -1, and errno says why: EAGAIN, EFAULT, EINTR, EINVAL
 * or ENOSYS as in getrandom(2). A @buf that is no address at all gives EFAULT; any
 * other one that cannot be written may be a fault in the process instead.
 */
ssize_t vgetrandom(void *buf, size_t len, unsigned int flags);

/**
 * vgetrandom_alloc - take a state for the kernel's vDSO function
 *
 * For runtimes that schedule threads of their own and want to call the vDSO function
 * themselves, as in struct vgetrandom_info: with a state for each processor, say. One
 * thread at a time may use a state, and a signal handler must not use the one of a call
 * that it interrupts: see vgetrandom_alloc(3). Others need not bother: vgetrandom() has
 * one for each thread.
 *
 * States lie many to a page, on cache lines of their own, in memory mapped as the vDSO
 * asks for; with VGETRANDOM_MODULE before Linux 6.11 it is locked instead. A child of
 * fork() has its parent's states, that start anew in it.
 *
 * Takes no lock that a signal handler could wait on, and does not call malloc(). May
 * call mmap().
 *
 * Return: the state, of vgetrandom_info's state_size bytes; or NULL, and errno is ENOSYS
 * (no function to call; see vgetrandom_info() for why) or ENOMEM.
 */
void *vgetrandom_alloc(void);

/**
 * vgetrandom_free - give a state back
 * @state: from vgetrandom_alloc(), and not in use; or NULL, and nothing happens
 *
 * Erases the state; someone else may get it next. The memory stays mapped. Ends the
 * process with a message if @state is not one that is taken.
 */
void vgetrandom_free(void *state);

/**
 * enum vgetrandom_way - how a request is served
 * @VGETRANDOM_SYSCALL: by the system call
 * @VGETRANDOM_VDSO: by the kernel's generator in the vDSO
 * @VGETRANDOM_EXPAND: with a key that is drawn from the kernel for this one request,
 *		       and expanded by ChaCha20 in the process
 * @VGETRANDOM_MODULE: by the library's generator, which the kernel keys, and which the
 *		       module vgetrandom tells when keys are stale
 */
enum vgetrandom_way {
	VGETRANDOM_SYSCALL,
	VGETRANDOM_VDSO,
	VGETRANDOM_EXPAND,
	VGETRANDOM_MODULE
};

/**
 * struct vgetrandom_info - what is in effect in this process
 * @version: of the library, such as "0.1.0"
 * @vdso: the kernel's vDSO function; with VGETRANDOM_MODULE the library's generator, which
 *	  is called in the same way; or NULL. Errors come as negative numbers.
 * @state_size: bytes of a state for it; 0 without one
 * @state_prot: the protection that the vDSO wants for states' memory
 * @state_flags: likewise, the flags for mmap(). Without MAP_DROPPABLE (VGETRANDOM_MODULE
 *		 before Linux 6.11) use states of vgetrandom_alloc() only.
 * @states: how many states there is memory for at the moment
 * @droppable: states are in memory that the kernel may drop: never swapped, never
 *	       dumped, not inherited over fork (MAP_DROPPABLE)
 * @small: how small requests are served
 * @small_why: the reason, for people
 * @large: how requests from @large_from bytes on are served
 * @large_why: the reason, for people
 * @large_from: in bytes; 0 where large requests are served like small ones
 * @core: the ChaCha20 core that VGETRANDOM_EXPAND uses here, such as "avx2"; NULL if the
 *	  library has none for the architecture
 * @module_why: the reason why @small is not VGETRANDOM_MODULE, for people; NULL if it is, or
 *		if the module was not looked for
 * @syscalls: how many requests of the calling thread the system call has served
 *
 * Strings are constants. New members come at the end.
 */
struct vgetrandom_info {
	const char		*version;
	ssize_t			(*vdso)(void *buf, size_t len, unsigned int flags,
					void *state, size_t state_size);
	size_t			state_size;
	int			state_prot;
	int			state_flags;
	size_t			states;
	int			droppable;
	enum vgetrandom_way	small;
	const char		*small_why;
	enum vgetrandom_way	large;
	const char		*large_why;
	size_t			large_from;
	const char		*core;
	const char		*module_why;
	unsigned long		syscalls;
};

/**
 * vgetrandom_info - what is in effect, and why
 * @info: filled in
 * @size: sizeof(*@info), so that programs from before a member was added still work:
 *	  they get what they know of, and members that the library does not know of
 *	  are zeros
 *
 * It does not change after the library's start, but for @info's states and syscalls, and in
 * a child of fork() that may not lock memory, on a kernel without droppable memory: see
 * vgetrandom(3).
 */
void vgetrandom_info(struct vgetrandom_info *info, size_t size);

/*
 * What the library also exports, for the programs that it is preloaded under: of C
 * libraries that do not declare them, here are the names that they lack.
 */
#if !defined(__GLIBC__) || (__GLIBC__ == 2 && __GLIBC_MINOR__ < 36)
uint32_t arc4random(void);
void arc4random_buf(void *buf, size_t len);
uint32_t arc4random_uniform(uint32_t upper_bound);
#endif

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* _VGETRANDOM_H */
