/* world.c -- sockets of a world without a kernel. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "push/conn.h"
#include "push/poller.h"
#include "sim.h"

#define FIRST_FD   (1 << 20)
#define SOCKETS    4096
#define UP_MAX     4096 /* bytes on their way to the daemon */
#define BATCH_MOST 4
#define DOWN_MAX   6000 /* bytes on their way to the device */

struct socket {
	bool open, device_gone; /* the daemon's side is open; the device has cut it */
	bool watched;
	unsigned events;
	struct conn *conn;
	size_t up_n, down_n;
	unsigned char up[UP_MAX], down[DOWN_MAX];
};

static struct socket *sockets[SOCKETS];
static poller_fn on_ready;

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

/* --- time --- */

uint64_t
uv_now(const uv_loop_t *loop)
{
	(void)loop;
	return (uint64_t)sim_now_ms;
}

/* --- the poller --- */

void
poller_open(uv_loop_t *loop, poller_fn fn)
{
	(void)loop;
	on_ready = fn;
}

void
poller_close(void)
{
}

void
poller_set(int fd, struct conn *c, unsigned events)
{
	struct socket *s = of(fd);

	CHECK(s->open, "a closed socket is watched");
	s->watched = true;
	s->events = events;
	s->conn = c;
}

void
poller_add(int fd, struct conn *c, unsigned events)
{
	CHECK(!of(fd)->watched, "watched twice");
	poller_set(fd, c, events);
}

void
poller_del(int fd)
{
	of(fd)->watched = false;
}

static unsigned
ready(const struct socket *s)
{
	unsigned events = 0;

	if (!s || !s->watched)
		return 0;
	if (s->up_n || s->device_gone)
		events |= EPOLLIN;
	if (s->down_n < sizeof(s->down) || s->device_gone)
		events |= EPOLLOUT;
	if (s->device_gone)
		events |= EPOLLRDHUP;
	return events & s->events;
}

/* As epoll_wait(2) finds them: some at once, of which one may end another before its turn comes. */
void
world_ready(void)
{
	struct {
		struct conn *conn;
		unsigned events;
	} found[BATCH_MOST];
	int from = (int)sim_random(64), most = 1 + (int)sim_random(BATCH_MOST), n = 0;

	for (int i = 0; i < SOCKETS && n < most; i++) {
		struct socket *s = sockets[(from + i) % SOCKETS];
		unsigned events = ready(s);

		if (!events)
			continue;
		found[n].conn = s->conn;
		found[n++].events = events;
	}
	for (int i = 0; i < n; i++)
		on_ready(found[i].conn, found[i].events);
}
