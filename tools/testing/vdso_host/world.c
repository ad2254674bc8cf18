// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../lib/vgetrandom/pool.h"
#include "world.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT	1
#endif
#define MAP_TYPE_MASK	0x0f

#define DEFAULT_IMAGE "build/kernel/arch/x86/entry/vdso/vdso64.so.dbg"

#define CORE_PREFIX	"vgetrandom_chacha20_"

#define SKIP		4	/* KSFT_SKIP, which the tests' harness has */

struct world world;

bool world_set_core(const char *name)
{
	if (vdso_host_set_core(world.host, name))
		return false;
	world.pass = vdso_host_cores[vdso_host_rng(world.host)->core].blocks;
	oracle_set_pass(world.pass);
	return true;
}

static const char *image_name(void)
{
	const char *image = getenv("VDSO_IMAGE");

	return image ? image : DEFAULT_IMAGE;
}

/*
 * Before main(), because the harness has no other way to skip a whole program. What is
 * wrong with the image, or with the name, is for world_open() to say.
 */
__attribute__((constructor))
static void skip_without_core(void)
{
	const char *name = getenv("VDSO_CORE");

	for (size_t i = 0; name && vdso_host_cores[i].name; i++) {
		if (strcmp(name, vdso_host_cores[i].name) || vdso_host_runs_here(i))
			continue;
		printf("1..0 # SKIP %s: not on this processor, or not with its kernel\n", name);
		exit(SKIP);
	}
}

static void place_state(void *state)
{
	memset(world.page, CANARY, PAGE);
	memset(state, 0, world.state_size);
	world.state = state;
}

bool world_open_page(size_t state_size)
{
	uint8_t *p;

	p = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE)) {
		fprintf(stderr, "mapping a page for states: %s\n", strerror(errno));
		return false;
	}
	world.page = p + PAGE;
	world.state_size = state_size;
	world_place(MIDDLE_OF_PAGE);
	return true;
}

/* Locked states: the library's, and what the kernel knows of this process' locks. */
static struct {
	char *memory;
	size_t len;
	unsigned long word;		/* in a process that has locked it */
	uint8_t copy[PAGE];
} locked;

/* A kernel without droppable memory; and the administrator's limits count. */
static bool be_older(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, MAP_TYPE_MASK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_DROPPABLE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &header, caps))
		return false;
	caps[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	return !syscall(SYS_capset, &header, caps) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* How much memory has this process locked? In bytes. */
static size_t now_locked(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "VmLck: %zu", &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib * 1024;
}

bool world_may_keep(void)
{
	return !world.pool || now_locked() >= locked.len;
}

void world_limit(bool limited)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
	limit.rlim_cur = limited ? 0 : limit.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
}

static void lock_again(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
	world_limit(false);
	if (syscall(SYS_mlock2, locked.memory, locked.len, MLOCK_ONFAULT) ||
	    setrlimit(RLIMIT_MEMLOCK, &limit))
		abort();
}

void world_lose(void)
{
	if (!world.pool) {
		memset(world.state, 0, world.state_size);
		return;
	}
	memset(locked.memory, 0, PAGE);
	place_state(world.state);
	if (munlock(locked.memory, locked.len))
		abort();
}

void world_restore(void)
{
	if (!world.pool)
		return;
	world_limit(false);
	lock_again();
	*world.pool->lock = locked.word;
}

pid_t world_fork(void)
{
	const unsigned long word = world.pool ? *world.pool->lock : 0;
	const bool was_locked = world.pool && world_may_keep();
	pid_t pid;

	if (world.pool)
		memcpy(locked.copy, world.page, PAGE);
	pid = fork();
	if (!pid && world.pool) {
		/* As the library has arranged it. */
		for (size_t i = 0; i < PAGE; i++)
			if (world.page[i])
				abort();
		if (*world.pool->lock || now_locked())
			abort();
		if (was_locked)
			lock_again();
		memcpy(world.page, locked.copy, PAGE);
		*world.pool->lock = word;
	}
	return pid;
}

