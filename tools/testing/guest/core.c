// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel has chosen the ChaCha20 core CORE, its log says so, and calls use that core.
 *
 * usage: guest_core CORE
 *
 * The registers in use show which core runs: a signal handler looks at them after each
 * instruction of a call. The number of bytes that a refill makes shows it too.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <ucontext.h>

#include "../vdso_host/trap_flag.h"
#include "guest.h"

#define LINES		10000		/* more than a boot logs */

/* Offsets in a signal frame: struct _fpx_sw_bytes, and the area of XSAVE. */
#define SW_BYTES_OFFSET	464
#define XMM_OFFSET	160
#define XMM_SIZE	256
#define IN_USE_OFFSET	512		/* XSTATE_BV */

static const struct core {
	const char *name, *logged, *feature;
	size_t blocks;			/* of a refill */
} cores[] = {
#define VGETRANDOM_CORE(NAME, name, log, blocks, FEATURE, feature) { #name, log, feature, blocks },
#include <asm/vdso/getrandom-cores.h>
};

/* Whether a core uses these registers; its name in the log tells ymm from zmm. */
static bool uses_ymm(const struct core *core)
{
	return !strncmp(core->feature, "avx", 3);
}

static bool uses_zmm(const struct core *core)
{
	return strstr(core->logged, "zmm");
}

/* The kernel's log names the core. */
static void check_log(const struct core *core)
{
	static const char intro[] = "vDSO: getrandom() uses ";
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[2048], *text = NULL;

	check(fd >= 0, "opening /dev/kmsg: %s", strerror(errno));
	for (int i = 0; !text && i < LINES; i++) {
		ssize_t n = read(fd, line, sizeof(line) - 1);

		if (n < 0 && errno == EAGAIN)
			break;
		line[n > 0 ? n : 0] = '\0';
		text = strstr(line, intro);
	}
	close(fd);
	check(text, "the kernel's log does not say which core it uses");
	/* cppcheck-suppress nullPointerArithmeticRedundantCheck ; check() does not return */
	text += strlen(intro);
	text[strcspn(text, "\n")] = '\0';
	check(!strcmp(text, core->logged), "the kernel uses %s, not %s", text, core->logged);
}

static struct {
	unsigned long steps;
	bool xmm, ymm, zmm;		/* a register of this kind was not zero */
} seen;

/* Whether the frame has this component of XSAVE, and it is not all zeros. */
static bool any_of_component(const uint8_t *frame, unsigned int number)
{
	unsigned int size, offset, c, d;
	uint64_t in_use;

	memcpy(&in_use, frame + IN_USE_OFFSET, sizeof(in_use));
	if (!(in_use >> number & 1))
		return false;
	__cpuid_count(0xd, number, size, offset, c, d);
	return !is_zero(frame + offset, size);
}

static void on_sigtrap(int sig, siginfo_t *info, void *ucontext)
{
	const uint8_t *frame = (uint8_t *)((ucontext_t *)ucontext)->uc_mcontext.fpregs;
	struct _fpx_sw_bytes sw;

	(void)sig;
	(void)info;
	seen.steps++;
	seen.xmm |= !is_zero(frame + XMM_OFFSET, XMM_SIZE);
	memcpy(&sw, frame + SW_BYTES_OFFSET, sizeof(sw));
	/* Without XSAVE the frame ends here; stale stack contents follow. */
	if (sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size <= IN_USE_OFFSET)
		return;
	seen.ymm |= any_of_component(frame, 2);
	seen.zmm |= any_of_component(frame, 6);
}

static void check_registers(const struct core *core, struct vgetrandom_state *state)
{
	struct sigaction sa = { .sa_sigaction = on_sigtrap, .sa_flags = SA_SIGINFO };
	static uint8_t out[2 * VGETRANDOM_KEYSTREAM_SIZE];
	ssize_t ret;

	check(!sigaction(SIGTRAP, &sa, NULL), "sigaction: %s", strerror(errno));
	/* Clear what the C library has left in the registers. */
	if (uses_ymm(core))
		asm volatile("vzeroall" : : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			     "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
			     "xmm13", "xmm14", "xmm15");
	memset(&seen, 0, sizeof(seen));
	set_trap_flag(TRAP_FLAG);
	ret = guest_getrandom(state, out, sizeof(out), 0);
	set_trap_flag(0);
	check(ret == sizeof(out), "a call in single steps fails");
	check(seen.steps > 1000, "only %lu steps: this shows nothing", seen.steps);
	check(seen.xmm, "no vector register has been used");
	check(seen.ymm == uses_ymm(core), "ymm registers have %sbeen used", seen.ymm ? "" : "not ");
	check(seen.zmm == uses_zmm(core), "zmm registers have %sbeen used", seen.zmm ? "" : "not ");
}

/* All bytes are written, and no bytes come twice. */
static void check_bytes(struct vgetrandom_state *state)
{
	static uint8_t all[3][4096];

	for (int i = 0; i < 3; i++) {
		size_t len = sizeof(all[i]) - i;

		check(guest_getrandom(state, all[i], len, 0) == (ssize_t)len, "no bytes");
		for (size_t at = 0; at + 16 <= len; at += 16)
			check(!is_zero(all[i] + at, 16), "zeros at byte %zu of %zu", at, len);
	}
	check(memcmp(all[0], all[1], 64) && memcmp(all[1], all[2], 64), "the same bytes twice");
}

int main(int argc, char **argv)
{
	const struct core *core = cores;
	struct vgetrandom_state *state;
	size_t batch;
	uint8_t byte;

	check(argc == 2, "usage: guest_core CORE");
	while (strcmp(core->name, argv[1]))
		check(++core < cores + sizeof(cores) / sizeof(cores[0]), "unknown core");
	guest_open();
	guest_wait_ready();
	check_log(core);

	state = guest_map_states();
	check(guest_getrandom(state, &byte, 1, 0) == 1, "no bytes");
	batch = core->blocks * VGETRANDOM_BLOCK_SIZE - VGETRANDOM_KEY_SIZE;
	check(state->available == batch - 1, "a refill makes %llu bytes, not %zu",
	      (unsigned long long)state->available + 1, batch);
	check_bytes(state);
	check_registers(core, state);
	guest_check_served(state);
	printf("%s: picked, and used\n", core->name);
	return 0;
}
