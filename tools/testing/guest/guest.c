// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <elf.h>
#include <linux/random.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "guest.h"
#include "parse_vdso.h"

struct params {
	uint32_t size_of_opaque_state, mmap_prot, mmap_flags, reserved[13];
};

static ssize_t (*vgetrandom)(void *buffer, size_t len, unsigned int flags,
			     void *state, size_t state_len);
static struct params params;

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("FAIL: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(1);
}

void passed(const char *name)
{
	printf("# passed: %s\n", name);
}

void guest_open(void)
{
	unsigned long base = getauxval(AT_SYSINFO_EHDR);

	setvbuf(stdout, NULL, _IOLBF, 0);
	check(base, "there is no vDSO");
	vdso_init_from_sysinfo_ehdr(base);
	vgetrandom = vdso_sym("LINUX_2.6", "__vdso_getrandom");
	check(vgetrandom, "the vDSO has no __vdso_getrandom");
	check(!vgetrandom(NULL, 0, 0, &params, ~0UL), "the query fails");
	check(params.size_of_opaque_state == sizeof(struct vgetrandom_state),
	      "states are of %u bytes, not %zu: not the kernel that this was built with",
	      params.size_of_opaque_state, sizeof(struct vgetrandom_state));
}

struct vgetrandom_state *guest_map_states(void)
{
	void *p = mmap(NULL, getpagesize(), params.mmap_prot, params.mmap_flags, -1, 0);

	check(p != MAP_FAILED, "mapping states: %s", strerror(errno));
	return p;
}

ssize_t guest_getrandom(struct vgetrandom_state *state, void *buffer, size_t len,
			unsigned int flags)
{
	return vgetrandom(buffer, len, flags, state, sizeof(*state));
}

void guest_wait_ready(void)
{
	uint8_t byte;

	check(syscall(SYS_getrandom, &byte, 1, 0) == 1, "getrandom: %s", strerror(errno));
}

void guest_reseed(void)
{
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	check(fd >= 0 && !ioctl(fd, RNDRESEEDCRNG), "RNDRESEEDCRNG: %s", strerror(errno));
	close(fd);
}

long guest_reseed_at(long uptime)
{
	long seconds;

	while ((seconds = now_ms() / 1000) < uptime)
		usleep(10000);
	guest_reseed();
	return seconds;
}

void guest_add_entropy(void)
{
	struct {
		struct rand_pool_info info;
		uint8_t bytes[64];
	} pool = { { 256, 64 }, "only a test" };
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	check(fd >= 0 && !ioctl(fd, RNDADDENTROPY, &pool), "RNDADDENTROPY: %s",
	      strerror(errno));
	close(fd);
}

/* Uses seccomp's strict mode, because filters need kernel options that the guest lacks. */
enum guest_end guest_without_syscalls(bool (*fn)(struct vgetrandom_state *state),
				      struct vgetrandom_state *state,
				      unsigned int seconds)
{
	int status;
	pid_t pid, ended = 0;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		uint8_t byte;

		/* fork() has zeroed the state: draw a key. */
		if (guest_getrandom(state, &byte, 1, 0) != 1 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			_exit(2);
		/* Not _exit(), which makes the system call exit_group: strict mode forbids it. */
		syscall(SYS_exit, fn(state) ? 0 : 1);
	}
	check(pid > 0, "fork: %s", strerror(errno));
	for (unsigned int i = 0; !ended && i < seconds * 100; i++) {
		usleep(10000);
		ended = waitpid(pid, &status, WNOHANG);
	}
	if (!ended) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return STILL_RUNNING;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return MADE_A_SYSCALL;
	check(WIFEXITED(status) && WEXITSTATUS(status) < 2, "seccomp, or a crash: status %#x",
	      status);
	return WEXITSTATUS(status) ? RETURNED_FALSE : RETURNED_TRUE;
}

void guest_in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn();
		fflush(stdout);
		_exit(0);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork: %s", strerror(errno));
	if (status)
		fail("in the child: status %#x", status);
}

void guest_write(const char *file, const char *text)
{
	check(write_to_file(file, text), "writing \"%s\" to %s: %s", text, file, strerror(errno));
}

void *guest_vdso(size_t *size)
{
	Elf64_Ehdr *image = (void *)getauxval(AT_SYSINFO_EHDR);

	/* The file ends with the table of its sections. */
	*size = image->e_shoff + image->e_shnum * image->e_shentsize;
	return image;
}

uint64_t guest_word(int type)
{
	/* Computed at run time, so that the word is not in the program either. */
	volatile uint64_t key = 0x5a17c3d2e4b69788;

	return key ^ type * 0x1111111111111111;
}

void guest_fill(uint8_t *p, size_t len, uint64_t word)
{
	for (size_t at = 0; at < len; at += sizeof(word))
		*(volatile uint64_t *)(p + at) = word;
}

static bool many_calls(struct vgetrandom_state *state)
{
	uint8_t out[600];

	for (size_t i = 1; i < 1000; i++) {
		size_t len = i % sizeof(out);

		if (guest_getrandom(state, out, len, 0) != (ssize_t)len)
			return false;
	}
	return true;
}

static bool one_without_key(struct vgetrandom_state *state)
{
	uint8_t byte;

	memset(state, 0, sizeof(*state));
	return guest_getrandom(state, &byte, 1, 0) == 1;
}

void guest_check_served(struct vgetrandom_state *state)
{
	enum guest_end end = STILL_RUNNING;

	check(guest_without_syscalls(one_without_key, state, 10) == MADE_A_SYSCALL,
	      "control: a system call is not noticed");
	/* Retry, because the kernel may reseed in the middle. */
	for (int i = 0; end != RETURNED_TRUE && i < 5; i++)
		end = guest_without_syscalls(many_calls, state, 10);
	check(end != MADE_A_SYSCALL, "calls enter the kernel, though the state has a key");
	check(end == RETURNED_TRUE, "calls fail without the system call");
}
