/* dial -- the first of several addresses that takes a connection. */
#include "dial.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "bytes.h"
#include "err.h"

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

/* Zero would mean for ever. SO_SNDTIMEO is of connect(2), too. */
void
dial_limit(int fd, int64_t timeout_ms)
{
	const int64_t ms = timeout_ms > 0 ? timeout_ms : 1;
	const struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int
dial_one(struct arena *a, const struct address *address, int64_t timeout_ms, int *ret)
{
	int fd = address_socket(address, 0);

	if (fd < 0)
		return fault(fd);
	arena_defer(a, close_fd, (void *)(intptr_t)fd);
	dial_limit(fd, timeout_ms);
	if (connect(fd, &address->any, address->n))
		return UNAVAILABLE;
	*ret = fd;
	return 0;
}

int
dial(struct arena *a, const char *where, int64_t timeout_ms, int *ret)
{
	struct address list[ADDRESSES_MAX];
	size_t n = address_list(str_c(where), list);
	uint32_t from;
	int r = n ? UNAVAILABLE : fault(-EINVAL);

	bytes_random(&from, sizeof(from));
	for (size_t i = 0; i < n && r == UNAVAILABLE; i++)
		r = dial_one(a, &list[(from + i) % n], timeout_ms / (int64_t)n, ret);
	return r;
}

bool
dial_send(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = str_n(s.p + n, s.n - (size_t)n);
	}
	return true;
}
