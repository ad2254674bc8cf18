// SPDX-License-Identifier: MIT
/*
 * with_vdso - run a program as on a kernel with another vDSO
 *
 * usage: with_vdso [--none | --image FILE] [--no-droppable] [--page[=ODD]] PROGRAM [ARG...]
 *
 *	--none		there is no vDSO, as with vdso=0 on the kernel's command line
 *	--image FILE	FILE is the vDSO: a shared object without relocations. If it is the image
 *			of a kernel with CONFIG_VDSO_GETRANDOM, the RNG is ready and the generation
 *			never changes; needs vdso64.so.dbg, which has the symbols
 *	--no-droppable	the kernel does not know MAP_DROPPABLE: mmap() returns EINVAL
 *	--page		the module vgetrandom is loaded: the first open of its page opens a file
 *			of this program, on which the RNG is ready. With ODD, one thing is wrong
 *			with the page: "version", "magic", "cores", "core", "owner" or "file"; or
 *			"denied": it cannot be opened
 *
 * So "--none --no-droppable" simulates Linux before 6.11. The program is traced until it starts to
 * run; with --page, until it has closed the page. A child that executes another program has the
 * running kernel's vDSO again. TEST_LAUNCH in the environment has this program's command line, to
 * start such a child with. TEST_PAGE has the name of the page's file, which may be written to.
 *
 * Exit status: the program's; if a signal ended it, with_vdso ends by the same signal; 125 if the
 * program was not started.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../module/page.h"
#include "filter_droppable.h"

#define PAGE_BYTES	4096L
#define SYSFS_MAGIC	0x62656572
#define NOT_STARTED	125
#define MAX_AUXV	256
#define MAX_STRINGS	(64 << 20)	/* words on the stack before the auxv */

static pid_t child;

static noreturn void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("with_vdso: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	if (child > 0)
		kill(child, SIGKILL);
	exit(NOT_STARTED);
}

/*
 * The vDSO image.
 */
struct image {
	const char	*path;
	unsigned char	*file;
	size_t		file_size;
	long		start;		/* lowest address; negative if data pages come before */
	size_t		size;		/* including data pages */
};

static const void *file_range(const struct image *image, uint64_t offset, uint64_t size)
{
	if (offset > image->file_size || size > image->file_size - offset || offset % 8)
		die("%s: broken ELF file: a table lies outside of it", image->path);
	return image->file + offset;
}

static const Elf64_Phdr *segments(const struct image *image, size_t *count)
{
	const Elf64_Ehdr *eh = file_range(image, 0, sizeof(*eh));

	*count = eh->e_phnum;
	return file_range(image, eh->e_phoff, eh->e_phnum * sizeof(Elf64_Phdr));
}

/* Looks in .symtab, which a stripped image lacks. */
static bool find_symbol(const struct image *image, const char *name, long *value)
{
	const Elf64_Ehdr *eh = file_range(image, 0, sizeof(*eh));
	const Elf64_Shdr *sh = file_range(image, eh->e_shoff, eh->e_shnum * sizeof(*sh));

	for (size_t i = 0; i < eh->e_shnum; i++) {
		const Elf64_Sym *sym;
		const char *names;

		if (sh[i].sh_type != SHT_SYMTAB || sh[i].sh_link >= eh->e_shnum)
			continue;
		sym = file_range(image, sh[i].sh_offset, sh[i].sh_size);
		names = (const char *)image->file + sh[sh[i].sh_link].sh_offset;
		for (size_t n = 0; n < sh[i].sh_size / sizeof(*sym); n++) {
			if (strcmp(names + sym[n].st_name, name))
				continue;
			*value = sym[n].st_value;
			return true;
		}
	}
	return false;
}

