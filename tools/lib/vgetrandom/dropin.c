// SPDX-License-Identifier: MIT
/*
 * Replacements for functions of libc; getrandom(2), getentropy(3) and arc4random(3) document them.
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

/* Fills the whole buffer, also if signals interrupt it. errno changes only on failure. */
static int fill(void *buf, size_t len)
{
	unsigned char *at = buf;
	int saved = errno;
	ssize_t got;

	while (len) {
		got = vgetrandom(at, len, 0);
		/* The kernel never returns 0, but a seccomp filter may. */
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

/* arc4random() cannot report an error: its caller would use the buffer as if it were random. */
static _Noreturn void give_up(void)
{
	static const char message[] = "arc4random: getrandom() fails; check the seccomp filter of this process\n";

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
 * Multiplies a random 32-bit number by the bound; the high half of the product is the result. Each
 * result is equally likely, because products whose low half is below 2^32 mod bound are rejected.
 * Daniel Lemire, "Fast Random Integer Generation in an Interval", 2019, algorithm 5.
 */
uint32_t arc4random_uniform(uint32_t upper_bound)
{
	uint64_t product;
	uint32_t threshold;

	if (upper_bound < 2)
		return 0;
	product = (uint64_t)arc4random() * upper_bound;
	if ((uint32_t)product < upper_bound) {
		threshold = -upper_bound % upper_bound;
		while ((uint32_t)product < threshold)
			product = (uint64_t)arc4random() * upper_bound;
	}
	return (uint32_t)(product >> 32);
}
