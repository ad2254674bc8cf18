// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core.h"
#include "generator.h"
#include "raw.h"

#ifndef SYSFS_MAGIC
#define SYSFS_MAGIC	0x62656572	/* <linux/magic.h> */
#endif

/* Root, as a user namespace shows it that root is not in. */
#ifndef OVERFLOW_UID
#define OVERFLOW_UID	65534
#endif

union generator_page generator_page;

/* Only the kernel makes files in sysfs. They may have been given to another user. */
static const char *is_not_of_kernel(int fd)
{
	struct statfs fs;
	struct stat st;

	if (raw_syscall(SYS_fstatfs, fd, &fs) || fs.f_type != SYSFS_MAGIC)
		return VGETRANDOM_PAGE_PATH " is not in sysfs: not used";
	if (raw_syscall(SYS_fstat, fd, &st) || (st.st_uid && st.st_uid != OVERFLOW_UID))
		return VGETRANDOM_PAGE_PATH " does not belong to root: not used";
	return NULL;
}

static const char *is_not_ours(const struct vgetrandom_page *page)
{
	if (page->magic != VGETRANDOM_PAGE_MAGIC)
		return VGETRANDOM_PAGE_PATH " is not the page of the module vgetrandom: not used";
	if (page->version != VGETRANDOM_PAGE_VERSION)
		return "the module vgetrandom has another version than the library: install both of one version";
	if (memcmp(page->cores, vgetrandom_page_cores, sizeof(page->cores)))
		return "the module vgetrandom has other ChaCha20 cores than the library: install both of one version";
	/* Under valgrind, say. While the page is mapped the core stays. */
	if (!core_runs_here(page->rng.core))
		return "the module vgetrandom has chosen a ChaCha20 core that does not run in this process: not used";
	return NULL;
}

/*
 * Looked at first, and then moved to its place: a mapping that fails may leave none there.
 */
static const char *map_page(int fd)
{
	const char *why = is_not_of_kernel(fd);
	void *page;

	if (why)
		return why;
	page = (void *)raw_syscall(SYS_mmap, NULL, ARCH_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if ((long)page < 0)
		return "the page of the module vgetrandom cannot be mapped";
	why = is_not_ours(page);
	if (why) {
		raw_syscall(SYS_munmap, page, ARCH_PAGE);
		return why;
	}
	if (raw_syscall(SYS_mremap, page, ARCH_PAGE, ARCH_PAGE,
			MREMAP_MAYMOVE | MREMAP_FIXED, &generator_page) < 0) {
		raw_syscall(SYS_munmap, page, ARCH_PAGE);
		generator_close();
		return "the page of the module vgetrandom cannot be moved to its place";
	}
	return NULL;
}

const char *generator_open(struct vgetrandom_opaque_params *params)
{
	int fd = (int)raw_syscall(SYS_openat, AT_FDCWD, VGETRANDOM_PAGE_PATH,
				  O_RDONLY | O_CLOEXEC);
	const char *why;

	if (fd < 0)
		return fd == -ENOENT ? "the module vgetrandom is not loaded" :
				      VGETRANDOM_PAGE_PATH " cannot be opened";
	why = map_page(fd);
	raw_syscall(SYS_close, fd);
	if (!why)
		generator_getrandom(NULL, 0, 0, params, ~0UL);
	return why;
}

void generator_close(void)
{
	raw_syscall(SYS_mmap, &generator_page, ARCH_PAGE, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