static void read_image(struct image *image)
{
	int fd = open(image->path, O_RDONLY | O_CLOEXEC);
	const Elf64_Ehdr *eh;
	const Elf64_Phdr *ph;
	size_t count, end = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die("%s: %s", image->path, strerror(errno));
	image->file_size = st.st_size;
	image->file = malloc(image->file_size + 1);
	if (!image->file || read(fd, image->file, image->file_size) != st.st_size)
		die("%s: cannot read it", image->path);
	close(fd);

	eh = file_range(image, 0, sizeof(*eh));
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_type != ET_DYN ||
	    eh->e_machine != EM_X86_64)
		die("%s: not a shared object for x86-64", image->path);
	ph = segments(image, &count);
	for (size_t i = 0; i < count; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		file_range(image, ph[i].p_offset & ~7UL, ph[i].p_filesz);
		if (ph[i].p_vaddr + ph[i].p_memsz > end)
			end = ph[i].p_vaddr + ph[i].p_memsz;
	}
	if (!find_symbol(image, "vvar_start", &image->start))
		image->start = 0;
	image->size = ((end + PAGE_BYTES - 1) & -PAGE_BYTES) - image->start;
}

/*
 * System calls that with_vdso has the program make, at its first instruction.
 */
static struct user_regs_struct regs;

static long inject(long nr, unsigned long a, unsigned long b, unsigned long c,
		   unsigned long d, unsigned long e, unsigned long f)
{
	struct user_regs_struct r = regs;
	const long code = 0x050f;	/* syscall */
	unsigned long text;
	int status;

	errno = 0;
	text = ptrace(PTRACE_PEEKTEXT, child, regs.rip, 0);
	if (errno || ptrace(PTRACE_POKETEXT, child, regs.rip, (text & ~0xffffUL) | code))
		die("writing the program's text: %s", strerror(errno));
	r.rax = nr;
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	r.r10 = d;
	r.r8 = e;
	r.r9 = f;
	r.orig_rax = -1;
	if (ptrace(PTRACE_SETREGS, child, 0, &r) ||
	    ptrace(PTRACE_SINGLESTEP, child, 0, 0) || waitpid(child, &status, 0) != child)
		die("stepping the program: %s", strerror(errno));
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		die("the program has not made system call %ld: status %#x", nr, status);
	if (ptrace(PTRACE_GETREGS, child, 0, &r) ||
	    ptrace(PTRACE_POKETEXT, child, regs.rip, text) ||
	    ptrace(PTRACE_SETREGS, child, 0, &regs))
		die("restoring the program: %s", strerror(errno));
	return r.rax;
}

static void put(unsigned long where, const void *what, size_t len)
{
	struct iovec from = { (void *)what, len }, to = { (void *)where, len };

	if (len && process_vm_writev(child, &from, 1, &to, 1, 0) != (ssize_t)len)
		die("writing to the program's memory: %s", strerror(errno));
}

/* The RNG is ready, the generation is 1, and the core is the last one that the processor runs. */
static struct vdso_rng_data rng_data(void)
{
	struct vdso_rng_data rng = { .generation = 1, .is_ready = 1 };
	const bool runs[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature)	\
		__builtin_cpu_supports(feature),
#include <asm/vdso/getrandom-cores.h>
	};

	for (size_t i = 0; i < sizeof(runs); i++)
		if (runs[i])
			rng.core = i;
	return rng;
}

static void put_rng_data(const struct image *image, unsigned long base)
{
	const struct vdso_rng_data rng = rng_data();
	long where;

	if (find_symbol(image, "vvar__vdso_rng_data", &where))
		put(base + where, &rng, sizeof(rng));
}

static unsigned long map_image(const struct image *image)
{
	unsigned long start, base;
	const Elf64_Phdr *ph;
	size_t count;
	long ret;

	ret = inject(SYS_mmap, 0, image->size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ret < 0 && ret > -PAGE_BYTES)
		die("no room for the image in the program: %s", strerror(-ret));
	start = ret;
	base = start - image->start;
	put_rng_data(image, base);
	ph = segments(image, &count);
	for (size_t i = 0; i < count; i++) {
		unsigned long from, end;
		int prot = 0;

		if (ph[i].p_type != PT_LOAD)
			continue;
		put(base + ph[i].p_vaddr, image->file + ph[i].p_offset, ph[i].p_filesz);
		from = (base + ph[i].p_vaddr) & -PAGE_BYTES;
		end = base + ph[i].p_vaddr + ph[i].p_memsz;
		prot |= ph[i].p_flags & PF_R ? PROT_READ : 0;
		prot |= ph[i].p_flags & PF_W ? PROT_WRITE : 0;
		prot |= ph[i].p_flags & PF_X ? PROT_EXEC : 0;
		ret = inject(SYS_mprotect, from, (end - from + PAGE_BYTES - 1) & -PAGE_BYTES,
			     prot, 0, 0, 0);
		if (ret)
			die("protecting the image in the program: %s", strerror(-ret));
	}
	return base;
}

