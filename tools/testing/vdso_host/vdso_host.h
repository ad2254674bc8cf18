/* SPDX-License-Identifier: MIT */
/*
 * The hosted vDSO: this project's vDSO image, as the kernel build makes it, mapped into an
 * ordinary process together with a data page that the process can write.
 *
 *	struct vdso_host *host = vdso_host_open("vdso64.so.dbg");
 *
 *	if (!host)
 *		errx(1, "%s", vdso_host_error());
 *	fn = vdso_host_generator(host);
 *	vdso_host_set_rng(host, 2, true);	(the kernel "reseeds")
 *
 * Programs can test, single-step and time the shipped code on any x86-64 Linux, without
 * booting its kernel. The instructions are the image's; its system calls go to the running
 * kernel.
 *
 * For tests and benchmarks. NOT FOR PRODUCTION: a kernel publishes every reseed on its data
 * page. Here only the process can, so a generator keeps its key through reseeds, suspend
 * and restored snapshots until then.
 *
 * As in the kernel:
 *
 *  - Layout: data pages lie below the image, where its symbols say, and the image can only
 *    read them. Unused pages (of paravirtual clocks; of time namespaces outside of one)
 *    fault.
 *  - Fork: data pages are shared, so parent and child see the same reseeds.
 *
 * Different:
 *
 *  - Alternatives: the kernel patches .altinstructions into its image at boot. Here every
 *    site runs its default instructions, which are correct on every processor, but may be
 *    slower.
 *  - Clocks: the image's high resolution clocks make the system call, as on a machine
 *    without a usable clocksource. Its coarse clocks, time() and clock_getres() return 0,
 *    because nothing updates the data page.
 *  - AT_SYSINFO_EHDR still refers to the running kernel's vDSO, so libc, unwinders and signal
 *    delivery use that one.
 *
 * The image may also be libvgetrandom as built: shared, with its symbol table. It has the
 * same generator, which reads the page of vgetrandom.ko. The dynamic loader loads it, and a
 * page of the process replaces the module's. It can be open only once, and ignores time
 * namespaces.
 */
#ifndef _VDSO_HOST_H
#define _VDSO_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include <vdso/getrandom.h>	/* add the repository's include/ with -idirafter */

struct vdso_host;

/**
 * vdso_host_open - map a vDSO image into this process
 * @image: path of a vdso64.so.dbg, the image with its symbol table (the stripped vdso64.so,
 *	   which the kernel maps, will not do); or of libvgetrandom
 *
 * The RNG starts ready, with generation 1, outside of any time namespace. A vDSO image may be
 * open more than once; each opening has separate data pages.
 *
 * Return: the hosted image, or NULL; vdso_host_error() then returns the reason.
 */
struct vdso_host *vdso_host_open(const char *image);

/**
 * vdso_host_close - unmap the image and its data pages
 * @host: from vdso_host_open(), or NULL; nothing obtained from it, no function
 *	  pointer in particular, may be used again
 */
void vdso_host_close(struct vdso_host *host);

/**
 * vdso_host_error - the error of this thread's last vdso_host_open()
 *
 * Return: one line without a newline; it names the file. Valid until the
 * thread's next vdso_host_open().
 */
const char *vdso_host_error(void);

/**
 * vdso_host_sym - the address of a symbol of the image
 * @host: the hosted image
 * @name: any name in .symtab: exported, hidden or local
 *
 * Return: its address, or NULL if the image has no such function or object.
 */
void *vdso_host_sym(const struct vdso_host *host, const char *name);

/**
 * vdso_host_generator - the generator's function
 * @host: the hosted image
 *
 * Return: __vdso_getrandom(), or libvgetrandom's equivalent; NULL if the image has none.
 */
void *vdso_host_generator(const struct vdso_host *host);

/**
 * vdso_host_function - the function that an instruction belongs to
 * @host: the hosted image
 * @ip: its address
 *
 * Return: the function's name, or NULL if @ip is in no function of the image.
 */
const char *vdso_host_function(const struct vdso_host *host, const void *ip);

/**
 * vdso_host_text - the address of the image's .text section
 * @host: the hosted image
 * @start: filled in with its first byte
 * @len: filled in with its size; an instruction pointer in this range is inside
 *	 the vDSO
 */
void vdso_host_text(const struct vdso_host *host, const void **start, size_t *len);

/**
 * vdso_host_set_rng - publish the state of the RNG, as the kernel would
 * @host: the hosted image
 * @generation: any other value than the last one makes all generators rekey
 * @is_ready: false: the RNG is not seeded, and calls fall back to the system call;
 *	      @generation must be 0 then
 *
 * Takes effect at once, also in children that have been forked.
 */
void vdso_host_set_rng(struct vdso_host *host, __u64 generation, bool is_ready);

/**
 * struct vdso_host_core - a ChaCha20 core of <asm/vdso/getrandom-cores.h>
 * @name: its name
 * @blocks: blocks that it makes in an iteration
 */
struct vdso_host_core {
	const char	*name;
	size_t		blocks;
};

/* All cores, by number. The last entry has no name. */
extern const struct vdso_host_core vdso_host_cores[];

/**
 * vdso_host_runs_here - can this processor, and its kernel, run a core?
 * @core: its number
 */
bool vdso_host_runs_here(size_t core);

/**
 * vdso_host_set_core - choose the ChaCha20 core that the image uses
 * @host: the hosted image
 * @name: of one of vdso_host_cores, or NULL for the last one that this processor can run
 *
 * The image starts with the first core, which runs everywhere.
 *
 * Return: NULL, or an error message: the name is unknown, or the image does not have the
 * core, or this processor or its kernel cannot run it.
 */
const char *vdso_host_set_core(struct vdso_host *host, const char *name);

/**
 * vdso_host_core - the name of the core that is in use
 * @host: the hosted image
 */
const char *vdso_host_core(struct vdso_host *host);

/**
 * vdso_host_rng - the RNG's data, writable
 * @host: the hosted image
 *
 * For tests that change it during a call, from a signal handler or another thread. It is
 * the data on the kernel's page, also inside of a time namespace.
 *
 * Return: a pointer that stays valid until vdso_host_close().
 */
struct vdso_rng_data *vdso_host_rng(struct vdso_host *host);

/**
 * vdso_host_set_timens - join or leave a time namespace
 * @host: the hosted image
 * @inside: true: the namespace's data page, without RNG data, takes the place of the
 *	    kernel's, which moves to timens_page
 *
 * Moves only this process, as setns() does, and not its existing children. No other thread
 * may run code of the image at the same time.
 */
void vdso_host_set_timens(struct vdso_host *host, bool inside);

#endif /* _VDSO_HOST_H */
