// SPDX-License-Identifier: MIT
/*
 * Threads that start and end, for valgrind's helgrind: each uses a state that another one freed.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define THREADS	4
#define ROUNDS	4
#define LARGE	4096

static void *draw(void *unused)
{
	unsigned char bytes[LARGE];

	(void)unused;
	for (size_t len = 1; len <= LARGE; len *= 4)
		if (getrandom(bytes, len, 0) != (ssize_t)len)
			abort();
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < THREADS; i++)
			if (pthread_create(&threads[i], NULL, draw, NULL))
				abort();
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
	}
	return 0;
}
