// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process is killed by SIGABRT while its threads are in calls. In its core dump no thread
 * is at an instruction in which a call can be aborted, or has a vector register; and
 * nowhere in the dump are 8 bytes of a key or of keystream.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/user.h>

#include "../vdso_host/abort_model.h"
#include "guest.h"
#include "ranges.h"

#define CORE		"/tmp/core"
#define THREADS		8
#define LARGEST		4096
#define STACK_SIZE	(64 * 1024)
#define SECRET		offsetof(struct vgetrandom_state, key)
#define FILTER_BITS	20
#define LANDINGS	24		/* how many are enough */
#define MOST_DUMPS	20

/* Not droppable, so that they are left when the process has ended; and not dumped. */
static struct shared {
	struct vgetrandom_state state __attribute__((aligned(2048)));
	uint8_t out[LARGEST];
	unsigned long calls;
} *shared;

static struct {
	unsigned int threads, in_vdso, in_range, landed, with_vectors;
	unsigned long words;
} seen;

/* All 8 bytes of the states, at any offset. */
static uint64_t secrets[THREADS * sizeof(struct vgetrandom_state)];
static size_t nr_secrets;
static uint8_t filter[1 << FILTER_BITS];

static void *make_calls(void *arg)
{
	static const size_t lens[] = { 16, 64, 300, LARGEST };
	struct shared *own = arg;

	for (unsigned int i = own - shared; ; i++) {
		clear_vectors();
		guest_getrandom(&own->state, own->out, lens[i % 4], 0);
		own->calls++;
	}
	return NULL;
}

static void abort_in_calls(unsigned int number)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	pthread_attr_t attr;
	pthread_t thread;

	check(!setrlimit(RLIMIT_CORE, &unlimited), "setrlimit: %s", strerror(errno));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (int i = 0; i < THREADS; i++)
		check(!pthread_create(&thread, &attr, make_calls, &shared[i]), "no thread");
	for (int i = 0; i < THREADS; i++)
		while (__atomic_load_n(&shared[i].calls, __ATOMIC_RELAXED) < 10)
			usleep(1000);
	usleep(number * 777 % 5000);
	abort();
}

static unsigned int hash(uint64_t word)
{
	return word * 0x9e3779b97f4a7c15ULL >> (64 - FILTER_BITS);
}

static int compare_words(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void read_secrets(void)
{
	uint64_t word;

	memset(filter, 0, sizeof(filter));
	nr_secrets = 0;
	for (int i = 0; i < THREADS; i++)
		for (size_t at = SECRET; at + 8 <= sizeof(shared->state); at++) {
			memcpy(&word, (uint8_t *)&shared[i].state + at, 8);
			/* Skip the zeros in which a batch ends. */
			if (!(uint32_t)word || !(word >> 32))
				continue;
			secrets[nr_secrets++] = word;
			filter[hash(word)] = 1;
		}
	qsort(secrets, nr_secrets, sizeof(*secrets), compare_words);
	check(nr_secrets > 100, "the states hold no keystream");
}

static bool is_secret(uint64_t word)
{
	return filter[hash(word)] &&
	       bsearch(&word, secrets, nr_secrets, sizeof(*secrets), compare_words);
}

static void look_at_ip(uintptr_t ip)
{
	seen.threads++;
	seen.in_vdso += is_in_vdso(ip);
	seen.in_range += !!abort_model_range(ranges, ip);
	seen.landed += is_landing(ip);
}

static void read_notes(const uint8_t *p, const uint8_t *end)
{
	uintptr_t ip = 0;

	while (p < end) {
		const Elf64_Nhdr *note = (const void *)p;
		const uint8_t *data = p + sizeof(*note) + (note->n_namesz + 3) / 4 * 4;

		p = data + (note->n_descsz + 3) / 4 * 4;
		if (note->n_type == NT_PRSTATUS) {
			const struct elf_prstatus *status = (const void *)data;

			ip = ((const struct user_regs_struct *)status->pr_reg)->rip;
			look_at_ip(ip);
		} else if (note->n_type == NT_FPREGSET || note->n_type == NT_X86_XSTATE) {
			if (is_in_vdso(ip) && !are_vectors_zero(data, note->n_descsz))
				seen.with_vectors++;
		}
	}
}

static void read_dump(void)
{
	int fd = open(CORE, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	const uint8_t *core = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	const Elf64_Ehdr *ehdr = (const void *)core;
	const Elf64_Phdr *phdr = (const void *)(core + sizeof(*ehdr));

	check(core != MAP_FAILED, "reading the dump: %s", strerror(errno));
	for (int i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_type == PT_NOTE)
			read_notes(core + phdr[i].p_offset,
				   core + phdr[i].p_offset + phdr[i].p_filesz);
	for (off_t at = 0; at + 8 <= size; at += 8)
		seen.words += is_secret(*(const uint64_t *)(core + at));
	munmap((void *)core, size);
	close(fd);
	unlink(CORE);
}

static void dump(unsigned int number)
{
	int status;
	pid_t pid;

	memset(shared, 0, THREADS * sizeof(*shared));
	pid = fork();
	if (!pid)
		abort_in_calls(number);
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	      WTERMSIG(status) == SIGABRT && WCOREDUMP(status), "no core dump: %#x", status);
	read_secrets();
	read_dump();
}

int main(void)
{
	unsigned int dumps = 0;

	guest_open();
	guest_wait_ready();
	ranges_open();
	guest_write("/proc/sys/kernel/core_pattern", CORE);
	shared = (void *)map_pages(MAP_SHARED, THREADS * sizeof(*shared));
	check(!madvise(shared, THREADS * sizeof(*shared), MADV_DONTDUMP), "MADV_DONTDUMP: %s",
	      strerror(errno));
	while (seen.landed < LANDINGS && dumps < MOST_DUMPS)
		dump(dumps++);
	printf("# %u dumps, %u threads, of which %u in the vDSO and %u at a landing\n", dumps,
	       seen.threads, seen.in_vdso, seen.landed);
	check(!seen.in_range && !seen.with_vectors && !seen.words,
	      "%u threads are in the generator, %u have vector registers; %lu words of states",
	      seen.in_range, seen.with_vectors, seen.words);
	check(seen.landed >= LANDINGS, "only %u threads were in calls", seen.landed);
	passed("core dumps hold no vector register, key or keystream");
	return 0;
}
