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

/* The owner of root's files, as seen in a user namespace without root. */
#ifndef OVERFLOW_UID
#define OVERFLOW_UID	65534
#endif

union generator_page generator_page;

/*
 * Only the kernel creates files in sysfs, but root may have changed their owner.
 *
 * Return: NULL; or the reason why the file is not trusted.
 */
static const char *check_file(int fd)
{
	struct statfs fs;
	struct stat st;

	if (raw_syscall(SYS_fstatfs, fd, &fs) || fs.f_type != SYSFS_MAGIC)
		return VGETRANDOM_PAGE_PATH " is not in sysfs: not used";
	if (raw_syscall(SYS_fstat, fd, &st) || (st.st_uid && st.st_uid != OVERFLOW_UID))
		return VGETRANDOM_PAGE_PATH " does not belong to root: not used";
	return NULL;
}

/* Return: NULL; or the reason why the page does not fit this library. */
static const char *check_page(const struct vgetrandom_page *page, const struct core **core)
{
	if (page->magic != VGETRANDOM_PAGE_MAGIC)
		return VGETRANDOM_PAGE_PATH " is not the page of the module vgetrandom: not used";
	if (page->version != VGETRANDOM_PAGE_VERSION)
		return "the module vgetrandom has another version than the library: install the same version of both";
	if (memcmp(page->cores, vgetrandom_page_cores, sizeof(page->cores)))
		return "the module vgetrandom has other ChaCha20 cores than the library: install the same version of both";
	/* The module does not change the core while the page is mapped. */
	*core = core_numbered(page->rng.core);
	if (!*core)
		return "the module vgetrandom has chosen a ChaCha20 core that does not run in this process: not used";
	return NULL;
}

/* mmap() with MAP_FIXED that fails may have unmapped the page: generator_close() maps it again. */
static const char *map_page(int fd, const struct core **core)
{
	const char *why = check_file(fd);

	if (why)
		return why;
	if (raw_syscall(SYS_mmap, &generator_page, ARCH_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED,
			fd, 0) < 0)
		why = "the page of the module vgetrandom cannot be mapped";
	else
		why = check_page(&generator_page.page, core);
	if (why)
		generator_close();
	return why;
}

const char *generator_open(struct vgetrandom_opaque_params *params, const struct core **core)
{
	int fd = (int)raw_syscall(SYS_openat, AT_FDCWD, VGETRANDOM_PAGE_PATH,
				  O_RDONLY | O_CLOEXEC);
	const char *why;

	if (fd < 0)
		return fd == -ENOENT ? "the module vgetrandom is not loaded" :
				      VGETRANDOM_PAGE_PATH " cannot be opened";
	why = map_page(fd, core);
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
