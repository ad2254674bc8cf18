// SPDX-License-Identifier: MIT
/*
 * The program that start.c starts: small, so that most of the time is for its libraries.
 *
 * usage: started FD [first]
 *
 * FD is shared memory for a struct start. With "first", it makes two requests.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "start.h"
#include "worker.h"

int main(int argc, char **argv)
{
	const double began = now();
	unsigned char first[16], second[16];
	struct start *start;

	if (argc < 2)
		return 2;
	start = mmap(NULL, sizeof(*start), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
	if (start == MAP_FAILED)
		return 1;
	start->began = began;
	if (argc == 2)
		return 0;
	start->first = now();
	if (getrandom(first, sizeof(first), 0) != sizeof(first) ||
	    getrandom(second, sizeof(second), 0) != sizeof(second))
		return 1;
	start->first = now() - start->first;
	return 0;
}
