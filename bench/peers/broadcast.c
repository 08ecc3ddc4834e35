/*
 * broadcast.c -- the least that a broadcaster can be: WebSockets in an epoll loop, and whatever is posted goes to all of them.
 *
 *   broadcast PORT SOCKET...
 *
 * A process per SOCKET, for nginx to spread connections over. The first also takes HTTP on PORT of the loopback: the body of a POST
 * becomes one text frame, framed once and written to every socket by one send each. No users, no rights, no log, no acknowledgement, no
 * queue: a socket that does not take the frame at once is closed. What clients say is read and forgotten.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_MOST       20000
#define PROCESSES_MOST 16
#define BODY_MOST      65536
#define FRAME_HEAD     10
#define BACKLOG        4096
#define WS_GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum kind { NONE, LISTENER, PUBLISH_LISTENER, SOCKET, PUBLISHER, BROTHER };

static struct {
	enum kind kinds[FDS_MOST];
	bool open[FDS_MOST]; /* a WebSocket that was upgraded */
	int fds[FDS_MOST], n, brothers[PROCESSES_MOST], brothers_n, epoll;
} b;

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
add(int fd, enum kind kind)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || fd >= FDS_MOST || epoll_ctl(b.epoll, EPOLL_CTL_ADD, fd, &e))
		die("epoll");
	b.kinds[fd] = kind;
	b.open[fd] = false;
}

static void
drop(int fd)
{
	for (int i = 0; b.open[fd] && i < b.n; i++) {
		if (b.fds[i] != fd)
			continue;
		b.fds[i] = b.fds[--b.n];
		break;
	}
	b.kinds[fd] = NONE;
	b.open[fd] = false;
	close(fd);
}

/* ---- to everybody ---- */

static size_t
write_head(unsigned char *p, size_t n)
{
	p[0] = 0x81;
	if (n < 126) {
		p[1] = (unsigned char)n;
		return 2;
	}
	p[1] = 126;
	p[2] = (unsigned char)(n >> 8);
	p[3] = (unsigned char)n;
	return 4;
}

static void
broadcast(const char *body, size_t n)
{
	static unsigned char frame[FRAME_HEAD + BODY_MOST];
	size_t head = write_head(frame, n);

	memcpy(frame + head, body, n);
	for (int i = b.n - 1; i >= 0; i--)
		if (send(b.fds[i], frame, head + n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(head + n))
			drop(b.fds[i]);
}

/* Posts are small and come in one piece, or their end does later. */
static void
take_post(int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	char text[BODY_MOST];
	size_t n = 0;

	for (;;) {
		ssize_t more = recv(fd, text + n, sizeof(text) - 1 - n, 0);
		char *body, *length;

		if (more <= 0) {
			drop(fd);
			return;
		}
		n += (size_t)more;
		text[n] = '\0';
		body = strstr(text, "\r\n\r\n");
		length = body ? strcasestr(text, "\r\ncontent-length:") : NULL;
		if (!length || n - (size_t)(body + 4 - text) < strtoul(length + 17, NULL, 10))
			continue;
		body += 4;
		for (int i = 0; i < b.brothers_n; i++)
			if (send(b.brothers[i], body, n - (size_t)(body - text), 0) < 0)
				die("brother");
		broadcast(body, n - (size_t)(body - text));
		if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
			drop(fd);
		return;
	}
}

static void
take_brother(int fd)
{
	char body[BODY_MOST];
	ssize_t n = recv(fd, body, sizeof(body), 0);

	if (n <= 0)
		exit(0);
	broadcast(body, (size_t)n);
}

/* ---- sockets ---- */

static bool
upgrade(int fd, const char *request)
{
	const char *key = strcasestr(request, "\r\nsec-websocket-key: ");
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[24 + sizeof(WS_GUID)], accept[29], answer[256];
	int n;

	if (!key)
		return false;
	snprintf(text, sizeof(text), "%.24s" WS_GUID, key + 21);
	EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)accept, digest, 20);
	n = snprintf(answer, sizeof(answer),
	             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
	             "Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	             accept);
	return send(fd, answer, (size_t)n, MSG_NOSIGNAL) == n;
}

static void
take_bytes(int fd)
{
	char bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(fd);
		return;
	}
	bytes[n] = '\0';
	if (b.open[fd])
		return;
	if (!upgrade(fd, bytes)) {
		drop(fd);
		return;
	}
	b.open[fd] = true;
	b.fds[b.n++] = fd;
}

static void
take_connection(int listener, enum kind kind)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		add(fd, kind);
}

/* ---- processes ---- */

static int
listen_path(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, BACKLOG))
		die(path);
	return fd;
}

static int
listen_port(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 16))
		die("port");
	return fd;
}

static _Noreturn void
serve(void)
{
	struct epoll_event events[256];

	for (;;) {
		int n = epoll_wait(b.epoll, events, 256, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			switch (b.kinds[fd]) {
			case LISTENER:
				take_connection(fd, SOCKET);
				break;
			case PUBLISH_LISTENER:
				take_connection(fd, PUBLISHER);
				break;
			case SOCKET:
				take_bytes(fd);
				break;
			case PUBLISHER:
				take_post(fd);
				break;
			case BROTHER:
				take_brother(fd);
				break;
			case NONE:
				break;
			}
		}
	}
}

/* Before the first serves, so that it knows them all. */
static void
fork_brother(const char *path)
{
	int pair[2], listener = listen_path(path);

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		die("socketpair");
	b.brothers[b.brothers_n++] = pair[0];
	if (fork()) {
		close(listener);
		close(pair[1]);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	b.brothers_n = 0;
	b.epoll = epoll_create1(EPOLL_CLOEXEC);
	add(pair[1], BROTHER);
	add(listener, LISTENER);
	serve();
}

int
main(int argc, char **argv)
{
	struct rlimit files;

	if (argc < 3 || argc - 2 > PROCESSES_MOST) {
		fputs("broadcast: PORT SOCKET...\n", stderr);
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 3; i < argc; i++)
		fork_brother(argv[i]);
	b.epoll = epoll_create1(EPOLL_CLOEXEC);
	add(listen_path(argv[2]), LISTENER);
	add(listen_port(atoi(argv[1])), PUBLISH_LISTENER);
	serve();
}
