/* SPDX-License-Identifier: MIT */
/*
 * libvgetrandom: getrandom() at the speed of a function call.
 *
 *	#include <vgetrandom.h>
 *
 *	if (vgetrandom(key, sizeof(key), 0) != sizeof(key))
 *		err(1, "vgetrandom");
 *
 * Most programs need only this function. Programs that call getrandom(), getentropy() or
 * arc4random() need no change: if the library is linked before libc, or in LD_PRELOAD, it replaces
 * these functions.
 *
 * All randomness comes from the kernel, in one of three ways:
 *
 *  - from the generator in the kernel's vDSO (Linux 6.11 and later, and Linux 6.1 with the
 *    vgetrandom series);
 *  - from the library's own generator, keyed by the kernel, if the kernel module vgetrandom is
 *    loaded (Linux 5.10 and later);
 *  - otherwise from the system call.
 *
 * A large request may draw only a key in this way, and expand it with ChaCha20.
 *
 * See vgetrandom(3) and vgetrandom_alloc(3).
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
 * @buf: the buffer
 * @len: its length in bytes; lengths above 0x7ffff000 count as 0x7ffff000
 * @flags: 0, or GRND_NONBLOCK, GRND_RANDOM and GRND_INSECURE as in getrandom(2)
 *
 * The contract is that of getrandom(2). If the kernel's RNG is seeded, a request of up to 256 bytes
 * is filled completely, and no signal interrupts it.
 *
 * Any thread may call this function at any time: also in a signal handler, in a constructor or
 * destructor, and after fork(), where parent and child get different bytes. It takes no lock, does
 * not call malloc(), and is not a cancellation point.
 *
 * Return: the number of bytes written; or -1, with errno set to EAGAIN, EFAULT, EINTR, EINVAL or
 * ENOSYS as for getrandom(2). EFAULT is certain only if @buf is not a user-space address at all:
 * a write to memory that is not mapped or not writable may end in SIGSEGV instead.
 */
ssize_t vgetrandom(void *buf, size_t len, unsigned int flags);

/**
 * vgetrandom_alloc - allocate a state for the vDSO function
 *
 * For runtimes that schedule their own threads, and that call @vdso of struct vgetrandom_info
 * themselves: with one state per processor, for example. Other programs do not need this:
 * vgetrandom() has a state for each thread.
 *
 * A state must not be used by two threads at once. A signal handler must not use the state of a
 * call that it interrupts: see vgetrandom_alloc(3).
 *
 * Many states share a page, and each has its own cache lines. Their memory is mapped as the vDSO
 * requires; with VGETRANDOM_MODULE before Linux 6.11 it is locked instead. A child of fork() keeps
 * its parent's states, but they are empty in the child.
 *
 * This function takes no lock that a signal handler could wait for, and does not call malloc(). It
 * may call mmap().
 *
 * Return: the state, of @state_size bytes as in struct vgetrandom_info; or NULL, with errno set to
 * ENOSYS (there is no function to call: vgetrandom_info() has the reason) or ENOMEM.
 */
void *vgetrandom_alloc(void);

/**
 * vgetrandom_free - free a state
 * @state: a state from vgetrandom_alloc() that is not in use; or NULL, which does nothing
 *
 * Erases the state. vgetrandom_alloc() may return it again, to any thread. The memory stays mapped.
 * If @state is not an allocated state, the function prints a message and aborts the process.
 */
void vgetrandom_free(void *state);

/**
 * enum vgetrandom_way - how a request is served
 * @VGETRANDOM_SYSCALL: by the system call
 * @VGETRANDOM_VDSO: by the generator in the kernel's vDSO
 * @VGETRANDOM_EXPAND: the kernel makes a key for this request, and ChaCha20 expands the key in the
 *		       process
 * @VGETRANDOM_MODULE: by the library's generator. The kernel makes its keys, and the kernel module
 *		       vgetrandom tells when a key is stale
 */
enum vgetrandom_way {
	VGETRANDOM_SYSCALL,
	VGETRANDOM_VDSO,
	VGETRANDOM_EXPAND,
	VGETRANDOM_MODULE
};

/**
 * struct vgetrandom_info - how requests of this process are served
 * @version: version of the library, such as "0.1.0"
 * @vdso: the kernel's vDSO function; with VGETRANDOM_MODULE the library's generator, which has the
 *	  same interface; NULL if there is neither. It returns errors as negative error numbers
 * @state_size: size of a state for @vdso in bytes; 0 if @vdso is NULL
 * @state_prot: protection that memory for states needs, for mmap()
 * @state_flags: flags that memory for states needs, for mmap(). If they do not include
 *		 MAP_DROPPABLE (VGETRANDOM_MODULE before Linux 6.11), use only states from
 *		 vgetrandom_alloc()
 * @states: number of states for which memory is mapped now
 * @droppable: nonzero if states are in MAP_DROPPABLE memory: the kernel may drop it, and it is
 *	       never swapped, dumped or inherited by a child of fork()
 * @small: how small requests are served
 * @small_why: the reason, in words
 * @large: how requests of at least @large_from bytes are served
 * @large_why: the reason, in words
 * @large_from: size in bytes; 0 if large requests are served like small ones
 * @core: name of the ChaCha20 core for VGETRANDOM_EXPAND, such as "avx2"; NULL if the library has
 *	  no core for this architecture
 * @module_why: the reason why @small is not VGETRANDOM_MODULE, in words; NULL if it is, or if the
 *		library did not look for the module
 * @syscalls: number of requests of the calling thread that the system call has served; without the
 *	      calls that draw keys
 *
 * All strings are constants. New members are added at the end.
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
 * vgetrandom_info - tell how requests of this process are served, and why
 * @info: filled in
 * @size: sizeof(*@info)
 *
 * @size keeps programs and libraries of different versions compatible: an older library fills
 * members that it does not know with zeros, and a newer one writes only @size bytes.
 *
 * After the library has started, only @states and @syscalls change; with one exception: a child of
 * fork() that may not lock memory, on a kernel without droppable memory. See vgetrandom(3).
 */
void vgetrandom_info(struct vgetrandom_info *info, size_t size);

/*
 * The library also exports these functions. They are declared here if the headers of the C library
 * lack them.
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
