/* media/tus/conn.c -- connections: what is read goes to request.c, what it answers is written. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "loop.h"
#include "wire/problem.h"

#define PARAMS_MOST  ((size_t)64 * 1024)
#define OUT_MOST     ((size_t)64 * 1024)
#define ARENA_MOST   ((size_t)1 << 20)
#define READ_MOST    65536
#define READS_MOST   16 /* in one turn, of one connection */
#define SECOND_US    INT64_C(1000000)
#define HEAD_US      (10 * SECOND_US)
#define RECEIVING_US (60 * SECOND_US) /* without a byte; nginx gives up sooner, and this is for when it does not */
#define REPLYING_US  (10 * SECOND_US)

static void
note(const struct conn *c, int r)
{
	LOG(INFO, "request", L_STR("id", c->request_id), L_CSTR("role", "tus"), L_STR("method", c->method),
	    L_INT("status", c->status), L_INT("user", c->owner), L_INT("us", clock_mono_us() - c->began_us),
	    L_INT("bytes", (int64_t)c->got), L_CSTR("outcome", r ? outcome_info(r)->code : "ok"));
}

/* Freed when the turn is over; see reap() in tus.c. */
void
conn_end(struct conn *c)
{
	if (c->state == CONN_OVER)
		return;
	if (c->state == CONN_RECEIVING)
		LOG(INFO, "upload_interrupted", L_STR("id", c->request_id), L_INT("user", c->owner),
		    L_INT("bytes", (int64_t)c->got));
	c->state = CONN_OVER;
	close(c->fd);
	c->fd = -1;
}

static void
send_reply(struct conn *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return loop_change(c->tus, c->fd, &c->source, EPOLLIN | EPOLLOUT);
		if (n < 0)
			return conn_end(c);
		c->sent += (size_t)n;
	}
	if (c->in.state == FASTCGI_IN_END) {
		conn_end(c);
	} else {
		/* nginx passes an early answer on when it sees the end of it */
		shutdown(c->fd, SHUT_WR);
		loop_change(c->tus, c->fd, &c->source, EPOLLIN);
	}
}

static void
write_reply(struct conn *c, int r, int status, struct str content_type, struct str body)
{
	c->state = CONN_REPLYING;
	c->status = status;
	c->deadline_us = clock_mono_us() + REPLYING_US;
	buf_printf(&c->headers, "X-Request-Id: %.*s\r\nCache-Control: no-store\r\nTus-Resumable: " TUS_SPOKEN "\r\n",
	           STR_ARG(c->request_id));
	if (body.n)
		buf_printf(&c->headers, "Content-Type: %.*s\r\nContent-Length: %zu\r\n", STR_ARG(content_type), body.n);
	else if (c->creating)
		buf_str(&c->headers, STR("Content-Length: 0\r\n"));
	fastcgi_reply(&c->out, status, problem_title(status), buf_view(&c->headers), body);
	note(c, r);
	if (buf_failed(&c->out) || buf_failed(&c->headers))
		return conn_end(c);
	send_reply(c);
}

void
conn_reply(struct conn *c, int status, struct str content_type, struct str body)
{
	write_reply(c, 0, status, content_type, body);
}

void
conn_refuse(struct conn *c, int r)
{
	const struct outcome_info *info = outcome_info(r);
	int64_t seconds = c->retry_after_seconds ? c->retry_after_seconds : PROBLEM_RETRY_AFTER_MS / 1000;
	struct json_out w;
	struct buf problem;

	if (r < 0)
		log_fault("request_fault", r, (const struct log_field[]){ L_STR("id", c->request_id), { 0 } });
	if (info->retryable)
		buf_printf(&c->headers, "Retry-After: %lld\r\n", (long long)seconds);
	buf_init(&problem, OUT_MOST);
	json_begin(&w, &problem);
	problem_write(&w, r, c->request_id, NULL, seconds * 1000, &c->report);
	json_end(&w);
	write_reply(c, r, info->status, STR("application/problem+json"), buf_view(&problem));
	buf_deinit(&problem);
}

static void
found(struct conn *c, int what, struct str piece)
{
	switch (what) {
	case FASTCGI_HEAD:
		return request_begin(c);
	case FASTCGI_BODY:
		if (c->state == CONN_RECEIVING) {
			c->deadline_us = clock_mono_us() + RECEIVING_US;
			request_body(c, piece);
		}
		return;
	case FASTCGI_END:
		if (c->state == CONN_RECEIVING)
			request_end(c);
		else if (c->state == CONN_REPLYING && c->sent == c->out.n)
			conn_end(c);
		return;
	}
}

static void
take_bytes(struct conn *c, struct str bytes)
{
	struct str piece = STR_NONE;
	int what;

	do {
		what = fastcgi_take(&c->in, &bytes, &piece);
		if (what < 0) {
			log_fault("peer_nonsense", what, NULL);
			return conn_end(c);
		}
		found(c, what, piece);
	} while (what != FASTCGI_MORE && c->state != CONN_OVER);
}

static void
read_some(struct conn *c)
{
	static char bytes[READ_MOST];

	for (int i = 0; i < READS_MOST && c->state != CONN_OVER; i++) {
		ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			return conn_end(c);
		take_bytes(c, str_n(bytes, (size_t)n));
	}
}

static void
ready(struct tus *t, struct source *source, uint32_t events)
{
	struct conn *c = (struct conn *)source;

	(void)t;
	if (c->state == CONN_REPLYING && (events & EPOLLOUT))
		send_reply(c);
	if (c->state != CONN_OVER && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_some(c);
}

static struct conn *
new_conn(struct tus *t, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct conn){ .source = { ready }, .tus = t, .fd = fd, .beside = -1, .next = t->conns };
	c->began_us = clock_mono_us();
	c->deadline_us = c->began_us + HEAD_US;
	c->arena = arena_new(ARENA_MOST);
	fastcgi_request_init(&c->in, PARAMS_MOST);
	buf_init(&c->headers, OUT_MOST);
	buf_init(&c->out, OUT_MOST);
	t->conns = c;
	t->conns_n++;
	return c;
}

/* When there are as many as may be, the others wait at the door. */
void
conn_accept(struct tus *t)
{
	while (t->conns_n < TUS_CONNS_MOST) {
		int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct conn *c;

		if (fd < 0)
			return;
		c = new_conn(t, fd);
		if (!loop_add(t, fd, &c->source, EPOLLIN))
			conn_end(c);
	}
}
