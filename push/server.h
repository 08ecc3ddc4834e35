/*
 * server -- the listener, the clock, and the end of the process.
 */
#ifndef PEAL_PUSH_SERVER_H
#define PEAL_PUSH_SERVER_H

/* Serves on the listening socket until SIGTERM and the drain after it, which begins with unlinking `path` (NULL: not ours). */
int server_run(int listen_fd, int signal_fd, const char *path);

#endif
