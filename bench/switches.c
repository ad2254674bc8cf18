// SPDX-License-Identifier: MIT
/*
 * What wide registers in use add to a switch from one thread to another.
 *
 * Two threads on one processor pass a byte to and fro through pipes. Before, each
 * has called 100 times, or not at all.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "switches.h"

#define CALLS		100
#define ROUND_TRIPS	1000

/*
 * libc and the loader are not to use wide registers themselves: then there would be
 * no process that has not.
 */
#define NARROW_LIBC	"GLIBC_TUNABLES=glibc.cpu.hwcaps="	\
			"-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-XSAVE,-XSAVEC," \
			"-AVX_Fast_Unaligned_Load"

/* Which of the states of XSAVE are in use; 0 if the processor does not tell. */
static unsigned long in_use(void)
{
	unsigned int eax, ebx, ecx, edx;
	unsigned long low, high;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE) ||
	    !__get_cpuid_count(13, 1, &eax, &ebx, &ecx, &edx) || !(eax & (1 << 2)))
		return 0;
	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (1));
	return low & 0xffffffff;
}

struct player {
	const struct contender	*contender;
	int			in;
	int			out;
	unsigned long		used;
};

static void call_first(const struct player *player)
{
	struct contender own;
	unsigned char out[32];

	if (!player->contender)
		return;
	own = *player->contender;
	own.states = contenders_map_states(&own, 1);
	if (own.run(&own, 0, out, sizeof(out), CALLS))
		errx(1, "%s %s: a call fell short", own.impl, own.core);
}

static void *play(void *arg)
{
	struct player *player = arg;
	char byte = 0;
	int i;

	call_first(player);
	for (i = 0; i < ROUND_TRIPS; i++)
		if (read(player->in, &byte, 1) != 1 || write(player->out, &byte, 1) != 1)
			err(1, "pipe");
	player->used = in_use();
	return NULL;
}

static void stay_here(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_setaffinity");
}

void switches_child(const char *image, const char *who)
{
	struct contender contender;
	struct player first = { 0 }, second = { 0 };
	int there[2], back[2], error;
	pthread_t thread;
	double start;
	char byte = 0;

	if (!strcmp(who, "kernel-vdso"))
		contenders_open_running(&contender);
	else if (strcmp(who, "none"))
		contenders_open_core(&contender, image, who);
	if (strcmp(who, "none"))
		first.contender = &contender;
	second.contender = first.contender;
	if (pipe(there) || pipe(back))
		err(1, "pipe");
	first.in = back[0];
	first.out = there[1];
	second.in = there[0];
	second.out = back[1];

	stay_here();
	error = pthread_create(&thread, NULL, play, &second);
	if (error)
		errx(1, "cannot create a thread: %s", strerror(error));
	call_first(&first);
	/* To find the other one waiting. */
	sched_yield();
	first.contender = NULL;
	start = now();
	if (write(first.out, &byte, 1) != 1)
		err(1, "pipe");
	/* The last byte that comes back is not sent again: nobody would read it. */
	play(&first);
	pthread_join(thread, NULL);
	printf("%.1f %lu\n", (now() - start) / ROUND_TRIPS / 2, first.used | second.used);
}

static void run_child(const char *image, const char *who, double *ns, unsigned long *used)
{
	char line[128] = "";
	int fds[2], status;
	ssize_t len;
	pid_t pid;

	fflush(stdout);
	if (pipe2(fds, O_CLOEXEC))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		char *const argv[] = { "bench", "--image", (char *)image,
				       "--switches", (char *)who, NULL };
		char *const envp[] = { NARROW_LIBC, "LD_BIND_NOW=1", NULL };

		dup2(fds[1], STDOUT_FILENO);
		execve("/proc/self/exe", argv, envp);
		_exit(127);
	}
	close(fds[1]);
	len = read(fds[0], line, sizeof(line) - 1);
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid || status || len <= 0 ||
	    sscanf(line, "%lf %lu", ns, used) != 2)
		errx(1, "bench --switches %s failed", who);
}

struct players {
	const char	*who;
	const char	*impl;
	const char	*core;
	double		best;
	unsigned long	used;
};

static size_t list_all(struct players *list, const struct contenders *contenders)
{
	const char *core;
	size_t i, nr = 0;

	list[nr++] = (struct players) { "none", "no-calls", "", INFINITY, 0 };
	for (i = 0; i < NR_CORES; i++) {
		core = cores[i].name;
		if (contenders_find(contenders, "vdso", core))
			list[nr++] = (struct players) { core, "vdso", core, INFINITY, 0 };
	}
	if (contenders_find(contenders, "kernel-vdso", NULL))
		list[nr++] = (struct players) {
			"kernel-vdso", "kernel-vdso", "", INFINITY, 0,
		};
	return nr;
}

void switches_measure(struct facts *facts, const struct contenders *contenders,
		      const char *image, unsigned int rounds)
{
	struct players list[NR_CORES + 2];
	const size_t nr = list_all(list, contenders);
	unsigned int round;
	unsigned long used;
	double ns;
	size_t i;

	for (round = 0; round < rounds; round++) {
		for (i = 0; i < nr; i++) {
			run_child(image, list[i].who, &ns, &used);
			list[i].best = fmin(list[i].best, ns);
			list[i].used |= used;
		}
	}
	for (i = 0; i < nr; i++)
		facts_add(facts, &(struct fact) {
			"a switch between threads after calls", list[i].impl, list[i].core,
			list[i].best, "ns",
		});
	for (i = 0; i < nr; i++)
		facts_add(facts, &(struct fact) {
			"register sets in use after calls", list[i].impl, list[i].core,
			list[i].used, "XINUSE",
		});
}
