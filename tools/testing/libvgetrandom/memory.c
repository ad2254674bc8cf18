// SPDX-License-Identifier: MIT
/*
 * Which memory holds secrets, and for how long.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define NOBODY	65534

/*
 * The library's mappings are those that are wiped on fork: libc has none.
 */
struct secret {
	unsigned int	count;
	unsigned int	locked;
};

static void check_mapping(const struct test_mapping *mapping, void *arg)
{
	struct secret *secret = arg;

	if (!strstr(mapping->flags, " wf "))
		return;
	secret->count++;
	check(strstr(mapping->flags, " dd "), "core dumps include it: %s", mapping->flags);
	check(mapping->writable && !mapping->shared);
	secret->locked += !!strstr(mapping->flags, " lo ");
}

static struct secret secrets(void)
{
	struct secret secret = { 0, 0 };

	test_mappings(check_mapping, &secret);
	return secret;
}

static void count_bytes(const struct test_mapping *mapping, void *arg)
{
	size_t *count = arg;

	if (!strstr(mapping->flags, " wf ") || !mapping->readable)
		return;
	for (const uint8_t *p = (void *)mapping->start; p < (uint8_t *)mapping->end; p++)
		*count += *p != 0;
}

static size_t bytes_in_secret_memory(void)
{
	size_t count = 0;

	test_mappings(count_bytes, &count);
	return count;
}

static void secrets_are_kept(void)
{
	struct vgetrandom_info info = test_info();
	struct secret secret;

	test_draw_both();
	secret = secrets();
	if (info.vdso || info.large == VGETRANDOM_EXPAND) {
		check(secret.count);
		/* Droppable memory cannot be locked, and need not be. */
		check(secret.locked == (test_has_droppable() ? 0 : secret.count));
	} else {
		check(!secret.count);
	}
}

TEST(secrets_are_neither_dumped_nor_inherited_nor_swapped)
{
	secrets_are_kept();
}

/*
 * A child of fork() does not inherit memory locks: the library locks the memory again after fork().
 * In a child of clone() it does so at the first request.
 */
static void secrets_are_kept_in(pid_t (*make_child)(void))
{
	pid_t pid;

	test_unseen_init();
	test_draw_both();
	pid = make_child();
	if (!pid) {
		secrets_are_kept();
		_exit(0);
	}
	test_draw_both();
	test_passes(pid);
}

TEST(a_child_of_fork_keeps_its_secrets_as_well)
{
	secrets_are_kept_in(fork);
}

TEST(a_child_of_clone_keeps_its_secrets_as_well)
{
	secrets_are_kept_in(test_clone);
}

/* The limit does not hold for root. Memory that the parent has locked stays locked. */
TEST_ENTERS(a_child_that_may_not_lock_memory_has_no_secrets)
{
	const struct rlimit none = { 0, 0 };
	struct vgetrandom_info info = test_info();
	pid_t pid;

	test_unseen_init();
	test_draw_both();
	check(!setrlimit(RLIMIT_MEMLOCK, &none));
	check(!syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) || getuid());
	/* Otherwise it may not read its files in /proc. */
	check(!prctl(PR_SET_DUMPABLE, 1));
	pid = fork();
	if (pid) {
		test_draw_both();
		check(test_info().small == info.small);
		test_passes(pid);
		return;
	}
	test_draw_both();
	if (test_has_droppable()) {
		/* Droppable memory is not locked, so the limit does not matter. */
		check(test_info().small == info.small && test_info().large == info.large);
		_exit(0);
	}
	info = test_info();
	check(info.small == VGETRANDOM_SYSCALL && info.large == VGETRANDOM_SYSCALL);
	check(!info.vdso || strstr(info.small_why, "MEMLOCK"), "%s", info.small_why);
	check(!secrets().locked);
	/* Not 0: the word that records the refused lock, and the token of the last call. */
	check(bytes_in_secret_memory() <= 10, "%zu bytes that are not 0",
	      bytes_in_secret_memory());
	_exit(0);
}

/*
 * After a call, no writable memory except the buffer has a copy of the bytes. Nor does any have
 * the keystream that follows them. The test does not know that keystream, and checks instead that
 * the memory of expansion states is zeros.
 */
#define SEARCHED	(16 << 10)

static uint8_t *buffer;		/* shared memory, which is not searched */

