/* SPDX-License-Identifier: MIT */
/*
 * The hosted vDSO: our vDSO image, as the kernel build left it, mapped into an
 * ordinary process beside a data page that the process itself owns.
 *
 *	struct vdso_host *host = vdso_host_open("vdso64.so.dbg");
 *
 *	if (!host)
 *		errx(1, "%s", vdso_host_error());
 *	fn = vdso_host_generator(host);
 *	vdso_host_set_rng(host, 2, true);	(the kernel "reseeds")
 *
 * With it the code that ships can be tested, single-stepped and timed on any
 * x86-64 Linux, without booting the kernel it belongs to: the instructions are
 * those of the image, and its system calls go to the running kernel.
 *
 * For tests and benchmarks. NOT FOR PRODUCTION: on a real data page the kernel
 * announces every reseed. Here nobody does, so a generator keeps its key for as
 * long as the process says nothing, through reseeds, suspend and restored
 * snapshots alike.
 *
 * What is as the kernel does it:
 *
 *  - The layout. Data pages lie below the image, where its symbols say, and the
 *    image can read but not write them. Pages that have nothing to say (those of
 *    paravirtual clocks; that of time namespaces outside of one) fault.
 *  - Fork. Data pages are shared, so parent and child see the same reseeds.
 *
 * What is not:
 *
 *  - Alternatives. The kernel patches .altinstructions into its image at boot.
 *    Here they are left alone: every site runs its default instructions, which
 *    are right on every processor, if not the best for it.
 *  - Clocks. The image's high resolution clocks make the system call, as they do
 *    on a machine without a usable clocksource. Its coarse clocks, time() and
 *    clock_getres() read a data page that nobody updates, and say 0.
 *  - AT_SYSINFO_EHDR, and with it libc, the unwinder and signal delivery, still
 *    means the running kernel's vDSO.
 *
 * The image may be libvgetrandom, as built: shared, with its symbol table. It has the same
 * generator, for the page of vgetrandom.ko. The dynamic loader loads it, and a page that
 * the process owns takes the place of the module's. It can be open once, and time
 * namespaces do not matter to it.
 */
#ifndef _VDSO_HOST_H
#define _VDSO_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include <vdso/getrandom.h>	/* add the repository's include/ with -idirafter */

struct vdso_host;

/**
 * vdso_host_open - map a vDSO image into this process
 * @image: path of a vdso64.so.dbg: the image with its symbol table, as opposed
 *	   to the stripped vdso64.so that the kernel hands out; or of libvgetrandom
 *
 * The RNG starts as a kernel's does once it is seeded: ready, generation 1; and
 * outside of any time namespace. An image may be open more than once; each has
 * data pages of its own.
 *
 * Return: the hosted image, or NULL, and vdso_host_error() says why.
 */
struct vdso_host *vdso_host_open(const char *image);

/**
 * vdso_host_close - unmap the image and its data pages
 * @host: from vdso_host_open(), or NULL; nothing obtained from it, no function
 *	  pointer in particular, may be used again
 */
void vdso_host_close(struct vdso_host *host);

/**
 * vdso_host_error - what went wrong in this thread's last vdso_host_open()
 *
 * Return: one line without a newline; it names the file. Valid until the
 * thread's next vdso_host_open().
 */
const char *vdso_host_error(void);

/**
 * vdso_host_sym - where a symbol of the image has been mapped
 * @host: the hosted image
 * @name: any name in .symtab: exported, hidden or local
 *
 * Return: its address, or NULL if the image has no such function or object.
 */
void *vdso_host_sym(const struct vdso_host *host, const char *name);

/**
 * vdso_host_generator - the function that the image is there for
 * @host: the hosted image
 *
 * Return: __vdso_getrandom(), or what libvgetrandom has in its place; NULL if there is none.
 */
void *vdso_host_generator(const struct vdso_host *host);

/**
 * vdso_host_function - the function that an instruction belongs to
 * @host: the hosted image
 * @ip: its address
 *
 * Return: the function's name, or NULL if @ip is in none of the image.
 */
const char *vdso_host_function(const struct vdso_host *host, const void *ip);

/**
 * vdso_host_text - where the image's .text section has been mapped
 * @host: the hosted image
 * @start: filled in with its first byte
 * @len: filled in with its size; an instruction pointer in this range is inside
 *	 the vDSO
 */
void vdso_host_text(const struct vdso_host *host, const void **start, size_t *len);

/**
 * vdso_host_set_rng - publish the state of the kernel's RNG, as the kernel would
 * @host: the hosted image
 * @generation: a value other than the last one tells all generators to rekey
 * @is_ready: false: not seeded yet, only the system call knows what to do
 *
 * Takes effect at once, in children that have been forked as well.
 */
void vdso_host_set_rng(struct vdso_host *host, __u64 generation, bool is_ready);

/**
 * struct vdso_host_core - a ChaCha20 core of <asm/vdso/getrandom-cores.h>
 * @name: what it is called
 * @blocks: how many it makes an iteration
 */
struct vdso_host_core {
	const char	*name;
	size_t		blocks;
};

/* All of them, by number; then one without a name. */
extern const struct vdso_host_core vdso_host_cores[];

/**
 * vdso_host_runs_here - can this processor, and its kernel, run a core?
 * @core: its number
 */
bool vdso_host_runs_here(size_t core);

/**
 * vdso_host_set_core - choose the ChaCha20 core that the image uses
 * @host: the hosted image
 * @name: of one of vdso_host_cores, or NULL for the last that this processor can run
 *
 * The image starts with the first, which is all that it can take for granted.
 *
 * Return: NULL; or why not: the name is unknown, or the processor or its kernel
 * lack what it takes.
 */
const char *vdso_host_set_core(struct vdso_host *host, const char *name);

/**
 * vdso_host_core - the name of the core that is in use
 * @host: the hosted image
 */
const char *vdso_host_core(struct vdso_host *host);

/**
 * vdso_host_rng - the RNG's data itself, writable
 * @host: the hosted image
 *
 * For tests that change it in the middle of a call, from a signal handler or
 * another thread. It is the kernel's data, not the time namespace's copy,
 * whatever vdso_host_set_timens() said.
 *
 * Return: a pointer that stays valid until vdso_host_close().
 */
struct vdso_rng_data *vdso_host_rng(struct vdso_host *host);

/**
 * vdso_host_set_timens - join or leave a time namespace
 * @host: the hosted image
 * @inside: true: where the image expects the kernel's data page it finds the
 *	    namespace's, without any RNG data on it, and the kernel's elsewhere
 *
 * Only this process is moved, as by setns(): not its children of before. No
 * other thread may be inside the image at the time.
 */
void vdso_host_set_timens(struct vdso_host *host, bool inside);

#endif /* _VDSO_HOST_H */
