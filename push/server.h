/*
 * server -- the listener, the clock, and the end of the process.
 */
#ifndef PEAL_PUSH_SERVER_H
#define PEAL_PUSH_SERVER_H

#include <stdbool.h>

/*
 * Serves on the listening socket until SIGTERM and the drain after it, which begins with unlinking `path` (NULL: not ours); or until
 * SIGUSR2, when a successor has taken it over: true.
 */
bool server_run(int listen_fd, int signal_fd, const char *path);

#endif
