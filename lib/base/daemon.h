/*
 * daemon -- what every peal process does at its rim: listening sockets, readiness, signals.
 */
#ifndef PEAL_BASE_DAEMON_H
#define PEAL_BASE_DAEMON_H

#include "arena.h"

/* The socket that systemd passed under this name (sd_listen_fds_with_names(3)), else a new AF_UNIX listener at path, mode
 * 0660, backlog 4096, replacing a stale file but never a live one (-EADDRINUSE). Non-blocking and close-on-exec. */
int daemon_listen(const char *name, const char *path, int *ret_fd);
/* The one that was passed under this name, non-blocking, or -1. */
int daemon_inherited(const char *name);
void daemon_ready(void);     /* sd_notify(3) READY=1 */
void daemon_reloading(void); /* RELOADING=1; daemon_ready() ends it */
void daemon_stopping(void);  /* STOPPING=1 */
void daemon_watchdog(void);  /* WATCHDOG=1, when the unit asks for it */
/* Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD and ignores SIGPIPE; they are then taken from the returned signalfd(2). */
int daemon_signal_fd(void);

/* For a process that ends between two pieces of work: SIGTERM is blocked, to be let through where it waits (epoll_pwait(2)), and then calls
 * `asked`. SIGPIPE, SIGINT, which reaches the whole group, and SIGHUP are ignored, SIGCHLD does nothing. */
void daemon_block_term(void (*asked)(int signal));

#endif
