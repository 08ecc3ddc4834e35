/* world.c -- sockets and handles of a world without a kernel. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "push/conn.h"
#include "sim.h"

#define FIRST_FD (1 << 20)
#define SOCKETS  4096
#define UP_MAX   4096 /* bytes on their way to the daemon */
#define DOWN_MAX 6000 /* bytes on their way to the device */
#define CLOSES   8192

struct socket {
	bool open, device_gone; /* the daemon's side is open; the device has cut it */
	bool watched;
	int events;
	uv_poll_t *poll;
	uv_poll_cb cb;
	size_t up_n, down_n;
	unsigned char up[UP_MAX], down[DOWN_MAX];
};

static struct socket *sockets[SOCKETS];
static struct {
	uv_handle_t *handle;
	uv_close_cb cb;
} closes[CLOSES];
static size_t closes_n;

static struct socket *
of(int fd)
{
	return fd >= FIRST_FD && fd < FIRST_FD + SOCKETS ? sockets[fd - FIRST_FD] : NULL;
}

/* --- the device's side --- */

int
world_connect(void)
{
	for (int i = 0; i < SOCKETS; i++) {
		if (sockets[i])
			continue;
		sockets[i] = calloc(1, sizeof(*sockets[i]));
		sockets[i]->open = true;
		conn_accept(FIRST_FD + i);
		return FIRST_FD + i;
	}
	sim_fail("no socket left");
}

static void
release(int fd)
{
	struct socket *s = of(fd);

	if (s->open || !s->device_gone)
		return;
	free(s);
	sockets[fd - FIRST_FD] = NULL;
}

void
world_cut(int fd)
{
	of(fd)->device_gone = true;
	release(fd);
}

size_t
world_give(int fd, const void *p, size_t n)
{
	struct socket *s = of(fd);
	size_t room = sizeof(s->up) - s->up_n;

	n = n < room ? n : room;
	memcpy(s->up + s->up_n, p, n);
	s->up_n += n;
	return n;
}

size_t
world_take(int fd, unsigned char *p, size_t most)
{
	struct socket *s = of(fd);
	size_t n = s->down_n < most ? s->down_n : most;

	memcpy(p, s->down, n);
	memmove(s->down, s->down + n, s->down_n - n);
	s->down_n -= n;
	return n;
}

bool
world_ended(int fd)
{
	return !of(fd)->open && !of(fd)->down_n;
}

/* --- the daemon's side --- */

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
int __wrap_close(int fd);
int __real_close(int fd);

ssize_t
__wrap_recv(int fd, void *p, size_t n, int flags)
{
	struct socket *s = of(fd);

	(void)flags;
	if (!s->up_n) {
		errno = EAGAIN;
		return s->device_gone ? 0 : -1;
	}
	n = n < s->up_n ? n : s->up_n;
	if (sim_chance(300)) /* cut anywhere */
		n = 1 + sim_random((uint32_t)n);
	memcpy(p, s->up, n);
	memmove(s->up, s->up + n, s->up_n - n);
	s->up_n -= n;
	return (ssize_t)n;
}

ssize_t
__wrap_send(int fd, const void *p, size_t n, int flags)
{
	struct socket *s = of(fd);
	size_t room = sizeof(s->down) - s->down_n;

	(void)flags;
	if (s->device_gone) {
		errno = EPIPE;
		return -1;
	}
	if (!room) {
		errno = EAGAIN;
		return -1;
	}
	n = n < room ? n : room;
	memcpy(s->down + s->down_n, p, n);
	s->down_n += n;
	return (ssize_t)n;
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t sum = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++) {
		ssize_t n = __wrap_send(fd, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len, flags);

		if (n < 0)
			return sum ? sum : n;
		sum += n;
		if ((size_t)n < m->msg_iov[i].iov_len)
			break;
	}
	return sum;
}

int
__wrap_close(int fd)
{
	struct socket *s = of(fd);

	if (!s)
		return __real_close(fd);
	CHECK(s->open, "closed twice");
	s->open = s->watched = false;
	release(fd);
	return 0;
}

/* --- libuv, as far as a connection uses it --- */

uint64_t
uv_now(const uv_loop_t *loop)
{
	(void)loop;
	return (uint64_t)sim_now_ms;
}

int
uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd)
{
	(void)loop;
	of(fd)->poll = poll;
	poll->io_watcher.fd = fd;
	poll->type = UV_POLL;
	return 0;
}

int
uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb cb)
{
	struct socket *s = of(poll->io_watcher.fd);

	s->watched = true;
	s->events = events;
	s->cb = cb;
	return 0;
}

void
uv_close(uv_handle_t *h, uv_close_cb cb)
{
	CHECK(closes_n < CLOSES, "too many handles closed in one turn");
	if (h->type == UV_POLL)
		of(((uv_poll_t *)h)->io_watcher.fd)->watched = false;
	closes[closes_n].handle = h;
	closes[closes_n++].cb = cb;
}

void
world_reclaim(void)
{
	for (size_t i = 0; i < closes_n; i++)
		if (closes[i].cb)
			closes[i].cb(closes[i].handle);
	closes_n = 0;
}

static int
ready(const struct socket *s)
{
	int events = 0;

	if (!s || !s->watched)
		return 0;
	if (s->events & UV_READABLE && (s->up_n || s->device_gone))
		events |= UV_READABLE;
	if (s->events & UV_WRITABLE && (s->down_n < sizeof(s->down) || s->device_gone))
		events |= UV_WRITABLE;
	if (s->device_gone)
		events |= UV_DISCONNECT;
	return events & s->events;
}

void
world_ready(void)
{
	int from = (int)sim_random(64);

	for (int i = 0; i < SOCKETS; i++) {
		struct socket *s = sockets[(from + i) % SOCKETS];
		int events = ready(s);

		if (!events)
			continue;
		s->cb(s->poll, 0, events);
		return;
	}
}
