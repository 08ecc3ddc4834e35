/*
 * constant.c -- FastCGI workers that answer every request with the same bytes: what nginx, FastCGI and a process switch cost
 * when nothing is done between them.
 *
 *   constant SOCKET WORKERS HEADERS BODY [STATUS REASON]
 *
 * HEADERS and BODY are files. Takes connections as fcgi/worker.c does and uses the same lib/base/io.h, so that what remains is
 * the price of routing, the token, the statement and the JSON. Ends with its parent or on SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#define WORKERS_MOST 256
#define FILE_MOST    (1 << 20)
#define BODY_MOST    ((size_t)256 << 10)

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(1);
}

static struct str
read_file(const char *path)
{
	char *p = malloc(FILE_MOST);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 || !p ? -1 : read(fd, p, FILE_MOST);

	if (n < 0)
		die(path);
	close(fd);
	return str_n(p, (size_t)n);
}

static int
listen_on(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(at.sun_path))
		die("socket path");
	strcpy(at.sun_path, path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 4096))
		die(path);
	return fd;
}

static _Noreturn void
work(int listener, int status, const char *reason, struct str headers, struct str body)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct str in;
	struct io io;
	bool cut;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	io_init(&io, BODY_MOST);
	signal(SIGTERM, SIG_DFL); /* libfcgi has its own */
	signal(SIGPIPE, SIG_IGN);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		die("epoll");
	for (;;) {
		int fd = io_accept(listener);

		if (fd < 0) {
			epoll_wait(epoll, &event, 1, 1000);
			continue;
		}
		if (io_read(&io, fd, &in, &cut)) {
			io_write(&io, status, reason, headers, body);
			io_close(&io);
		}
	}
}

int
main(int argc, char **argv)
{
	int workers = argc > 2 ? atoi(argv[2]) : 0, listener;
	struct str headers, body;

	if (argc < 5 || workers < 1 || workers > WORKERS_MOST) {
		fputs("constant: SOCKET WORKERS HEADERS BODY [STATUS REASON]\n", stderr);
		return 2;
	}
	headers = read_file(argv[3]);
	body = read_file(argv[4]);
	listener = listen_on(argv[1]);
	for (int i = 0; i < workers; i++)
		if (!fork())
			work(listener, argc > 5 ? atoi(argv[5]) : 200, argc > 6 ? argv[6] : "OK", headers, body);
	while (wait(NULL) > 0 || errno == EINTR) {
	}
	return 0;
}
