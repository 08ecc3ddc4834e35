/* egress.c -- the form on the wire, and the side that asks. */
#include "egress.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "address.h"
#include "err.h"

#define HTTPS     "https://"
#define OUT_MOST  ((size_t)8 << 20)
#define IN_MOST   ((size_t)1 << 20)
#define READ_STEP ((size_t)65536)

/* What goes before the texts of a request and of an answer: fixed width, one machine. */
struct ask_head {
	uint64_t id;
	int64_t timeout_ms;
	uint32_t url, headers, body, zero;
};
struct answer_head {
	uint64_t id;
	int64_t status, retry_after_seconds;
	uint32_t end, body;
};

struct egress {
	const char *path;
	int fd;
	bool lost;
	struct buf in, out;
};

/* Host and port, which are what stands between the scheme and the path; absent when there is none, or a user. */
static struct str
authority(struct str url)
{
	struct str rest = url;
	size_t n = 0;

	if (!str_has_prefix(url, STR(HTTPS)) || url.n > EGRESS_URL_MOST)
		return STR_NONE;
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] >= 0x7f || strchr("\\\"<>^`{}|#", url.p[i]))
			return STR_NONE;
	rest = str_n(url.p + sizeof(HTTPS) - 1, url.n - (sizeof(HTTPS) - 1));
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	return n && !memchr(rest.p, '@', n) ? str_n(rest.p, n) : STR_NONE;
}

/* A name, or an address in brackets: nothing that others may read in another way. */
static bool
host_ok(struct str host)
{
	bool v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	const char *allowed =
	        v6 ? "0123456789abcdefABCDEF:." : "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_";

	for (size_t i = v6; i < host.n - v6; i++)
		if (!strchr(allowed, host.p[i]))
			return false;
	return host.n > 0;
}

/* The port that an authority ends with, 443 when it names none, 0 when it is no port; *ret_host without it. */
static int64_t
port_of(struct str auth, struct str *ret_host)
{
	int64_t port = 443;
	size_t n = auth.n;

	while (n && auth.p[n - 1] != ':' && auth.p[n - 1] != ']')
		n--;
	*ret_host = auth;
	if (n && auth.p[n - 1] == ':') {
		*ret_host = str_n(auth.p, n - 1);
		if (!str_int64(str_n(auth.p + n, auth.n - n), &port) || port < 1 || port > 65535)
			return 0;
	}
	return host_ok(*ret_host) ? port : 0;
}

bool
egress_allowed(struct str url, struct str private_hosts, bool *ret_private)
{
	struct str auth = authority(url), host, other, rest = private_hosts;
	int64_t port = auth.n ? port_of(auth, &host) : 0;

	*ret_private = false;
	while (port && str_present(rest) && !*ret_private) {
		struct str one = str_cut(&rest, ' ');

		*ret_private = one.n && port_of(one, &other) == port && str_eq_ascii_case(host, other);
	}
	return *ret_private || port == 443;
}

struct str
egress_origin(struct arena *arena, struct str url)
{
	struct str auth = authority(url), host;
	int64_t port = auth.n ? port_of(auth, &host) : 0;

	if (!port)
		return STR_NONE;
	host = str_lower(arena, host);
	return port == 443 ? arena_printf(arena, HTTPS "%.*s", STR_ARG(host))
	                   : arena_printf(arena, HTTPS "%.*s:%lld", STR_ARG(host), (long long)port);
}

void
egress_put_ask(struct buf *to, const struct egress_ask *ask)
{
	const struct ask_head head = {
		ask->id, ask->timeout_ms, (uint32_t)ask->url.n, (uint32_t)ask->headers.n, (uint32_t)ask->body.n, 0
	};

	buf_add(to, &head, sizeof(head));
	buf_str(to, ask->url);
	buf_str(to, ask->headers);
	buf_str(to, ask->body);
}

int
egress_take_ask(const struct buf *in, struct egress_ask *ret, size_t *ret_n)
{
	struct ask_head head;
	const char *p;

	*ret_n = 0;
	if (in->n < sizeof(head))
		return 0;
	memcpy(&head, in->p, sizeof(head));
	if (!head.url || head.url > EGRESS_URL_MOST || head.headers > EGRESS_HEADERS_MOST || head.body > EGRESS_BODY_MOST ||
	    head.timeout_ms <= 0)
		return fault(-EPROTO);
	if (in->n < sizeof(head) + head.url + head.headers + head.body)
		return 0;
	p = in->p + sizeof(head);
	*ret = (struct egress_ask){ head.id, head.timeout_ms, str_n(p, head.url), str_n(p + head.url, head.headers),
		                    str_n(p + head.url + head.headers, head.body) };
	*ret_n = sizeof(head) + head.url + head.headers + head.body;
	return 0;
}

