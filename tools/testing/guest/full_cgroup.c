// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a memory cgroup that is full of memory that cannot be reclaimed, the vDSO's
 * getrandom() waits for no memory, and the OOM killer kills no process for it: a call
 * whose state was dropped, or was never touched, makes the system call. With memory
 * again, calls use their states again.
 *
 * Control: one more page of ordinary memory invokes the OOM killer.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>

#include "guest.h"

#define CGROUP		"full"
#define FILL		(2UL << 20)
#define LARGEST		65536
/* A debug kernel in an emulator takes a good part of a second for the largest request. */
#define LONGEST_MS	5000
#define TIMEOUT_MS	60000

/* A step begins when the parent has stored its number, and ends when a child has. */
enum step { START, FILLED, CALLED, TOUCHED, REFILLED };

static struct shared {
	int go, done, is_mapped, without_state[2];
	long longest_ms;
} *shared;

static struct {
	const char *name;
	struct vgetrandom_state *state;
} cases[] = { { .name = "dropped" }, { .name = "never touched" } };

static uint8_t *out;
static pid_t children[2];

/* Spins: a system call may allocate memory. */
static void wait_for(int *step, int number)
{
	while (__atomic_load_n(step, __ATOMIC_ACQUIRE) < number)
		;
}

static void set(int *step, int number)
{
	__atomic_store_n(step, number, __ATOMIC_RELEASE);
}

static bool done_within(int number, int ms)
{
	for (; __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) < number; ms -= 10) {
		if (ms <= 0)
			return false;
		check(!waitpid(children[0], NULL, WNOHANG), "the process that calls has ended");
		usleep(10000);
	}
	return true;
}

/*
 * Leaves the process as a child of fork() is: none of its page table entries is for the vDSO. The
 * system call needs no memory, and neither does the fault that maps such a page again.
 */
static void forget_vdso(void)
{
	size_t size;
	void *vdso = guest_vdso(&size);

	check(!madvise(vdso, size, MADV_DONTNEED), "MADV_DONTNEED of the vDSO: %s",
	      strerror(errno));
}

static void call(int i, size_t len)
{
	long begin = now_ms(), ms;
	uint8_t is_present;

	memset(out, 0, len);
	forget_vdso();
	check(guest_getrandom(cases[i].state, out, len, 0) == (ssize_t)len,
	      "a call with a state that was %s does not return all of %zu bytes",
	      cases[i].name, len);
	ms = now_ms() - begin;
	if (ms > shared->longest_ms)
		shared->longest_ms = ms;
	for (size_t at = 0; at + 16 <= len; at += 16)
		check(!is_zero(out + at, 16), "zeros at byte %zu of %zu", at, len);
	check(!mincore((void *)((uintptr_t)cases[i].state & -page), page, &is_present),
	      "mincore: %s", strerror(errno));
	/* Reading a page that is absent would wait. One without a key is the zero page. */
	shared->without_state[i] += !(is_present & 1) || !cases[i].state->generation;
}

/* The state has a key, and its batch shrinks: no system call is needed. */
static void check_used(int i)
{
	const struct vgetrandom_state *state = cases[i].state;

	call(i, 16);
	/* Retry, because the kernel may reseed. */
	for (long end = 0; may_retry(&end);) {
		uint64_t available = state->available;

		call(i, 16);
		if (state->generation && state->available + 16 == available)
			return;
	}
	fail("with memory again, a state that was %s is not used", cases[i].name);
}

