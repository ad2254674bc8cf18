// SPDX-License-Identifier: MIT
/*
 * The hosted vDSO: see vdso_host.h for what it is and its limits.
 *
 *	 data_start	vvar_page	     timens_page     base
 *	     |		    |			  |	      |
 *	     v		    v			  v	      v
 *	     +--------------+---------------------+-----------+-----------------+
 *	     | data page    | pages of clocks     | see below | the image       |
 *	     +--------------+---------------------+-----------+-----------------+
 *
 * The image's symbols say where each data page lies. Outside a time namespace the page at
 * timens_page faults. Inside one, it is the kernel's data page, and the one at vvar_page is
 * the namespace's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/elf.h>

#include "../../../module/page.h"
#include "machine/machine.h"
#include "vdso_host.h"

/* Symbols of libvgetrandom: the module's page, the generator, and one exported function. */
#define LIBRARY_PAGE		"generator_page"
#define LIBRARY_GENERATOR	"generator_getrandom"
#define LIBRARY_EXPORT		"vgetrandom_info"

#define PAGE_BYTES		4096L
#define MAX_DATA_PAGES		64	/* far more than any kernel has */
#define MAX_IMAGE_BYTES		(64L << 20)
#define ARRAY_SIZE(x)		(sizeof(x) / sizeof((x)[0]))
#define TABLE_ALIGN		sizeof(__u64)	/* of all of ELF64's tables */

/* The start of the kernel's struct vdso_data. */
struct clock_data {
	__u32	seq;
	__s32	clock_mode;
};

#define CLOCKMODE_TIMENS	INT_MAX

/* The two pages of the memfd, and of its writable mapping. */
enum { KERNEL_PAGE, TIMENS_PAGE, NR_PAGES };

struct vdso_host {
	/* The whole file, for its symbol table. */
	char			*path;
	unsigned char		*file;
	size_t			file_size;
	const struct elf64_sym		*symbols;
	size_t			nr_symbols;
	const char		*names;
	size_t			names_size;

	/* The mapping: from base + data_start to base + image_size. */
	bool			is_library;
	unsigned char		*base;
	size_t			image_size;
	long			data_start;
	long			vvar_page;
	long			timens_page;
	size_t			text_start, text_offset;
	size_t			text_size;

	/* The data pages, which the image maps read-only: this mapping is writable. */
	int			data_fd;
	unsigned char		*data;
	size_t			clock_offset;
	size_t			rng_offset;
};

static __thread char error_text[1024];