void
egress_put_answer(struct buf *to, const struct egress_answer *a)
{
	const struct answer_head head = { a->id, a->status, a->retry_after_seconds, (uint32_t)a->end, (uint32_t)a->body.n };

	buf_add(to, &head, sizeof(head));
	buf_str(to, a->body);
}

int
egress_take_answer(const struct buf *in, struct egress_answer *ret, size_t *ret_n)
{
	struct answer_head head;

	*ret_n = 0;
	if (in->n < sizeof(head))
		return 0;
	memcpy(&head, in->p, sizeof(head));
	if (head.end >= EGRESS_ENDS || head.body > EGRESS_ANSWER_MOST)
		return fault(-EPROTO);
	if (in->n < sizeof(head) + head.body)
		return 0;
	*ret = (struct egress_answer){ head.id, (enum egress_end)head.end, head.status, head.retry_after_seconds,
		                       str_n(in->p + sizeof(head), head.body) };
	*ret_n = sizeof(head) + head.body;
	return 0;
}

struct egress *
egress_new(const char *socket_path)
{
	struct egress *e = calloc(1, sizeof(*e));

	if (!e)
		abort();
	*e = (struct egress){ .path = socket_path, .fd = -1 };
	buf_init(&e->in, IN_MOST);
	buf_init(&e->out, OUT_MOST);
	return e;
}

static void
lose(struct egress *e)
{
	if (e->fd < 0)
		return;
	close(e->fd);
	e->fd = -1;
	e->lost = true;
	buf_clear(&e->in);
	buf_clear(&e->out);
}

struct egress *
egress_free(struct egress *e)
{
	if (e) {
		lose(e);
		buf_deinit(&e->in);
		buf_deinit(&e->out);
		free(e);
	}
	return NULL;
}

int
egress_connect(struct egress *e)
{
	struct address address;
	int fd;

	if (e->fd >= 0)
		return 0;
	fd = address_parse(str_c(e->path), &address) ? address_socket(&address, SOCK_NONBLOCK) : -1;
	if (fd < 0)
		return UNAVAILABLE;
	if (connect(fd, &address.any, address.n)) {
		close(fd);
		return UNAVAILABLE;
	}
	e->fd = fd;
	return 0;
}

static void
flush(struct egress *e)
{
	ssize_t n;

	if (e->fd < 0 || !e->out.n)
		return;
	n = send(e->fd, e->out.p, e->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		memmove(e->out.p, e->out.p + n, e->out.n - (size_t)n);
		e->out.n -= (size_t)n;
	} else if (errno != EAGAIN && errno != EINTR) {
		lose(e);
	}
}

void
egress_send(struct egress *e, const struct egress_ask *ask)
{
	egress_put_ask(&e->out, ask);
	if (buf_failed(&e->out))
		lose(e);
	flush(e);
}

static void
receive(struct egress *e)
{
	char *to = e->fd >= 0 ? buf_reserve(&e->in, READ_STEP) : NULL;
	ssize_t n;

	if (!to)
		return;
	n = recv(e->fd, to, READ_STEP, MSG_DONTWAIT);
	if (n > 0)
		buf_commit(&e->in, (size_t)n);
	else if (!n || (errno != EAGAIN && errno != EINTR))
		lose(e);
}

bool
egress_next(struct egress *e, struct arena *arena, struct egress_answer *ret)
{
	size_t n = 0;

	flush(e);
	if (egress_take_answer(&e->in, ret, &n) == 0 && !n)
		receive(e);
	if (!n && egress_take_answer(&e->in, ret, &n)) {
		err_clear();
		lose(e);
		return false;
	}
	if (!n)
		return false;
	ret->body = arena_str(arena, ret->body);
	memmove(e->in.p, e->in.p + n, e->in.n - n);
	e->in.n -= n;
	return true;
}

bool
egress_lost(struct egress *e)
{
	bool lost = e->lost;

	e->lost = false;
	return lost;
}
