// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "vdso_running.h"

/* struct vgetrandom_opaque_params, which most machines' headers lack. */
struct params {
	uint32_t state_size, mmap_prot, mmap_flags, reserved[13];
};

/* The offset of the first byte after the image's segments. */
static size_t image_size(const Elf64_Ehdr *ehdr)
{
	const Elf64_Phdr *phdr = (const void *)((const char *)ehdr + ehdr->e_phoff);
	size_t size = 0;

	for (int i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_LOAD && phdr[i].p_offset + phdr[i].p_memsz > size)
			size = phdr[i].p_offset + phdr[i].p_memsz;
	return size;
}

bool vdso_running_open(struct vdso_running *running)
{
	const Elf64_Ehdr *ehdr = (const void *)getauxval(AT_SYSINFO_EHDR);
	void *handle = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	struct params params;
	long ret;

	memset(running, 0, sizeof(*running));
	if (!ehdr || !handle)
		return true;
	running->fn = (vgetrandom_fn)dlsym(handle, "__vdso_getrandom");
	if (!running->fn)
		return true;
	running->text = ehdr;
	running->text_len = image_size(ehdr);
	ret = running->fn(NULL, 0, 0, &params, ~0UL);
	if (ret || !running->text_len || !params.state_size) {
		fprintf(stderr, "the kernel's __vdso_getrandom: the query of parameters fails: %ld\n",
			ret);
		return false;
	}
	running->state_size = params.state_size;
	return true;
}
