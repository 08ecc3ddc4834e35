/*
 * master -- owns the sockets and the workers, serves nothing itself.
 *
 *     SIGHUP   reads the configuration again; starts a new generation, then lets the old one finish
 *     SIGTERM  takes no new connections, lets the workers finish, ends the rest after drain_seconds
 *
 * A seat is the place of one worker in its pool. A worker that dies is replaced after 100 ms, doubling to 5 s while it keeps
 * dying within a second; one that is busy with one request for longer than request_timeout_seconds is killed.
 */
#ifndef PEAL_FCGI_MASTER_H
#define PEAL_FCGI_MASTER_H

#include "board.h"

/* Until SIGTERM or SIGINT. The exit status of the process. Only these pools are served, at their sockets: another master has the others. */
int master_run(const char *conf_path, const bool pools[POOL_N]);

#endif