/* A macro, so that the compiler checks the format and knows that it returns false. */
#define fail(host, format, ...)						\
	(snprintf(error_text, sizeof(error_text), "%s: " format,		\
		  (host)->path, ##__VA_ARGS__), false)

const char *vdso_host_error(void)
{
	return error_text;
}

/*
 * Reading the file. Do not trust an offset or size in it before file_range() has checked it.
 */

static bool read_all(struct vdso_host *host, int fd)
{
	size_t done = 0;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return fail(host, "cannot examine it: %s", strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > MAX_IMAGE_BYTES)
		return fail(host, "not a vDSO image: not a regular file of 1 byte to %ld MiB",
			    MAX_IMAGE_BYTES >> 20);
	host->file_size = st.st_size;
	host->file = malloc(host->file_size);
	if (!host->file)
		return fail(host, "no memory for its %zu bytes", host->file_size);
	while (done < host->file_size) {
		n = read(fd, host->file + done, host->file_size - done);
		if (n <= 0)
			return fail(host, "cannot read it: %s",
				    n ? strerror(errno) : "it became shorter while it was read");
		done += n;
	}
	return true;
}

static bool read_file(struct vdso_host *host)
{
	int fd = open(host->path, O_RDONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return fail(host, "cannot open it: %s", strerror(errno));
	done = read_all(host, fd);
	close(fd);
	return done;
}

static const void *file_range(const struct vdso_host *host, __u64 offset,
			      __u64 size, size_t align)
{
	if (offset > host->file_size || size > host->file_size - offset ||
	    offset % align)
		return NULL;
	return host->file + offset;
}

static bool parse_header(struct vdso_host *host)
{
	const struct elf64_hdr *eh = file_range(host, 0, sizeof(*eh), 1);

	if (!eh || memcmp(eh->e_ident, ELFMAG, SELFMAG))
		return fail(host, "not an ELF file");
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != MACHINE_ELF || eh->e_type != ET_DYN)
		return fail(host, "not a shared object for this machine");
	if (eh->e_phentsize != sizeof(struct elf64_phdr) ||
	    eh->e_shentsize != sizeof(struct elf64_shdr))
		return fail(host, "broken ELF file: its tables have entries of an unknown size");
	return true;
}

static bool parse_segments(struct vdso_host *host)
{
	const struct elf64_hdr *eh = (const struct elf64_hdr *)host->file;
	const struct elf64_phdr *load = NULL, *ph;
	size_t i, end = 0;

	ph = file_range(host, eh->e_phoff, eh->e_phnum * sizeof(*ph), TABLE_ALIGN);
	if (!ph)
		return fail(host, "broken ELF file: its program headers lie outside of it");
	for (i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		host->is_library = load;
		load = load ? load : &ph[i];
		end = ph[i].p_vaddr + ph[i].p_memsz;
	}
	if (host->is_library) {
		host->image_size = end;
		return true;
	}
	if (!load || load->p_offset || load->p_vaddr || !load->p_filesz ||
	    load->p_filesz != load->p_memsz)
		return fail(host,
			    "not a vDSO image: no PT_LOAD from the start of the file at address 0");
	if (!file_range(host, load->p_offset, load->p_filesz, 1))
		return fail(host, "broken ELF file: its PT_LOAD is larger than the file");
	host->image_size = load->p_filesz;
	return true;
}

static bool parse_symbols(struct vdso_host *host, const struct elf64_shdr *sections,
			  size_t nr_sections, const struct elf64_shdr *symtab)
{
	const struct elf64_shdr *strtab;

	if (symtab->sh_link >= nr_sections || symtab->sh_entsize != sizeof(struct elf64_sym))
		return fail(host, "broken ELF file: its symbol table is invalid");
	strtab = &sections[symtab->sh_link];
	host->symbols = file_range(host, symtab->sh_offset, symtab->sh_size,
				   TABLE_ALIGN);
	host->nr_symbols = symtab->sh_size / sizeof(struct elf64_sym);
	host->names = file_range(host, strtab->sh_offset, strtab->sh_size, 1);
	host->names_size = strtab->sh_size;
	if (!host->symbols || !host->names)
		return fail(host, "broken ELF file: its symbol table lies outside of it");
	if (!host->names_size || host->names[host->names_size - 1])
		return fail(host, "broken ELF file: its symbols' names are not terminated");
	return true;
}

static bool parse_text(struct vdso_host *host, const struct elf64_shdr *text)
{
	if (text->sh_addr > host->image_size ||
	    text->sh_size > host->image_size - text->sh_addr)
		return fail(host, "broken ELF file: its .text lies outside of its PT_LOAD");
	if (!file_range(host, text->sh_offset, text->sh_size, 1))
		return fail(host, "broken ELF file: its .text is larger than the file");
	host->text_start = text->sh_addr;
	host->text_offset = text->sh_offset;
	host->text_size = text->sh_size;
	return true;
}

static bool parse_sections(struct vdso_host *host)
{
	const struct elf64_hdr *eh = (const struct elf64_hdr *)host->file;
	const struct elf64_shdr *sh, *symtab = NULL, *text = NULL;
	size_t i, names_size;
	const char *names;

	sh = file_range(host, eh->e_shoff, eh->e_shnum * sizeof(*sh), TABLE_ALIGN);
	if (!sh || eh->e_shstrndx >= eh->e_shnum)
		return fail(host, "broken ELF file: its section headers lie outside of it");
	names_size = sh[eh->e_shstrndx].sh_size;
	names = file_range(host, sh[eh->e_shstrndx].sh_offset, names_size, 1);
	if (!names || !names_size || names[names_size - 1])
		return fail(host, "broken ELF file: its sections have no names");

	for (i = 0; i < eh->e_shnum; i++) {
		if (sh[i].sh_type == SHT_SYMTAB)
			symtab = &sh[i];
		else if ((sh[i].sh_type == SHT_REL || sh[i].sh_type == SHT_RELA) &&
			 sh[i].sh_flags & SHF_ALLOC && sh[i].sh_size && !host->is_library)
			return fail(host,
				    "not a vDSO image: it needs relocations");
		else if (sh[i].sh_name < names_size && !strcmp(names + sh[i].sh_name, ".text"))
			text = &sh[i];
	}
	if (!symtab)
		return fail(host,
			    "no symbol table: open the vdso64.so.dbg, not the stripped vdso64.so");
	if (!text)
		return fail(host, "not a vDSO image: no .text");
	return parse_symbols(host, sh, eh->e_shnum, symtab) && parse_text(host, text);
}

/* Skips symbols of files and sections. */
static const struct elf64_sym *find_symbol(const struct vdso_host *host, const char *name)
{
	const struct elf64_sym *sym;

	for (sym = host->symbols; sym < host->symbols + host->nr_symbols; sym++) {
		if (sym->st_shndx == SHN_UNDEF || sym->st_name >= host->names_size ||
		    ELF_ST_TYPE(sym->st_info) == STT_FILE ||
		    ELF_ST_TYPE(sym->st_info) == STT_SECTION)
			continue;
		if (!strcmp(host->names + sym->st_name, name))
			return sym;
	}
	return NULL;
}

static bool data_symbol(const struct vdso_host *host, const char *name, long *value)
{
	const struct elf64_sym *sym = find_symbol(host, name);

	*value = sym ? (long)sym->st_value : 0;
	return sym ||
	       fail(host, "no symbol %s; build the kernel with CONFIG_VDSO_GETRANDOM=y", name);
}

static bool is_data_page(const struct vdso_host *host, long page)
{
	return page % PAGE_BYTES == 0 && page >= host->data_start && page <= -PAGE_BYTES;
}

/* Both data pages have the same layout, so that one offset serves both. */
static bool data_offset(const struct vdso_host *host, const char *kernel_name,
			const char *timens_name, size_t size, size_t *offset)
{
	long kernel, timens;

	if (!data_symbol(host, kernel_name, &kernel) ||
	    !data_symbol(host, timens_name, &timens))
		return false;
	*offset = (size_t)kernel - host->vvar_page;
	if (*offset > PAGE_BYTES - size || *offset % sizeof(__u64) ||
	    *offset != (size_t)timens - host->timens_page)
		return fail(host, "unknown layout: %s at %ld, %s at %ld",
			    kernel_name, kernel, timens_name, timens);
	return true;
}

/* The library's page is inside of its image. */
static bool parse_library(struct vdso_host *host)
{
	const struct elf64_sym *page = find_symbol(host, LIBRARY_PAGE);

	if (!page || page->st_value % PAGE_BYTES || page->st_value >= host->image_size)
		return fail(host, "no page-aligned " LIBRARY_PAGE ": not libvgetrandom");
	host->vvar_page = page->st_value;
	host->rng_offset = offsetof(struct vgetrandom_page, rng);
	return true;
}

static bool parse_layout(struct vdso_host *host)
{
	if (host->is_library)
		return parse_library(host);
	if (!data_symbol(host, "vvar_start", &host->data_start) ||
	    !data_symbol(host, "vvar_page", &host->vvar_page) ||
	    !data_symbol(host, "timens_page", &host->timens_page))
		return false;
	if (host->data_start < -MAX_DATA_PAGES * PAGE_BYTES ||
	    !is_data_page(host, host->data_start) ||
	    !is_data_page(host, host->vvar_page) ||
	    !is_data_page(host, host->timens_page) ||
	    host->vvar_page == host->timens_page)
		return fail(host,
			    "unknown layout: vvar_start, vvar_page and timens_page at %ld, %ld, %ld",
			    host->data_start, host->vvar_page, host->timens_page);
	return data_offset(host, "vvar__vdso_data", "timens__vdso_data",
			   sizeof(struct clock_data), &host->clock_offset) &&
	       data_offset(host, "vvar__vdso_rng_data", "timens__vdso_rng_data",
			   sizeof(struct vdso_rng_data), &host->rng_offset);
}

/*
 * Mapping it.
 */

/* Let the dynamic loader map it, as for any program. */
static bool load_library(struct vdso_host *host)
{
#ifdef __x86_64__	/* elsewhere the library has no generator, and the tests are static */
	const struct elf64_sym *known = find_symbol(host, LIBRARY_EXPORT);
	void *library = dlopen(host->path, RTLD_NOW | RTLD_LOCAL);
	unsigned char *at = library && known ? dlsym(library, LIBRARY_EXPORT) : NULL;

	if (!at)
		return fail(host, "cannot load it: %s", library ? "no " LIBRARY_EXPORT : dlerror());
	host->base = at - known->st_value;
	if (memcmp(host->base + host->text_start, host->file + host->text_offset,
		   host->text_size))
		return fail(host, "it changed while it was being opened; try again");
	return true;
#else
	return fail(host, "not a vDSO image: more than one PT_LOAD");
#endif
}

static bool map_image(struct vdso_host *host)
{
	size_t size = -host->data_start + host->image_size;
	unsigned char *start;
	int fd;

	if (host->is_library)
		return load_library(host);
	start = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (start == MAP_FAILED)
		return fail(host, "cannot reserve memory for it: %s", strerror(errno));
	host->base = start - host->data_start;

	/* Map the file and not a copy, so that perf and gdb find its symbols. */
	fd = open(host->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(host, "cannot open it again: %s", strerror(errno));
	start = mmap(host->base, host->image_size, PROT_READ | PROT_EXEC,
		     MAP_PRIVATE | MAP_FIXED, fd, 0);
	close(fd);
	if (start == MAP_FAILED)
		return fail(host, "cannot map it: %s%s", strerror(errno),
			    errno == EPERM ? " (is its file system mounted noexec?)" : "");

	/* The mapped image must be the one that has been parsed. */
	if (memcmp(host->base, host->file, host->image_size))
		return fail(host, "it changed while it was being opened; try again");
	return true;
}

static bool map_data_page(const struct vdso_host *host, long where, int page)
{
	return mmap(host->base + where, PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED,
		    host->data_fd, page * PAGE_BYTES) != MAP_FAILED;
}

static bool unmap_data_page(const struct vdso_host *host, long where)
{
	return mmap(host->base + where, PAGE_BYTES, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static bool map_data(struct vdso_host *host)
{
	struct clock_data *ns_clock;
	void *data;

	host->data_fd = memfd_create("vdso_host", MFD_CLOEXEC);
	if (host->data_fd < 0 || ftruncate(host->data_fd, NR_PAGES * PAGE_BYTES) < 0)
		return fail(host, "cannot allocate its data pages: %s", strerror(errno));
	data = mmap(NULL, NR_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		    host->data_fd, 0);
	if (data == MAP_FAILED)
		return fail(host, "cannot map its data pages: %s", strerror(errno));
	host->data = data;

	/*
	 * A data page of zeros tells the clocks that there is no clocksource: they make the
	 * system call. In the namespace's page, an odd sequence count makes them read the clock
	 * mode, which makes them use the kernel's page.
	 */
	ns_clock = (struct clock_data *)(host->data + TIMENS_PAGE * PAGE_BYTES +
					  host->clock_offset);
	ns_clock->seq = 1;
	ns_clock->clock_mode = CLOCKMODE_TIMENS;

	if (!map_data_page(host, host->vvar_page, KERNEL_PAGE))
		return fail(host, "cannot map its data page: %s", strerror(errno));
	return true;
}

struct vdso_host *vdso_host_open(const char *image)
{
	struct vdso_host *host = calloc(1, sizeof(*host));

	if (host)
		host->path = strdup(image);
	if (!host || !host->path) {
		snprintf(error_text, sizeof(error_text), "%s: no memory", image);
		free(host);
		return NULL;
	}
	host->data_fd = -1;
	if (!read_file(host) || !parse_header(host) || !parse_segments(host) ||
	    !parse_sections(host) || !parse_layout(host) || !map_image(host) ||
	    !map_data(host)) {
		vdso_host_close(host);
		return NULL;
	}
	vdso_host_set_rng(host, 1, true);
	return host;
}

void vdso_host_close(struct vdso_host *host)
{
	if (!host)
		return;
	if (host->data)
		munmap(host->data, NR_PAGES * PAGE_BYTES);
	if (host->data_fd >= 0)
		close(host->data_fd);
	/* A library stays loaded, with its data page. */
	if (host->base && !host->is_library)
		munmap(host->base + host->data_start,
		       -host->data_start + host->image_size);
	free(host->file);
	free(host->path);
	free(host);
}

void *vdso_host_sym(const struct vdso_host *host, const char *name)
{
	const struct elf64_sym *sym = find_symbol(host, name);
	long value;

	if (!sym)
		return NULL;
	/* Absolute symbols are data pages, below 0, or constants, which are no addresses. */
	value = sym->st_value;
	if (value < host->data_start || value >= (long)host->image_size ||
	    (value >= 0 && sym->st_shndx == SHN_ABS))
		return NULL;
	return host->base + value;
}

void *vdso_host_generator(const struct vdso_host *host)
{
	return vdso_host_sym(host, host->is_library ? LIBRARY_GENERATOR : "__vdso_getrandom");
}

const char *vdso_host_function(const struct vdso_host *host, const void *ip)
{
	const __u64 at = (const unsigned char *)ip - host->base;
	const struct elf64_sym *sym;

	for (sym = host->symbols; sym < host->symbols + host->nr_symbols; sym++)
		if (ELF_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_name < host->names_size &&
		    at - sym->st_value < sym->st_size)
			return host->names + sym->st_name;
	return NULL;
}

void vdso_host_text(const struct vdso_host *host, const void **start, size_t *len)
{
	*start = host->base + host->text_start;
	*len = host->text_size;
}

struct vdso_rng_data *vdso_host_rng(struct vdso_host *host)
{
	return (struct vdso_rng_data *)(host->data + KERNEL_PAGE * PAGE_BYTES +
					host->rng_offset);
}

const struct vdso_host_core vdso_host_cores[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	{ #name, blocks },
#include <asm/vdso/getrandom-cores.h>
	{ NULL, 0 }
};

/* An image may have been built with another table of cores. */
static bool has_core(const struct vdso_host *host, const char *name)
{
	char symbol[64];

	snprintf(symbol, sizeof(symbol), "vgetrandom_chacha20_%s", name);
	return find_symbol(host, symbol);
}

bool vdso_host_runs_here(size_t core)
{
	const bool runs[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
		machine_has(feature),
#include <asm/vdso/getrandom-cores.h>
	};

	return runs[core];
}

const char *vdso_host_set_core(struct vdso_host *host, const char *name)
{
	size_t core = ARRAY_SIZE(vdso_host_cores) - 1;

	while (core--) {
		if (name && strcmp(name, vdso_host_cores[core].name))
			continue;
		if (vdso_host_runs_here(core) && has_core(host, vdso_host_cores[core].name)) {
			__atomic_store_n(&vdso_host_rng(host)->core, core, __ATOMIC_RELAXED);
			return NULL;
		}
		if (name)
			return vdso_host_runs_here(core) ? "the image does not have this core" :
			       "this processor, or its kernel, cannot run this core";
	}
	return name ? "no core has this name" : "the image has no core that this machine runs";
}

const char *vdso_host_core(struct vdso_host *host)
{
	return vdso_host_cores[vdso_host_rng(host)->core].name;
}

/* Store the generation first: a reader that sees "ready" must not see an older generation. */
void vdso_host_set_rng(struct vdso_host *host, __u64 generation, bool is_ready)
{
	struct vdso_rng_data *rng = vdso_host_rng(host);

	__atomic_store_n(&rng->generation, generation, __ATOMIC_RELEASE);
	__atomic_store_n(&rng->is_ready, is_ready, __ATOMIC_RELEASE);
}

void vdso_host_set_timens(struct vdso_host *host, bool inside)
{
	bool done;

	if (host->is_library)
		return;
	/* In this order the namespace's page is never mapped without the kernel's. */
	if (inside)
		done = map_data_page(host, host->timens_page, KERNEL_PAGE) &&
		       map_data_page(host, host->vvar_page, TIMENS_PAGE);
	else
		done = map_data_page(host, host->vvar_page, KERNEL_PAGE) &&
		       unmap_data_page(host, host->timens_page);
	if (!done) {
		/* No real process ever has only one of the pages moved: testing that is useless. */
		fprintf(stderr, "vdso_host: cannot remap the data pages: %s\n",
			strerror(errno));
		abort();
	}
}
