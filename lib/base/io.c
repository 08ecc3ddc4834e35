/* io -- FastCGI on the wire, the server's side: libfcgi reads, one writev(2) answers. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fastcgi.h>

#include "err.h"
#include "log.h"
#include "io.h"

#define RECORD_MOST 65528 /* of content in one record: the most that is a multiple of 8 */
#define DRAIN_MOST  (4 << 20)
#define PIECES      512
#define REQUEST_ID  1 /* the only one nginx and peal-push use on a connection */

void
io_init(struct io *io, size_t body_most)
{
	FCGX_Init();
	FCGX_InitRequest(&io->fcgi, -1, 0);
	buf_init(&io->in, body_most + 1);
}

void
io_deinit(struct io *io)
{
	buf_deinit(&io->in);
}

int
io_accept(int listener)
{
	const struct timeval limit = { .tv_sec = IO_TIMEOUT_SECONDS };
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

/* What is left unread when a Unix socket is closed resets the peer, which then loses our reply: always read to the end. */
static bool
drain(FCGX_Stream *in)
{
	char waste[8192];
	int total = 0, n;

	do {
		n = FCGX_GetStr(waste, sizeof(waste), in);
		total += n;
	} while (n == (int)sizeof(waste) && total < DRAIN_MOST);
	return n < (int)sizeof(waste);
}

/* The whole body into io->in. CONTENT_LENGTH must be what comes: a body that nginx could not send whole is no body. */
static bool
read_body(struct io *io, struct str *ret_body, bool *ret_cut)
{
	const char *length = FCGX_GetParam("CONTENT_LENGTH", io->fcgi.envp);
	int64_t want = 0;
	char *to;
	int n;

	if (length && *length && (!str_int64(str_c(length), &want) || want < 0))
		return false;
	*ret_body = STR("");
	*ret_cut = (uint64_t)want >= io->in.cap;
	if (*ret_cut)
		return drain(io->fcgi.in);
	buf_clear(&io->in);
	to = buf_reserve(&io->in, (size_t)want + 1); /* one more than expected, so that the end of the stream is read too */
	n = FCGX_GetStr(to, (int)want + 1, io->fcgi.in);
	if (n != want || FCGX_GetError(io->fcgi.in))
		return false;
	buf_commit(&io->in, (size_t)n);
	*ret_body = buf_view(&io->in);
	return true;
}

bool
io_read(struct io *io, int fd, struct str *ret_body, bool *ret_cut)
{
	io->fcgi.ipcFd = fd;
	io->fcgi.keepConnection = 1; /* else FCGX_Accept_r() closes it first */
	FCGX_Detach(&io->fcgi);      /* closing does not wait for the peer */
	if (FCGX_Accept_r(&io->fcgi))
		return false;
	if (io->fcgi.requestId == REQUEST_ID && io->fcgi.role == FCGI_RESPONDER && read_body(io, ret_body, ret_cut))
		return true;
	io_close(io);
	return false;
}

/* POLLHUP means closed for good; a peer that has only shut its writing side still waits for the reply. */
bool
io_peer_gone(const struct io *io)
{
	struct pollfd p = { .fd = io->fcgi.ipcFd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static bool
send_all(int fd, struct iovec *v, size_t n)
{
	while (n) {
		struct msghdr message = { .msg_iov = v, .msg_iovlen = n };
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		for (; n && (size_t)sent >= v->iov_len; v++, n--)
			sent -= (ssize_t)v->iov_len;
		if (n) {
			v->iov_base = (char *)v->iov_base + sent;
			v->iov_len -= (size_t)sent;
		}
	}
	return true;
}

static FCGI_Header
record(int type, size_t n)
{
	return (FCGI_Header){
		.version = FCGI_VERSION_1,
		.type = (unsigned char)type,
		.requestIdB0 = REQUEST_ID,
		.contentLengthB1 = (unsigned char)(n >> 8),
		.contentLengthB0 = (unsigned char)n,
	};
}

/* A reply on its way out: records are collected, and sent when there are too many pieces, and at the end. */
struct outgoing {
	int fd;
	bool failed;
	size_t n, headers_n;
	struct iovec v[PIECES];
	FCGI_Header headers[PIECES];
};

static void
flush(struct outgoing *out)
{
	if (!out->failed)
		out->failed = !send_all(out->fd, out->v, out->n);
	out->n = out->headers_n = 0;
}

static void
add(struct outgoing *out, const void *p, size_t n)
{
	if (n)
		out->v[out->n++] = (struct iovec){ .iov_base = (void *)(uintptr_t)p, .iov_len = n };
}

static void
add_record(struct outgoing *out, int type, struct str first, struct str second)
{
	FCGI_Header *header = &out->headers[out->headers_n++];

	*header = record(type, first.n + second.n);
	add(out, header, sizeof(*header));
	add(out, first.p, first.n);
	add(out, second.p, second.n);
	if (out->n + 4 > PIECES)
		flush(out);
}

static struct str
take(struct str *s, size_t most)
{
	struct str head = str_n(s->p, s->n < most ? s->n : most);

	s->p += head.n;
	s->n -= head.n;
	return head;
}

bool
io_write(struct io *io, int status, const char *reason, struct str headers, struct str body)
{
	static const FCGI_EndRequestBody end;
	static struct outgoing out;
	char line[64];
	struct str head;

	out.fd = io->fcgi.ipcFd;
	out.failed = false;
	out.n = out.headers_n = 0;
	head = str_n(line, (size_t)snprintf(line, sizeof(line), "Status: %d %s\r\n", status, reason));
	add_record(&out, FCGI_STDOUT, head, headers);
	add_record(&out, FCGI_STDOUT, STR("\r\n"), take(&body, RECORD_MOST - 2));
	while (body.n)
		add_record(&out, FCGI_STDOUT, take(&body, RECORD_MOST), STR_NONE);
	add_record(&out, FCGI_STDOUT, STR_NONE, STR_NONE);
	add_record(&out, FCGI_END_REQUEST, str_n((const char *)&end, sizeof(end)), STR_NONE);
	flush(&out);
	return !out.failed;
}

void
io_close(struct io *io)
{
	FCGX_Detach(&io->fcgi);
	FCGX_Free(&io->fcgi, 1);
}
