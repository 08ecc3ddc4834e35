/*
 * worker -- a process that serves requests, one at a time, from the sockets of its pool.
 */
#ifndef PEAL_FCGI_WORKER_H
#define PEAL_FCGI_WORKER_H

#include <sys/types.h>

#include "generation.h"
#include "req.h"

/* How a worker leaves; anything else is a death. */
enum { WORKER_DONE = 0, WORKER_ORPHANED = 3 };

struct worker_job {
	const struct generation *generation;
	enum pool pool;
	const int *listeners; /* by enum door; -1: another master's */
	struct board *board;
	struct slot *slot;
	pid_t master;
	int started_fd; /* eventfd(2): told once, when the worker runs its loop */
};

extern const char *const door_names[DOOR_N]; /* "fast", ...: sockets are named so */
extern const enum pool door_pools[DOOR_N];   /* whose workers serve it */

/* Serves until told to stop, until it has served its share, or until the master is gone. In a new process; does not return. */
_Noreturn void worker_run(const struct worker_job *);

#endif
