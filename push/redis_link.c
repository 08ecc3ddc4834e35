/* redis_link.c -- a socket, hiredis' reader, a line of waiting callbacks. */
#include "redis_link.h"

#include <errno.h>
#include <unistd.h>

#include "base/address.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/redis.h"
#include "mem.h"

#define FIRST_BACKOFF_MS 50
#define MOST_BACKOFF_MS  2000
#define PING_MS          2500
#define SILENCE_MS       5000
#define OUT_MAX          (16u << 20)
#define READ_BYTES       65536

struct waiting {
	struct waiting *next;
	redis_reply_fn fn;
	void *arg;
};

struct redis_link {
	uv_loop_t *loop;
	struct address address;
	char *password_file; /* empty: none */
	struct redis_link_events events;
	int fd;          /* -1: down */
	uv_poll_t *poll; /* NULL: down */
	uv_timer_t timer;
	redisReader *reader;
	struct buf out;
	size_t sent; /* bytes of out already written */
	struct waiting *first, **last;
	uint64_t heard_ms;
	uint64_t backoff_ms;
	bool told_down, closing;
	bool connecting; /* over TCP: not there yet */
	bool greeting;   /* the password was sent and not answered; nobody else has the link yet */
};

static void attempt(struct redis_link *);

bool
redis_link_is_up(const struct redis_link *l)
{
	return l->fd >= 0 && !l->connecting && !l->greeting;
}

/* --- losing it --- */

static void
free_handle(uv_handle_t *h)
{
	free(h);
}

static void
drop_waiting(struct redis_link *l)
{
	struct waiting *w;

	while ((w = l->first)) {
		l->first = w->next;
		if (!l->first)
			l->last = &l->first;
		if (w->fn)
			w->fn(w->arg, NULL);
		free(w);
	}
}

static void
disconnect(struct redis_link *l)
{
	if (l->poll) {
		uv_poll_stop(l->poll);
		uv_close((uv_handle_t *)l->poll, free_handle);
		l->poll = NULL;
	}
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->connecting = l->greeting = false;
	if (l->reader)
		redisReaderFree(l->reader);
	l->reader = NULL;
	buf_clear(&l->out);
	l->sent = 0;
	drop_waiting(l);
}

static void
on_retry(uv_timer_t *t)
{
	attempt(t->data);
}

static void
lost(struct redis_link *l)
{
	bool tell = !l->told_down;

	disconnect(l);
	uv_timer_start(&l->timer, on_retry, l->backoff_ms / 2 + (uint64_t)rand() % l->backoff_ms, 0);
	l->backoff_ms = l->backoff_ms * 2 < MOST_BACKOFF_MS ? l->backoff_ms * 2 : MOST_BACKOFF_MS;
	l->told_down = true;
	if (tell)
		l->events.down();
}

/* --- bytes --- */

static int wanted(const struct redis_link *);
static void ready(struct redis_link *);
static void greet(struct redis_link *);

static void on_ready(uv_poll_t *, int status, int events);

static bool
flush(struct redis_link *l)
{
	while (l->sent < l->out.n) {
		ssize_t n = send(l->fd, l->out.p + l->sent, l->out.n - l->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		l->sent += (size_t)n;
	}
	buf_clear(&l->out);
	l->sent = 0;
	return true;
}

static int
wanted(const struct redis_link *l)
{
	return UV_READABLE | (l->connecting || l->sent < l->out.n ? UV_WRITABLE : 0);
}

/* A password that is not taken will not be taken a moment later: the attempts get rarer. */
static void
greeted(struct redis_link *l, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR) {
		LOG(ERROR, "redis_password", L_STR("error", str_n(reply->str, (size_t)reply->len)));
		lost(l);
		return;
	}
	l->greeting = false;
	ready(l);
}

static void
took_reply(struct redis_link *l, redisReply *reply)
{
	struct waiting *w = l->first;

	if (l->greeting) {
		greeted(l, reply);
	} else if (l->events.push) {
		l->events.push(reply);
	} else if (w) {
		l->first = w->next;
		if (!l->first)
			l->last = &l->first;
		if (w->fn)
			w->fn(w->arg, reply);
		free(w);
	}
	freeReplyObject(reply);
}

static bool
take_replies(struct redis_link *l)
{
	void *reply = NULL;

	/* a callback may lose the link, and with it the reader */
	while (l->reader) {
		if (redisReaderGetReply(l->reader, &reply) != REDIS_OK)
			return false;
		if (!reply)
			return true;
		took_reply(l, reply);
	}
	return true;
}

/* Reads until the socket is empty: Redis kills a subscriber that lets its buffer grow. */
static bool
drain(struct redis_link *l)
{
	static char bytes[READ_BYTES];
	ssize_t n;

	do {
		n = recv(l->fd, bytes, sizeof(bytes), 0);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0 || redisReaderFeed(l->reader, bytes, (size_t)n) != REDIS_OK)
			return false;
		l->heard_ms = uv_now(l->loop);
		if (!take_replies(l))
			return false;
	} while ((size_t)n == sizeof(bytes) && l->fd >= 0);
	return true;
}

