/*
 * successor -- exchanging the program without refusing anybody: SIGUSR2.
 *
 * The file that this process was started from is started once more and given the listening sockets. When the new process can
 * serve it says so, and this one, which took all connections until then, drains. A new process that ends before, or takes too
 * long, changes nothing. To systemd the new one is the main process from then on (sd_notify(3), MAINPID).
 */
#ifndef PEAL_PUSH_SUCCESSOR_H
#define PEAL_PUSH_SUCCESSOR_H

#include <stdbool.h>

void successor_init(char **argv);               /* how this process was started */
void successor_gives(const char *name, int fd); /* a listening socket, under the name that daemon_listen() asks for */
bool successor_is_one(void);                    /* does somebody wait for us to take over? */
bool successor_owns(void);                      /* are the sockets' files ours, and not systemd's? */
void successor_ready(void);                     /* the one who waits may go now */
/* Starts one; `taken` is called when it serves. Ignored while one is starting. */
void successor_start(void (*taken)(void));
void successor_stop(void); /* lets go of what belongs to the loop */

#endif