static void make_calls(void)
{
	static const size_t lens[] = { 4, 16, 300, LARGEST };
	uint8_t *fill = map_pages(MAP_PRIVATE, FILL), *far;

	out = map_pages(MAP_PRIVATE, LARGEST);
	memset(fill, 1, FILL);
	/* Lock all memory of this process, and copy pages that it shares since fork(). */
	check(!mlockall(MCL_CURRENT), "mlockall: %s", strerror(errno));
	cases[0].state = guest_map_states();
	call(0, 16);
	/* Far from other mappings: even its page tables are missing. */
	far = mmap((void *)(fill - (1UL << 40)), page, PROT_READ | PROT_WRITE,
		   MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	check(far != MAP_FAILED, "mapping a state: %s", strerror(errno));
	cases[1].state = (void *)far;
	check(!madvise(cases[0].state, page, MADV_DONTNEED), "MADV_DONTNEED: %s",
	      strerror(errno));

	set(&shared->done, FILLED);
	wait_for(&shared->go, CALLED);
	for (size_t j = 0; j < sizeof(lens) / sizeof(lens[0]); j++)
		for (int i = 0; i < 2; i++)
			call(i, lens[j]);
	set(&shared->done, CALLED);
	wait_for(&shared->go, REFILLED);
	for (int i = 0; i < 2; i++)
		check_used(i);
	set(&shared->done, REFILLED);
	for (;;)
		pause();
}

/* Each CPU may have charged some pages in advance. */
static void touch_memory(void)
{
	uint8_t *memory;

	check(!mlockall(MCL_CURRENT), "mlockall: %s", strerror(errno));
	memory = map_pages(MAP_PRIVATE, FILL);
	set(&shared->is_mapped, true);
	wait_for(&shared->go, TOUCHED);
	memset(memory, 1, FILL);
	_exit(0);
}

static pid_t start(void (*fn)(void))
{
	pid_t pid = fork();

	check(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		check(move_to_cgroup(CGROUP, getpid()), "entering a cgroup: %s", strerror(errno));
		fn();
	}
	return pid;
}

static void set_oom_score(pid_t pid, const char *score)
{
	char file[64];

	snprintf(file, sizeof(file), "/proc/%d/oom_score_adj", pid);
	guest_write(file, score);
}

static long event(const char *key)
{
	return cgroup_number(CGROUP, "memory.events", key);
}

int main(void)
{
	long oom;
	int status;

	guest_open();
	guest_wait_ready();
	shared = (void *)map_pages(MAP_SHARED, sizeof(*shared));
	memset(shared, 0, sizeof(*shared));
	check(make_cgroup(CGROUP, "max"), "creating a cgroup: %s", strerror(errno));
	fflush(stdout);
	children[0] = start(make_calls);
	children[1] = start(touch_memory);
	check(done_within(FILLED, TIMEOUT_MS), "the cgroup is not filled");
	wait_for(&shared->is_mapped, true);

	/* Lowering the limit below the usage would kill a process. */
	for (int i = 0; i < 2; i++)
		set_oom_score(children[i], "-1000");
	set_cgroup(CGROUP, "memory.max", "0");
	set_oom_score(children[0], "0");
	set_oom_score(children[1], "1000");
	check(cgroup_number(CGROUP, "memory.current", "") >= (long)FILL, "the cgroup is not full");
	oom = event("oom ");

	set(&shared->go, CALLED);
	check(done_within(CALLED, TIMEOUT_MS), "a call waits for memory");
	for (int i = 0; i < 2; i++)
		check(shared->without_state[i], "a state that was %s got memory", cases[i].name);
	check(shared->longest_ms <= LONGEST_MS, "a call takes %ld ms", shared->longest_ms);
	check(event("oom_kill ") == 0 && event("oom ") == oom,
	      "calls have invoked the OOM killer: %ld kills", event("oom_kill "));

	passed("calls in a full memory cgroup return, and no process is killed");

	/* The control may need a second kill. */
	set_oom_score(children[0], "-1000");
	set(&shared->go, TOUCHED);
	check(waitpid(children[1], &status, 0) == children[1] && WIFSIGNALED(status) &&
	      WTERMSIG(status) == SIGKILL && event("oom_kill "),
	      "control: ordinary memory does not invoke the OOM killer");
	check(set_cgroup(CGROUP, "memory.max", "max"), "memory.max: %s", strerror(errno));
	set(&shared->go, REFILLED);
	check(done_within(REFILLED, TIMEOUT_MS), "with memory again, calls do not return");
	passed("with memory again, calls use their states");
	printf("the longest call in a full cgroup takes %ld ms\n", shared->longest_ms);
	return 0;
}