static bool
connected(const struct redis_link *l)
{
	int error = 0;
	socklen_t n = sizeof(error);

	return !getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) && !error;
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct redis_link *l = poll->data;
	bool good = status == 0;

	if (good && l->connecting) {
		good = connected(l);
		if (good)
			greet(l);
	}
	if (good && events & UV_WRITABLE && l->fd >= 0)
		good = flush(l);
	if (good && events & (UV_READABLE | UV_DISCONNECT) && l->fd >= 0)
		good = drain(l);
	if (l->fd < 0)
		return;
	if (!good)
		lost(l);
	else
		uv_poll_start(l->poll, wanted(l), on_ready);
}

static void
append(struct redis_link *l, size_t argc, const struct str *argv)
{
	buf_printf(&l->out, "*%zu\r\n", argc);
	for (size_t i = 0; i < argc; i++) {
		buf_printf(&l->out, "$%zu\r\n", argv[i].n);
		buf_str(&l->out, argv[i]);
		buf_str(&l->out, STR("\r\n"));
	}
}

void
redis_link_send(struct redis_link *l, size_t argc, const struct str *argv, redis_reply_fn fn, void *arg)
{
	bool idle = l->sent == l->out.n;
	struct waiting *w;

	if (!redis_link_is_up(l)) {
		if (fn)
			fn(arg, NULL);
		return;
	}
	append(l, argc, argv);
	if (!l->events.push) {
		w = mem_zeroed(sizeof(*w));
		w->fn = fn;
		w->arg = arg;
		*l->last = w;
		l->last = &w->next;
	}
	/* written from the loop, where losing the link surprises nobody; many commands of one turn leave as one */
	if (idle)
		uv_poll_start(l->poll, UV_READABLE | UV_WRITABLE, on_ready);
}

/* --- connecting --- */

static void
on_pulse(uv_timer_t *t)
{
	struct redis_link *l = t->data;

	if (buf_failed(&l->out) || uv_now(l->loop) - l->heard_ms > SILENCE_MS)
		lost(l);
	else
		redis_link_send(l, REDIS_ARGV(STR("PING")), NULL, NULL);
}

/* Over TCP it may take a moment: *ret_connecting. */
static int
open_socket(const struct address *a, bool *ret_connecting)
{
	int fd = address_socket(a, SOCK_NONBLOCK);

	*ret_connecting = false;
	if (fd < 0 || !connect(fd, &a->any, a->n))
		return fd;
	if (errno == EINPROGRESS) {
		*ret_connecting = true;
		return fd;
	}
	close(fd);
	return -1;
}

/* The link is there: from now on it is the owner's. */
static void
ready(struct redis_link *l)
{
	l->backoff_ms = FIRST_BACKOFF_MS;
	l->told_down = false;
	uv_timer_start(&l->timer, on_pulse, PING_MS, PING_MS);
	l->events.up();
}

static void
greet(struct redis_link *l)
{
	char password[REDIS_PASSWORD_MAX];

	l->connecting = false;
	if (!*l->password_file) {
		ready(l);
		return;
	}
	if (!redis_password(l->password_file, password)) {
		LOG(ERROR, "redis_password", L_CSTR("file", l->password_file));
		lost(l);
		return;
	}
	l->greeting = true;
	append(l, REDIS_ARGV(STR("AUTH"), str_c(password)));
	explicit_bzero(password, sizeof(password));
	uv_poll_start(l->poll, wanted(l), on_ready);
}

static void
on_late(uv_timer_t *t)
{
	lost(t->data);
}

static void
attempt(struct redis_link *l)
{
	l->fd = open_socket(&l->address, &l->connecting);
	if (l->fd < 0) {
		l->connecting = false;
		lost(l);
		return;
	}
	l->reader = mem_need(redisReaderCreate());
	l->poll = mem_zeroed(sizeof(*l->poll));
	uv_poll_init(l->loop, l->poll, l->fd);
	l->poll->data = l;
	uv_poll_start(l->poll, wanted(l), on_ready);
	l->heard_ms = uv_now(l->loop);
	uv_timer_start(&l->timer, on_late, SILENCE_MS, 0);
	if (!l->connecting)
		greet(l);
}

struct redis_link *
redis_link_new(uv_loop_t *loop, const char *address, const char *password_file, const struct redis_link_events *events)
{
	struct redis_link *l = mem_zeroed(sizeof(*l));

	l->loop = loop;
	if (!address_parse(str_c(address), &l->address))
		abort();
	l->password_file = mem_cstr(str_c(password_file));
	l->events = *events;
	l->fd = -1;
	l->last = &l->first;
	l->backoff_ms = FIRST_BACKOFF_MS;
	buf_init(&l->out, OUT_MAX);
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	uv_timer_start(&l->timer, on_retry, 0, 0);
	return l;
}

static void
reclaim(uv_handle_t *h)
{
	struct redis_link *l = h->data;

	buf_deinit(&l->out);
	free(l->password_file);
	free(l);
}

void
redis_link_free(struct redis_link *l)
{
	if (!l)
		return;
	disconnect(l);
	uv_close((uv_handle_t *)&l->timer, reclaim);
}