static void find_copies(const struct test_mapping *mapping, void *arg)
{
	const size_t slots = 1 << 16;
	uint64_t *table = arg;

	/* The table and the buffer are in shared memory. */
	if (!mapping->writable || !mapping->readable || mapping->shared)
		return;
	for (uintptr_t at = mapping->start; at + 16 <= mapping->end; at += 4) {
		uint64_t bytes[2];
		size_t slot;

		memcpy(bytes, (void *)at, sizeof(bytes));
		if (!bytes[0])
			continue;
		for (slot = bytes[0] % slots; table[2 * slot]; slot = (slot + 1) % slots)
			check(table[2 * slot] != bytes[0] || table[2 * slot + 1] != bytes[1],
			      "a copy of 16 bytes of the result is at %#lx, in %#lx-%#lx%s", at,
			      mapping->start, mapping->end, mapping->flags);
	}
}

/* A hash table of all sequences of 16 bytes at multiples of 4. */
static uint64_t *index_buffer(size_t len)
{
	const size_t slots = 1 << 16;
	uint64_t *table = mmap(NULL, slots * 16, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(table != MAP_FAILED);
	for (size_t i = 0; i + 16 <= len; i += 4) {
		uint64_t bytes[2];
		size_t slot;

		memcpy(bytes, buffer + i, sizeof(bytes));
		for (slot = bytes[0] % slots; table[2 * slot]; slot = (slot + 1) % slots)
			;
		table[2 * slot] = bytes[0];
		table[2 * slot + 1] = bytes[1];
	}
	return table;
}

static void nothing_is_left(size_t len)
{
	uint64_t *table;

	buffer = mmap(NULL, SEARCHED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(buffer != MAP_FAILED);
	check(vgetrandom(buffer, len, 0) == (ssize_t)len);
	table = index_buffer(len);
	test_mappings(find_copies, table);
}

TEST(the_search_finds_copies)
{
	static uint8_t copy[64];
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		buffer = mmap(NULL, SEARCHED, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		check(vgetrandom(buffer, SEARCHED, 0) == SEARCHED);
		memcpy(copy + 4, buffer + 8, 20);
		close(STDOUT_FILENO);
		test_mappings(find_copies, index_buffer(SEARCHED));
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && status);
}

TEST(nothing_is_left_of_a_small_request)
{
	for (size_t len = 16; len <= 256; len += 48)
		nothing_is_left(len);
}

TEST(nothing_is_left_of_a_large_request)
{
	static const size_t sizes[] = {
		512, 513, 520, 576, 639, 1000, 1024, 1500, 2048, 4096, 4100, 10007, SEARCHED,
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		nothing_is_left(sizes[i]);
}

/* The key, and the keystream beyond the end of the request, are erased. */
TEST(no_key_is_left_of_a_large_request)
{
	static uint8_t out[TEST_MAX];
	struct vgetrandom_info info = test_info();
	size_t before, after;

	check(vgetrandom(out, 16, 0) == 16);
	check(vgetrandom(out, sizeof(out), 0) == sizeof(out));
	before = bytes_in_secret_memory();
	for (size_t len = 1000; len < sizeof(out); len += 777) {
		check(vgetrandom(out, len, 0) == (ssize_t)len);
		after = bytes_in_secret_memory();
		/* The state of the vDSO function has its own key and batch, as before. */
		check(after <= before + (info.vdso ? info.state_size : 0),
		      "%zu bytes have become %zu", before, after);
		if (!info.vdso)
			check(after <= 8, "%zu bytes that are not 0", after);
	}
}

static pthread_barrier_t barrier;

static void *ask_and_end(void *arg)
{
	static __thread uint8_t out[4096];

	check(vgetrandom(out, 16, 0) == 16);
	check(vgetrandom(out, sizeof(out), 0) == sizeof(out));
	pthread_barrier_wait(&barrier);
	return arg;
}

/* The secrets of a thread are erased when it exits. */
TEST(nothing_is_left_of_threads_that_have_ended)
{
	pthread_t thread[50];
	size_t before, with;

	before = bytes_in_secret_memory();
	check(before <= 8, "%zu bytes that are not 0 at the start", before);
	pthread_barrier_init(&barrier, NULL, 51);
	test_threads(thread, 50, ask_and_end, NULL);
	pthread_barrier_wait(&barrier);
	test_join_all(thread, 50);
	with = bytes_in_secret_memory();
	check(with == before, "%zu bytes have become %zu", before, with);
}

TEST(a_child_inherits_no_secrets)
{
	size_t count;
	pid_t pid;

	test_draw(16);
	test_draw(65536);
	pid = test_clone();
	if (!pid) {
		count = bytes_in_secret_memory();
		check(!count, "%zu bytes that are not 0", count);
		_exit(0);
	}
	test_passes(pid);
}
