/* SPDX-License-Identifier: MIT */
/*
 * Functions that are called in processes of their own: see server.c.
 */
#ifndef _BENCH_REMOTE_H
#define _BENCH_REMOTE_H

#include "server.h"

#define MAX_COMMAND	12

/**
 * struct remote - a server
 * @hello: who it says it is
 * @in: where it takes requests
 * @out: where it gives answers
 */
struct remote {
	struct hello	hello;
	int		in;
	int		out;
};

/**
 * remote_start - start a server
 * @remote: filled in; hello.absent says so if it cannot do what it is to do
 * @command: the program and its arguments, a NULL after the last
 * @environment: what is to be in its environment besides, NAME=VALUE, likewise
 *
 * It ends with this process.
 */
void remote_start(struct remote *remote, const char *const *command,
		  const char *const *environment);

/**
 * remote_time - have a server make calls
 * @remote: the server
 * @request: which, and how many
 *
 * Return: what they took. Exits with a message if one does not deliver.
 */
struct answer remote_time(const struct remote *remote, const struct request *request);

#endif /* _BENCH_REMOTE_H */