/* The stack has argc, argv, 0, envp, 0 and then the auxv. */
static unsigned long find_auxv(void)
{
	unsigned long where = regs.rsp, word;
	long count = ptrace(PTRACE_PEEKDATA, child, where, 0);

	where += 8 * (1 + count + 1);
	for (long i = 0; i < MAX_STRINGS; i++) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, child, where, 0);
		where += 8;
		if (!word)
			break;
	}
	if (errno)
		die("reading the program's stack: %s", strerror(errno));
	return where;
}

static void set_vdso(const struct image *image)
{
	unsigned long where, base = 0;

	if (ptrace(PTRACE_GETREGS, child, 0, &regs))
		die("reading the program's registers: %s", strerror(errno));
	/* No system call is to be restarted. */
	regs.orig_rax = -1;
	if (image)
		base = map_image(image);
	where = find_auxv();
	for (int i = 0; i < MAX_AUXV; i++, where += 16) {
		Elf64_auxv_t entry;

		errno = 0;
		entry.a_type = ptrace(PTRACE_PEEKDATA, child, where, 0);
		entry.a_un.a_val = base;
		if (errno)
			die("reading the program's auxv: %s", strerror(errno));
		if (entry.a_type == AT_NULL)
			die("the program has no vDSO that could be replaced");
		if (entry.a_type != AT_SYSINFO_EHDR)
			continue;
		if (!image)
			entry.a_type = AT_IGNORE;
		put(where, &entry, sizeof(entry));
		return;
	}
	die("the program's auxv does not end");
}

/*
 * The module's page is a memfd of with_vdso, which the program opens instead of the file in sysfs.
 * The library opens and checks the page before main(), so few system calls are traced.
 */
static int page_fd = -1;

static void make_page(const char *odd)
{
	struct vgetrandom_page page = {
		.magic = VGETRANDOM_PAGE_MAGIC ^ !strcmp(odd, "magic"),
		.version = VGETRANDOM_PAGE_VERSION + !strcmp(odd, "version"),
		.rng = rng_data(),
	};
	char path[64];

	memcpy(page.cores, vgetrandom_page_cores, sizeof(page.cores));
	page.cores[0] += !strcmp(odd, "cores");
	if (!strcmp(odd, "core"))
		page.rng.core = -1;
	page_fd = memfd_create("page", MFD_CLOEXEC);
	if (page_fd < 0 || ftruncate(page_fd, PAGE_BYTES) ||
	    pwrite(page_fd, &page, sizeof(page), 0) != sizeof(page))
		die("making the page: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), page_fd);
	setenv("TEST_PAGE", path, 1);
}

/* Runs the program to the next entry into a system call, or exit from one. */
static void to_system_call(void)
{
	int status, signal = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, child, 0, signal) ||
		    waitpid(child, &status, 0) != child)
			die("tracing the program: %s", strerror(errno));
		if (!WIFSTOPPED(status))
			die("the program ended before the page was opened: status %#x", status);
		signal = WSTOPSIG(status);
		if (signal == (SIGTRAP | 0x80))
			break;
		if (signal == SIGTRAP)	/* it executes another program */
			signal = 0;
	}
	if (ptrace(PTRACE_GETREGS, child, 0, &regs))
		die("reading the program's registers: %s", strerror(errno));
}

static void set_regs(void)
{
	if (ptrace(PTRACE_SETREGS, child, 0, &regs))
		die("setting the program's registers: %s", strerror(errno));
}

static bool opens_page(void)
{
	char path[sizeof(VGETRANDOM_PAGE_PATH)];
	struct iovec to = { path, sizeof(path) }, from = { (void *)regs.rsi, sizeof(path) };

	return regs.orig_rax == SYS_openat &&
	       process_vm_readv(child, &to, 1, &from, 1, 0) == sizeof(path) &&
	       !memcmp(path, VGETRANDOM_PAGE_PATH, sizeof(path));
}

