/* stat.c -- one question, one answer, and the connection ends. */
#include "stat.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_MOST    ((size_t)65536)
#define PATIENCE_MS  20
#define REQUEST_MOST 2048

static void
answer(int fd, void (*write)(struct buf *))
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char request[REQUEST_MOST];
	struct buf out;
	ssize_t n;

	if (poll(&p, 1, PATIENCE_MS) <= 0)
		return;
	n = recv(fd, request, sizeof(request), MSG_DONTWAIT);
	if (n <= 0 || !prom_asked(str_n(request, (size_t)n)))
		return;
	buf_init(&out, TEXT_MOST);
	prom_answer(&out, str_n(request, (size_t)n), write);
	if (!buf_failed(&out))
		(void)!send(fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_deinit(&out);
}

void
stat_serve(int listener, void (*write)(struct buf *))
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	answer(fd, write);
	shutdown(fd, SHUT_WR);
	close(fd);
}
