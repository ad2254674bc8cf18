// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes calls in a loop, in a guest that is saved meanwhile and restored: see
 * scripts/tests/snapshot. Prints "ready" when the guest may be saved. Writes its calls to a
 * log, struct snapshot_log, which the host checks. Of the results, this program checks only
 * that a new generation arrives in time.
 *
 * Needs QEMU's ivshmem-plain for the log, and libvgetrandom preloaded to expand large
 * requests.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <sys/klog.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <x86intrin.h>

#include "../../lib/vgetrandom/vgetrandom.h"
#include "guest.h"
#include "snapshot.h"

#define WARM_UP		1024	/* calls of each thread before the guest is saved */
#define SAME_ID_CALLS	1024	/* of each thread; with SAME_ID, the wait then ends */
#define UPTIME		20	/* seconds: see reseed() */
#define LARGE		1024	/* bytes; see check_library() */
#define PATIENCE	60	/* seconds until the kernel must have been told */
#define IDLE_CALLS	8

static struct snapshot_log *slog;

/*
 * Idle states: each array has one with a part of a batch and one with a full batch. They are
 * first used after the restore (soon), or after the kernel is told of it (later).
 */
static struct vgetrandom_state *soon[2], *later[2];

/* The state that waits for the new generation; its calls are not logged. */
static struct vgetrandom_state *watched;

#define get(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define set(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELEASE)