/* The second page of what the library maps: on the first there is its word, too. */
static bool open_locked(void)
{
	const char *(*open_secret)(struct pool *pool);
	const char *why;

	world.pool = vdso_host_sym(world.host, "thread_states");
	open_secret = (typeof(open_secret))vdso_host_sym(world.host, "pool_open_secret");
	if (!world.pool || !open_secret) {
		fprintf(stderr, "VDSO_STATES=locked is for libvgetrandom only\n");
		return false;
	}
	if (!be_older()) {
		fprintf(stderr, "being a process on an older kernel: %s\n", strerror(errno));
		return false;
	}
	memset(world.pool, 0, sizeof(*world.pool));
	why = open_secret(world.pool);
	locked.len = now_locked();
	if (why || !world.pool->lock || locked.len < 2 * PAGE) {
		fprintf(stderr, "the library does not lock its states: %s\n", why ?: "it says it does");
		return false;
	}
	locked.memory = world.pool->chunks[0];
	locked.word = *world.pool->lock;
	world.page = (uint8_t *)locked.memory + PAGE;
	world.state_size = STATE_SIZE;
	world_place(MIDDLE_OF_PAGE);
	return !mprotect(world.page + PAGE, locked.len - 2 * PAGE, PROT_NONE);
}

bool world_open_locked(void)
{
	const char *states = getenv("VDSO_STATES");
	struct pool *pool = vdso_host_sym(world.host, "thread_states");

	if (states && !strcmp(states, "locked"))
		return open_locked();
	/* It may have locked some at its start. */
	if (pool)
		pool->lock = NULL;
	return true;
}

bool world_open(void)
{
	const char *image = image_name(), *core = getenv("VDSO_CORE");

	world.host = vdso_host_open(image);
	if (!world.host) {
		fprintf(stderr, "%s (VDSO_IMAGE names another image)\n",
			vdso_host_error());
		return false;
	}
	world.fn = (vgetrandom_fn)vdso_host_generator(world.host);
	if (!world.fn) {
		fprintf(stderr, "the vDSO image has no __vdso_getrandom\n");
		return false;
	}
	world.rng = vdso_host_rng(world.host);
	if (!world_set_core(core)) {
		fprintf(stderr, "%s: %s\n", core ? core : image,
			vdso_host_set_core(world.host, core));
		return false;
	}

	if (!world_open_locked() || !(world.pool || world_open_page(STATE_SIZE)) ||
	    !gate_open(world.host, world.page, PAGE))
		return false;
	gate->may_keep = world.pool ? world_may_keep : NULL;
	return true;
}

void world_place(enum place place)
{
	const size_t offset[] = {
		[FIRST_IN_PAGE] = 0,
		[MIDDLE_OF_PAGE] = PAGE / 2,
		[LAST_IN_PAGE] = PAGE - world.state_size,
	};

	place_state(world.page + offset[place]);
}

bool world_canaries_ok(void)
{
	const uint8_t *state = (uint8_t *)world.state;

	for (const uint8_t *p = world.page; p < world.page + PAGE; p++)
		if ((p < state || p >= state + world.state_size) && *p != CANARY)
			return false;
	return true;
}

bool world_in_core(const void *ip)
{
	const char *function = world.host ? vdso_host_function(world.host, ip) : NULL;

	return function && !strncmp(function, CORE_PREFIX, strlen(CORE_PREFIX));
}

ssize_t world_call(void *buffer, size_t len, unsigned int flags)
{
	return world.fn(buffer, len, flags, world.state, STATE_SIZE);
}

void world_start(enum start start)
{
	uint8_t buffer[VGETRANDOM_RUN_SIZE];

	world_restore();
	world_lose();
	if (start == EMPTY)
		return;
	world_restore();
	/* A whole pass leaves the one that is made for the batch untouched. */
	world_call(buffer, PASS_SIZE, 0);
	if (start == PARTLY_USED)
		world_call(buffer, BATCH - PART_LEFT, 0);
}

bool world_replay(struct oracle *o, const uint8_t *out, size_t len,
		  unsigned int from, unsigned int to, pid_t pid)
{
	uint8_t want[MAX_REPLAY];

	if (len > sizeof(want))
		return false;
	for (unsigned int i = from; i < to; i++) {
		const struct gate_request *r = gate_request(i);

		if (r->pid != pid)
			continue;
		if (!r->is_key || r->len != VGETRANDOM_KEY_SIZE || r->flags)
			return false;
		oracle_rekey(o, r->bytes);
	}
	oracle_take(o, want, len);
	return !memcmp(out, want, len);
}

struct gate_request *world_only_request(unsigned int from, unsigned int to,
					pid_t pid)
{
	struct gate_request *found = NULL;

	for (unsigned int i = from; i < to; i++) {
		if (gate_request(i)->pid != pid)
			continue;
		if (found)
			return NULL;
		found = gate_request(i);
	}
	return found;
}
