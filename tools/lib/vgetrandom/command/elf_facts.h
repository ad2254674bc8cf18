/* SPDX-License-Identifier: MIT */
/*
 * Facts about an executable or a library, read from its ELF headers.
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
 * struct elf_facts - facts about an ELF file
 * @class: ELFCLASS32 or ELFCLASS64
 * @machine: the processor, EM_*
 * @interp: its loader; empty for a library and for a statically linked program
 * @is_loader: it is a loader, which can also run as a program
 * @libc: its C library
 * @asan: it needs the shared runtime of AddressSanitizer
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

/* Returns a name such as "glibc". */
const char *libc_name(enum libc libc);

/* Return: true if it is an ELF file, and all that was read of it is complete. */
bool elf_read(int fd, struct elf_facts *facts);

/* Return: true if the file contains the text. */
bool file_has(int fd, const char *text);

#endif /* ELF_FACTS_H */