static uint64_t now(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* The first call with a new generation has seen that the kernel was told. */
static void watch(const struct snapshot_call *call)
{
	uint64_t none = 0;

	if (!call->generation || call->generation == get(slog->old_generation))
		return;
	if (__atomic_compare_exchange_n(&slog->new_generation, &none, call->generation,
					false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		set(slog->told, call->end);
}

/* Add a call to the log. Return false when the caller has made enough calls. */
static bool record(enum snapshot_caller caller, const struct snapshot_call *call)
{
	struct snapshot_calls *calls = &slog->of[caller];
	uint64_t told;

	if (get(slog->mode) == NOT_RESTORED) {
		calls->before[calls->n_before % BEFORE_CALLS] = *call;
		set(calls->n_before, calls->n_before + 1);
		if (call->generation)
			set(slog->old_generation, call->generation);
		return true;
	}
	if (!get(slog->told))
		watch(call);
	told = get(slog->told);
	if ((told && call->begin > told) ||
	    (get(slog->mode) == SAME_ID && calls->n_window >= SAME_ID_CALLS)) {
		calls->after[calls->n_after] = *call;
		set(calls->n_after, calls->n_after + 1);
	} else {
		if (calls->n_window < WINDOW_CALLS)
			calls->window[calls->n_window] = *call;
		set(calls->n_window, calls->n_window + 1);
	}
	return calls->n_after < AFTER_CALLS;
}

/* Only the callers of the vDSO use @state. */
static struct snapshot_call make_call(enum snapshot_caller caller, struct vgetrandom_state *state)
{
	struct snapshot_call call = { .begin = now() };
	size_t len = caller == LIBRARY ? LARGE : sizeof(call.word);
	uint8_t out[LARGE];
	ssize_t ret;

	if (caller == SYSCALL)
		ret = syscall(SYS_getrandom, out, len, 0);
	else if (caller == LIBRARY)
		ret = getrandom(out, len, 0);
	else
		ret = guest_getrandom(state, out, len, 0);
	call.end = now();
	check(ret == (ssize_t)len, "caller %d gets %zd bytes of %zu", caller, ret, len);
	memcpy(&call.word, out, sizeof(call.word));
	if (caller != SYSCALL && caller != LIBRARY)
		call.generation = state->generation;
	return call;
}

static struct snapshot_call vdso_call(struct vgetrandom_state *state)
{
	return make_call(VDSO_1, state);
}

static void *loop(void *arg)
{
	const enum snapshot_caller caller = (uintptr_t)arg;
	struct vgetrandom_state *state = guest_map_states();
	struct snapshot_call call;

	/*
	 * The kernel has a key for each processor. Without this, the guest's scheduler may choose
	 * another processor after the next restore, which would return other bytes.
	 */
	if (caller == SYSCALL)
		check(pin_to_cpu(0), "sched_setaffinity: %s", strerror(errno));
	do
		call = make_call(caller, state);
	while (record(caller, &call));
	return NULL;
}

/* Whether every thread has made @more calls since @from. */
static bool all_threads(const uint64_t from[IDLE], uint64_t more, bool restored)
{
	for (int i = 0; i < IDLE; i++) {
		const struct snapshot_calls *calls = &slog->of[i];

		if (get(*(restored ? &calls->n_window : &calls->n_before)) < from[i] + more)
			return false;
	}
	return true;
}

static void warm_up(void)
{
	uint64_t from[IDLE];

	for (int i = 0; i < IDLE; i++)
		from[i] = get(slog->of[i].n_before);
	while (!all_threads(from, WARM_UP, false))
		usleep(1000);
}

static uint64_t microseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/*
 * Give all states one generation, and delay the kernel's timed reseed: in the first minutes
 * it comes after half the uptime. That must be later than vmgenid's notification.
 */
static void reseed(void)
{
	long seconds = guest_reseed_at(UPTIME);

	slog->due = now() + seconds / 2 * 1000 * slog->khz;
}

static struct vgetrandom_state *part_used_state(void)
{
	struct vgetrandom_state *state = guest_map_states();

	for (int i = 0; i < 10; i++)
		vdso_call(state);
	check(state->available, "the batch of a partly used state is empty");
	return state;
}

static struct vgetrandom_state *full_state(size_t more_than)
{
	struct vgetrandom_state *state = guest_map_states();
	uint8_t out[VGETRANDOM_KEYSTREAM_SIZE];

	check(guest_getrandom(state, out, sizeof(out), 0) == sizeof(out), "the vDSO fails");
	check(state->available > more_than, "the batch is not full: %llu bytes",
	      (unsigned long long)state->available);
	return state;
}

static void use(struct vgetrandom_state *states[2])
{
	for (int i = 0; i < 2 * IDLE_CALLS; i++) {
		struct snapshot_call call = vdso_call(states[i / IDLE_CALLS]);

		record(IDLE, &call);
	}
}

static void wait_until_told(void)
{
	static const uint64_t zero[IDLE];
	const uint64_t limit = now() + slog->khz * 1000 * PATIENCE;

	while (!get(slog->told)) {
		struct snapshot_call call = vdso_call(watched);

		if (get(slog->mode) == NEW_ID) {
			watch(&call);
			check(call.end < limit, "no new generation %u s after the restore",
			      PATIENCE);
		} else if (all_threads(zero, SAME_ID_CALLS, true)) {
			set(slog->told, now());
		}
		sched_yield();
	}
}

static uint64_t forks_in_kernel_log(void)
{
	static const char message[] = "crng reseeded due to virtual machine fork";
	static char text[1 << 20];
	int len = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text) - 1);
	uint64_t n = 0;

	check(len > 0, "reading the kernel's log: %s", strerror(errno));
	for (char *p = text; (p = strstr(p, message)); p++)
		n++;
	return n;
}

/* The shared memory is BAR 2 of a PCI device. */
static struct snapshot_log *map_log(void)
{
	const char *pattern = "/sys/bus/pci/devices/*";
	glob_t devices;
	void *p = MAP_FAILED;

	check(!glob(pattern, 0, NULL, &devices), "there is no %s", pattern);
	for (size_t i = 0; i < devices.gl_pathc; i++) {
		char path[256];
		int fd;

		snprintf(path, sizeof(path), "%s/uevent", devices.gl_pathv[i]);
		if (file_number(path, "PCI_ID=1AF4:1110\n", NULL) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/resource2", devices.gl_pathv[i]);
		fd = open(path, O_RDWR | O_CLOEXEC);
		p = mmap(NULL, SNAPSHOT_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		check(fd >= 0 && p != MAP_FAILED, "%s: %s", path, strerror(errno));
	}
	check(p != MAP_FAILED, "there is no ivshmem device");
	globfree(&devices);
	return p;
}

/*
 * The library must expand large requests. It does not by default, because the patched vDSO is
 * as fast.
 */
static void check_library(void)
{
	typeof(vgetrandom_info) *fn = dlsym(RTLD_DEFAULT, "vgetrandom_info");
	struct vgetrandom_info info;

	check(fn, "libvgetrandom is not preloaded");
	fn(&info, sizeof(info));
	check(info.large == VGETRANDOM_EXPAND && info.large_from <= LARGE,
	      "libvgetrandom does not expand requests of %d bytes: %s", LARGE, info.large_why);
}

int main(void)
{
	uint64_t begin, begin_us;
	pthread_t threads[IDLE];

	guest_open();
	guest_wait_ready();
	check_library();
	slog = map_log();
	memset(slog, 0, sizeof(*slog));
	begin = now();
	begin_us = microseconds();

	for (uintptr_t i = 0; i < IDLE; i++)
		check(!pthread_create(&threads[i], NULL, loop, (void *)i), "no thread");
	warm_up();
	slog->khz = (now() - begin) * 1000 / (microseconds() - begin_us);
	reseed();
	soon[0] = part_used_state();
	later[0] = part_used_state();
	soon[1] = full_state(soon[0]->available);
	later[1] = full_state(soon[0]->available);
	watched = guest_map_states();
	warm_up();
	printf("ready\n");

	while (get(slog->mode) == NOT_RESTORED)
		sched_yield();
	use(soon);
	wait_until_told();
	use(later);
	for (int i = 0; i < IDLE; i++)
		pthread_join(threads[i], NULL);
	slog->forks = forks_in_kernel_log();
	set(slog->complete, 1);
	printf("complete\n");
	return 0;
}
