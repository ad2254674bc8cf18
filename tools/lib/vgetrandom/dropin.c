// SPDX-License-Identifier: MIT
/*
 * The names under which programs know randomness already. What each promises is in
 * getrandom(2), getentropy(3) and arc4random(3).
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dropin.h"
#include "raw.h"
#include "vgetrandom.h"

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	return vgetrandom(buf, len, flags);
}

/* All of the buffer, whatever signals come. errno changes on failure only. */
static int fill(void *buf, size_t len)
{
	unsigned char *at = buf;
	int saved = errno;
	ssize_t got;

	while (len) {
		got = vgetrandom(at, len, 0);
		/* The kernel does not; but a filter may answer in its place. */
		if (!got)
			errno = EIO;
		if (got <= 0) {
			if (!got || errno != EINTR)
				return -1;
			errno = saved;
			continue;
		}
		at += got;
		len -= (size_t)got;
	}
	return 0;
}

int getentropy(void *buf, size_t len)
{
	if (len > 256) {
		errno = EIO;
		return -1;
	}
	return fill(buf, len);
}

/* Its callers cannot be told of an error, and would take what is in the buffer for random. */
static _Noreturn void give_up(void)
{
	static const char message[] = "arc4random: the kernel gives no random bytes: getrandom() fails\n";

	raw_syscall(SYS_write, STDERR_FILENO, message, sizeof(message) - 1);
	abort();
}

void arc4random_buf(void *buf, size_t len)
{
	if (fill(buf, len))
		give_up();
}

uint32_t arc4random(void)
{
	uint32_t number;

	arc4random_buf(&number, sizeof(number));
	return number;
}

/*
 * Of 2^32 numbers times the bound, the high halves are the results. Each occurs equally
 * often once those whose low halves are below 2^32 mod bound are left out. Daniel Lemire,
 * "Fast Random Integer Generation in an Interval", 2019, algorithm 5.
 */
uint32_t arc4random_uniform(uint32_t upper_bound)
{
	uint64_t product;
	uint32_t left_out;

	if (upper_bound < 2)
		return 0;
	product = (uint64_t)arc4random() * upper_bound;
	if ((uint32_t)product < upper_bound) {
		left_out = -upper_bound % upper_bound;
		while ((uint32_t)product < left_out)
			product = (uint64_t)arc4random() * upper_bound;
	}
	return (uint32_t)(product >> 32);
}
