// SPDX-License-Identifier: MIT
/*
 * The module's page: the real one, or with_vdso's, whose path is in TEST_PAGE.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/random.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../module/page.h"
#include "test.h"

#ifndef RNDRESEEDCRNG
#define RNDRESEEDCRNG	_IO('R', 0x07)
#endif

static int page_fd = -1;

static void open_page(void)
{
	const char *path = getenv("TEST_PAGE");

	page_fd = path ? open(path, O_RDWR | O_CLOEXEC) : open("/dev/random", O_RDWR | O_CLOEXEC);
	check(page_fd >= 0, "%s", path ? path : "/dev/random");
}

static void write_page(size_t offset, const void *value, size_t len)
{
	check(pwrite(page_fd, value, len, offset) == (ssize_t)len);
}

static void reseed(void)
{
	uint64_t generation;

	if (!getenv("TEST_PAGE")) {
		check(!ioctl(page_fd, RNDRESEEDCRNG));
		return;
	}
	check(pread(page_fd, &generation, sizeof(generation),
		    offsetof(struct vgetrandom_page, rng.generation)) == sizeof(generation));
	generation++;
	write_page(offsetof(struct vgetrandom_page, rng.generation), &generation,
		   sizeof(generation));
}

static void become_unready(void)
{
	const uint8_t no = 0;

	write_page(offsetof(struct vgetrandom_page, rng.is_ready), &no, sizeof(no));
}

static void draw(void)
{
	uint8_t out[16];

	for (int i = 0; i < 10; i++)
		check(vgetrandom(out, sizeof(out), 0) == sizeof(out));
}

/*
 * Whether requests make a system call after @event. A reseed may require a new key at any time,
 * so the majority of several processes decides.
 */
static bool enters_after(void (*event)(void))
{
	static const int killed[] = { SYS_getrandom, -1 };
	int entered = 0, status;
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			draw();
			test_filter(killed, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
			event();
			draw();
			_exit(0);
		}
		status = test_wait(pid);
		check(!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS),
		      "status %#x", status);
		entered += !!status;
	}
	return entered >= 3;
}

static void do_nothing(void)
{
}

TEST(the_page_is_mapped_once_and_no_descriptor_stays_open)
{
	check(test_page_mappings() == 1);
	draw();
	check(test_page_mappings() == 1);
}

TEST(after_a_reseed_a_request_asks_for_a_key)
{
	open_page();
	check(!enters_after(do_nothing));
	check(enters_after(reseed));
	draw();
}

TEST_ENTERS(before_the_RNG_is_ready_the_system_call_serves)
{
	open_page();
	check(!enters_after(do_nothing));
	check(enters_after(become_unready));
	draw();
}