/* Replaces the path of the page by that of the memfd, written below the program's stack. */
static void open_memfd(void)
{
	const char *path = getenv("TEST_PAGE");
	unsigned long below = (regs.rsp - 512) & -16UL, theirs = regs.rsi;

	put(below, path, strlen(path) + 1);
	regs.rsi = below;
	set_regs();
	to_system_call();
	if ((long)regs.rax < 0)
		die("opening the page for the program: %s", strerror(-regs.rax));
	regs.rsi = theirs;
	set_regs();
}

static void provide_page(const char *odd)
{
	const bool is_denied = !strcmp(odd, "denied");
	const long magic = SYSFS_MAGIC;
	const uint32_t owner = !strcmp(odd, "owner") ? 1000 : 0;
	long fd;

	if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		die("PTRACE_SETOPTIONS: %s", strerror(errno));
	for (to_system_call(); !opens_page(); to_system_call())
		to_system_call();
	if (is_denied) {
		regs.orig_rax = -1;
		set_regs();
		to_system_call();
		regs.rax = -EACCES;
		set_regs();
		return;
	}
	open_memfd();
	fd = regs.rax;
	do {
		to_system_call();
		to_system_call();
		if ((long)regs.rdi != fd || regs.rax)
			continue;
		if (regs.orig_rax == SYS_fstatfs && strcmp(odd, "file"))
			put(regs.rsi + offsetof(struct statfs, f_type), &magic, sizeof(magic));
		if (regs.orig_rax == SYS_fstat)
			put(regs.rsi + offsetof(struct stat, st_uid), &owner, sizeof(owner));
	} while (regs.orig_rax != SYS_close || (long)regs.rdi != fd);
}

static void set_launch(int argc, char **argv, int program)
{
	char *text = calloc(1, 1 << 16), *path = realpath("/proc/self/exe", NULL);

	(void)argc;
	if (!text || !path)
		die("no memory");
	strcat(text, path);
	for (int i = 1; i < program; i++) {
		/* Absolute, because the program may change its directory. */
		char *file = !strcmp(argv[i - 1], "--image") ? realpath(argv[i], NULL) : argv[i];

		if (!file || strlen(text) + strlen(file) + 2 > 1 << 16)
			die("%s: cannot find it", argv[i]);
		strcat(strcat(text, " "), file);
	}
	setenv("TEST_LAUNCH", text, 1);
}

int main(int argc, char **argv)
{
	bool none = false, no_droppable = false;
	const char *page = NULL;
	struct image image = { 0 };
	int i, status;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--none"))
			none = true;
		else if (!strcmp(argv[i], "--no-droppable"))
			no_droppable = true;
		else if (!strncmp(argv[i], "--page", 6))
			page = argv[i] + 6;
		else if (!strcmp(argv[i], "--image") && i + 1 < argc)
			image.path = argv[++i];
		else
			die("unknown option '%s'", argv[i]);
	}
	if (i == argc || (none && image.path))
		die("usage: with_vdso [--none | --image FILE] [--no-droppable] [--page[=ODD]] PROGRAM [ARG...]");
	if (image.path)
		read_image(&image);
	if (page) {
		page += *page == '=';
		make_page(page);
	}
	set_launch(argc, argv, i);

	child = fork();
	if (child < 0)
		die("fork: %s", strerror(errno));
	if (!child) {
		/* A test that takes too long kills with_vdso, and this kills the program. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			die("PTRACE_TRACEME: %s", strerror(errno));
		if (no_droppable && !filter_droppable())
			die("installing a seccomp filter: %s", strerror(errno));
		execvp(argv[i], argv + i);
		die("%s: %s", argv[i], strerror(errno));
	}
	if (waitpid(child, &status, 0) != child)
		die("waitpid: %s", strerror(errno));
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		die("%s: stopped with status %#x instead of starting", argv[i], status);
	if (none || image.path)
		set_vdso(none ? NULL : &image);
	if (none || image.path)
		set_regs();
	if (page)
		provide_page(page);
	if (ptrace(PTRACE_DETACH, child, 0, 0))
		die("PTRACE_DETACH: %s", strerror(errno));

	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (waitpid(child, &status, 0) != child)
		;
	if (WIFSIGNALED(status)) {
		/* The program has dumped core; with_vdso must not. */
		setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	return WEXITSTATUS(status);
}
