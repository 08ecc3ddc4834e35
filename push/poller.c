/* poller.c -- one epoll inside the loop's. */
#include "poller.h"

#include <stdlib.h>
#include <unistd.h>

#define EVENTS_PER_TURN 1024

static struct {
	uv_poll_t handle;
	poller_fn on_ready;
	int fd;
} poller;

/* What does not fit comes with the next turn: writing has its turn in between. */
static void
on_events(uv_poll_t *handle, int status, int events)
{
	static struct epoll_event found[EVENTS_PER_TURN];
	int n = epoll_wait(poller.fd, found, EVENTS_PER_TURN, 0);

	(void)handle;
	(void)status;
	(void)events;
	for (int i = 0; i < n; i++)
		poller.on_ready(found[i].data.ptr, found[i].events);
}

void
poller_open(uv_loop_t *loop, poller_fn on_ready)
{
	poller.on_ready = on_ready;
	poller.fd = epoll_create1(EPOLL_CLOEXEC);
	if (poller.fd < 0 || uv_poll_init(loop, &poller.handle, poller.fd) ||
	    uv_poll_start(&poller.handle, UV_READABLE, on_events))
		abort();
}

static void
on_closed(uv_handle_t *handle)
{
	(void)handle;
	close(poller.fd);
}

void
poller_close(void)
{
	uv_close((uv_handle_t *)&poller.handle, on_closed);
}

/* Fails without memory in the kernel only; a socket of which nothing would be heard again is worse than a new process. */
static void
control(int op, int fd, struct conn *c, unsigned events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(poller.fd, op, fd, &e))
		abort();
}

void
poller_add(int fd, struct conn *c, unsigned events)
{
	control(EPOLL_CTL_ADD, fd, c, events);
}

void
poller_set(int fd, struct conn *c, unsigned events)
{
	control(EPOLL_CTL_MOD, fd, c, events);
}

/* The kernel would forget it by itself, but not while another process has the same socket. */
void
poller_del(int fd)
{
	control(EPOLL_CTL_DEL, fd, NULL, 0);
}
