/*
 * poller -- which sockets are ready: one epoll of all of them, which the loop watches as one handle.
 *
 * A uv_poll_t for each would be 160 bytes and a place in libuv's table, more than a third of what an idle socket costs. Level-triggered.
 * Within one call of `on_ready` any connection may be deleted; it may be freed only when the turn ends (conn.h).
 */
#ifndef PEAL_PUSH_POLLER_H
#define PEAL_PUSH_POLLER_H

#include <sys/epoll.h>
#include <uv.h>

struct conn;

/* `events` are EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP and EPOLLERR; the last two come unasked. */
typedef void (*poller_fn)(struct conn *, unsigned events);

void poller_open(uv_loop_t *, poller_fn on_ready);
void poller_close(void); /* before the loop is */
void poller_add(int fd, struct conn *, unsigned events);
void poller_set(int fd, struct conn *, unsigned events);
void poller_del(int fd); /* before it is closed */

#endif
