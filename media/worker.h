/*
 * worker -- a process of peal-media: takes uploads (from nginx), or keeps house (asked by the REST workers).
 */
#ifndef PEAL_MEDIA_WORKER_H
#define PEAL_MEDIA_WORKER_H

#include <sys/types.h>

#include "base/conf.h"

enum role {
	ROLE_UPLOADS,
	ROLE_KEEPER,
	ROLE_TUS,
	ROLE_QUEUE,
	ROLE_TRANSCODE,
	ROLES
}; /* TUS: tus/tus.h; the last two have no socket: they work on queue.h */

struct worker_job {
	const struct conf *conf;
	enum role role;
	int listener;             /* of the last two their bell */
	int bell, transcode_bell; /* queue.h */
	int stat;                 /* of ROLE_TUS, for metrics; -1: there is none */
	const int *decoders;      /* the jobs' sockets, by enum decoder */
	pid_t master;
};

/* In a fresh process. Returns its exit status after SIGTERM, or when the master has gone. */
int worker_run(const struct worker_job *);

#endif
