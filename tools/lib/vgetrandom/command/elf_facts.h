/* SPDX-License-Identifier: MIT */
/*
 * What an executable or a library says of itself.
 */
#ifndef ELF_FACTS_H
#define ELF_FACTS_H

#include <stdbool.h>

enum libc {
	LIBC_UNKNOWN,
	LIBC_GLIBC,
	LIBC_MUSL,
};

/**
 * struct elf_facts - what is known of an ELF file
 * @class: of 32 or 64 bits: ELFCLASS32, ELFCLASS64
 * @machine: the processor, EM_*
 * @interp: the loader that it asks for; empty: it is a library, or statically linked
 * @is_loader: it is itself a loader, which can be run as a program too
 * @libc: which C library it is for
 * @asan: it needs AddressSanitizer's runtime
 * @go: it is written in Go
 */
struct elf_facts {
	unsigned char	class;
	unsigned int	machine;
	char		interp[4096];
	bool		is_loader;
	enum libc	libc;
	bool		asan;
	bool		go;
};

/* "glibc", say. */
const char *libc_name(enum libc libc);

/* Return: is it an ELF file, whole as far as was looked? */
bool elf_read(int fd, struct elf_facts *facts);

/* Return: is the text somewhere in the file? */
bool file_has(int fd, const char *text);

#endif /* ELF_FACTS_H */
