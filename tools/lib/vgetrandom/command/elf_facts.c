// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_facts.h"

/* More than any loadable file has. */
#define MAX_SEGMENTS	64
#define MAX_DYNAMIC	256
/* The relevant notes come first. */
#define MAX_NOTES	1024
#define ALIGN4(len)	(((size_t)(len) + 3) & ~(size_t)3)

struct file {
	int		fd;
	Elf64_Phdr	segments[MAX_SEGMENTS];
	unsigned int	nr_segments;
};

static bool read_all(int fd, void *to, size_t len, uint64_t offset)
{
	return pread(fd, to, len, offset) == (ssize_t)len;
}

/* Reads less than @size bytes if the string is at the end of the file. */
static bool read_string(int fd, char *to, size_t size, uint64_t offset)
{
	ssize_t len = pread(fd, to, size, offset);

	return len > 0 && memchr(to, '\0', len);
}

static const Elf64_Phdr *find_segment(const struct file *file, unsigned int type)
{
	unsigned int i;

	for (i = 0; i < file->nr_segments; i++)
		if (file->segments[i].p_type == type)
			return &file->segments[i];
	return NULL;
}

static bool to_offset(const struct file *file, uint64_t address, uint64_t *offset)
{
	unsigned int i;

	for (i = 0; i < file->nr_segments; i++) {
		const Elf64_Phdr *s = &file->segments[i];

		if (s->p_type != PT_LOAD || address < s->p_vaddr ||
		    address - s->p_vaddr >= s->p_filesz)
			continue;
		*offset = address - s->p_vaddr + s->p_offset;
		return true;
	}
	return false;
}

const char *libc_name(enum libc libc)
{
	static const char * const names[] = { "an unknown libc", "glibc", "musl" };

	return names[libc];
}

/* Identifies a C library by the name of a loader or of a needed library. */
static enum libc libc_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!strncmp(name, "ld-linux", 8) || !strcmp(name, "libc.so.6"))
		return LIBC_GLIBC;
	if (!strncmp(name, "ld-musl", 7) || !strcmp(name, "libc.so") ||
	    !strncmp(name, "libc.musl", 9))
		return LIBC_MUSL;
	return LIBC_UNKNOWN;
}

static void read_dynamic(const struct file *file, struct elf_facts *facts)
{
	const Elf64_Phdr *dynamic = find_segment(file, PT_DYNAMIC);
	Elf64_Dyn entries[MAX_DYNAMIC];
	uint64_t strings = 0;
	size_t i, nr;
	char name[64];

	if (!dynamic)
		return;
	nr = dynamic->p_filesz / sizeof(*entries);
	if (nr > MAX_DYNAMIC)
		nr = MAX_DYNAMIC;
	if (!read_all(file->fd, entries, nr * sizeof(*entries), dynamic->p_offset))
		return;
	for (i = 0; i < nr; i++)
		if (entries[i].d_tag == DT_STRTAB &&
		    !to_offset(file, entries[i].d_un.d_ptr, &strings))
			return;
	for (i = 0; strings && i < nr && entries[i].d_tag != DT_NULL; i++) {
		if (entries[i].d_tag != DT_NEEDED && entries[i].d_tag != DT_SONAME)
			continue;
		if (!read_string(file->fd, name, sizeof(name), strings + entries[i].d_un.d_val))
			continue;
		if (entries[i].d_tag == DT_SONAME)
			facts->is_loader = !strncmp(name, "ld-", 3);
		else if (!strncmp(name, "libasan.so", 10))
			facts->asan = true;
		else if (facts->libc == LIBC_UNKNOWN)
			facts->libc = libc_of(name);
	}
}

/* Go's linker adds a note with the owner "Go". The segment may have other notes. */
static bool has_go_note(const struct file *file)
{
	char notes[MAX_NOTES];
	Elf64_Nhdr note;
	size_t at, len;

	for (unsigned int i = 0; i < file->nr_segments; i++) {
		const Elf64_Phdr *s = &file->segments[i];

		len = s->p_filesz < sizeof(notes) ? s->p_filesz : sizeof(notes);
		if (s->p_type != PT_NOTE || s->p_align > 4 ||
		    !read_all(file->fd, notes, len, s->p_offset))
			continue;
		for (at = 0; at + sizeof(note) + 4 <= len;
		     at += sizeof(note) + ALIGN4(note.n_namesz) + ALIGN4(note.n_descsz)) {
			memcpy(&note, notes + at, sizeof(note));
			if (note.n_namesz == 4 && !memcmp(notes + at + sizeof(note), "Go\0", 4))
				return true;
		}
	}
	return false;
}

bool file_has(int fd, const char *text)
{
	struct stat st;
	bool found;
	void *file;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return false;
	found = memmem(file, st.st_size, text, strlen(text));
	munmap(file, st.st_size);
	return found;
}

bool elf_read(int fd, struct elf_facts *facts)
{
	struct file file = { .fd = fd };
	const Elf64_Phdr *interp;
	Elf64_Ehdr header;

	memset(facts, 0, sizeof(*facts));
	if (!read_all(fd, &header, sizeof(header), 0) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG))
		return false;
	facts->class = header.e_ident[EI_CLASS];
	facts->machine = header.e_machine;
	/* Other formats differ, and class and machine are enough to reject them. */
	if (facts->class != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
		return true;
	if (header.e_phentsize != sizeof(*file.segments) || header.e_phnum > MAX_SEGMENTS ||
	    !read_all(fd, file.segments, header.e_phnum * sizeof(*file.segments),
		      header.e_phoff))
		return false;
	file.nr_segments = header.e_phnum;

	interp = find_segment(&file, PT_INTERP);
	if (interp && !read_string(fd, facts->interp, sizeof(facts->interp), interp->p_offset))
		return false;
	facts->libc = libc_of(facts->interp);
	facts->go = has_go_note(&file);
	read_dynamic(&file, facts);
	return true;
}
