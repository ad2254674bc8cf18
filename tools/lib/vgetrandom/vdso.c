// SPDX-License-Identifier: MIT
/*
 * Finds a function in the vDSO, an ELF image that the kernel maps into each process. The dynamic
 * loader does not help: musl's offers no access to the vDSO, and a static program has no loader.
 */
#include <arch.h>
#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "raw.h"
#include "vdso.h"

/* Passed as the size of a state, to ask for the parameters: include/uapi/linux/random.h. */
#define QUERY	(~0UL)

struct image {
	uintptr_t		bias;	/* add this to an address in the image */
	const Elf64_Sym		*symbols;
	const char		*strings;
	const uint32_t		*hash;
	const uint32_t		*gnu_hash;
	const Elf64_Versym	*versym;
	const Elf64_Verdef	*verdef;
};

static const Elf64_Dyn *find_dynamic(struct image *image, const Elf64_Ehdr *ehdr)
{
	const Elf64_Phdr *phdr = (const void *)((const char *)ehdr + ehdr->e_phoff);
	const Elf64_Dyn *dynamic = NULL;
	bool loaded = false;

	if (memcmp(ehdr->e_ident, ELFMAG, SELFMAG) ||
	    ehdr->e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr->e_phentsize != sizeof(*phdr))
		return NULL;
	for (int i = 0; i < ehdr->e_phnum; i++) {
		if (phdr[i].p_type == PT_LOAD && !loaded) {
			image->bias = (uintptr_t)ehdr + phdr[i].p_offset - phdr[i].p_vaddr;
			loaded = true;
		}
		if (phdr[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)((const char *)ehdr + phdr[i].p_offset);
	}
	return loaded ? dynamic : NULL;
}

static bool read_image(struct image *image, const Elf64_Ehdr *ehdr)
{
	const Elf64_Dyn *dynamic = find_dynamic(image, ehdr);

	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		const void *target = (const void *)(image->bias + dynamic->d_un.d_ptr);

		switch (dynamic->d_tag) {
		case DT_SYMTAB:
			image->symbols = target;
			break;
		case DT_STRTAB:
			image->strings = target;
			break;
		case DT_HASH:
			image->hash = target;
			break;
		case DT_GNU_HASH:
			image->gnu_hash = target;
			break;
		case DT_VERSYM:
			image->versym = target;
			break;
		case DT_VERDEF:
			image->verdef = target;
			break;
		}
	}
	return image->symbols && image->strings && (image->hash || image->gnu_hash);
}

/*
 * The number of symbols. Only the hash tables tell it. DT_HASH has a field for it; in DT_GNU_HASH,
 * the chain that begins last ends with the last symbol.
 */
static uint32_t nr_symbols(const struct image *image)
{
	const uint32_t *buckets, *chains;
	uint32_t nr_buckets, first, last = 0;

	if (image->hash)
		return image->hash[1];
	nr_buckets = image->gnu_hash[0];
	first = image->gnu_hash[1];
	/* After the header comes a Bloom filter of 64-bit words. */
	buckets = image->gnu_hash + 4 + 2 * image->gnu_hash[2];
	chains = buckets + nr_buckets;
	for (uint32_t i = 0; i < nr_buckets; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < first)
		return 0;
	while (!(chains[last - first] & 1))
		last++;
	return last + 1;
}

static bool has_version(const struct image *image, uint32_t symbol)
{
	const Elf64_Verdef *def = image->verdef;
	const Elf64_Verdaux *aux;

	/* In an image without symbol versions, any symbol will do. */
	if (!def || !image->versym)
		return true;
	for (;;) {
		if (!(def->vd_flags & VER_FLG_BASE) &&
		    def->vd_ndx == (image->versym[symbol] & 0x7fff)) {
			aux = (const void *)((const char *)def + def->vd_aux);
			return raw_streq(image->strings + aux->vda_name, ARCH_VDSO_VERSION);
		}
		if (!def->vd_next)
			return false;
		def = (const void *)((const char *)def + def->vd_next);
	}
}

static vdso_fn find_function(const struct image *image)
{
	uint32_t nr = nr_symbols(image);

	for (uint32_t i = 0; i < nr; i++) {
		const Elf64_Sym *symbol = &image->symbols[i];
		unsigned int type = ELF64_ST_TYPE(symbol->st_info);

		if (symbol->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_NOTYPE) &&
		    raw_streq(image->strings + symbol->st_name, ARCH_VDSO_SYMBOL) &&
		    has_version(image, i))
			return (vdso_fn)(image->bias + symbol->st_value);
	}
	return NULL;
}

vdso_fn vdso_find(struct vgetrandom_opaque_params *params, const char **why)
{
	const void *ehdr = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct image image = { 0 };
	vdso_fn fn;

	if (!ehdr) {
		*why = "the kernel gives this process no vDSO";
		return NULL;
	}
	fn = read_image(&image, ehdr) ? find_function(&image) : NULL;
	if (!fn) {
		*why = "the kernel's vDSO has no getrandom(); Linux 6.11 and later have it, and Linux 6.1 with this project's patches";
		return NULL;
	}
	if (fn(NULL, 0, 0, params, QUERY)) {
		*why = "the kernel's vDSO getrandom() does not tell the size of its states";
		return NULL;
	}
	if (!params->size_of_opaque_state ||
	    params->size_of_opaque_state > ARCH_PAGE) {
		*why = "the states of the kernel's vDSO getrandom() do not fit on a page";
		return NULL;
	}
	return fn;
}
