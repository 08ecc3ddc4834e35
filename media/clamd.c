/* media/clamd.c -- one connection for each question: the command, pieces with their length before them, an empty one, the answer. */
#include "clamd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dial.h"
#include "base/err.h"

#define CHUNK   131072
#define HEAD    sizeof(uint32_t)
#define COMMAND STR("zINSTREAM\0") /* with the byte that ends it */
#define BEFORE  STR("stream: ")
#define FOUND   STR(" FOUND")

struct talk {
	int fd;
	int64_t until_us;
};

static bool
say(const struct talk *t, struct str bytes)
{
	int64_t left_us = t->until_us - clock_mono_us();

	dial_limit(t->fd, left_us / 1000);
	return left_us > 0 && dial_send(t->fd, bytes);
}

/* Until it takes no more: then it may have said why. */
static int
stream(const struct talk *t, struct arena *a, int fd, uint64_t offset, uint64_t size)
{
	char *piece = arena_alloc(a, HEAD + CHUNK);
	uint32_t head = 0;

	while (size) {
		ssize_t n = pread(fd, piece + HEAD, size < CHUNK ? size : CHUNK, (off_t)offset);

		if (n <= 0)
			return fault(n ? -errno : -EIO);
		head = htonl((uint32_t)n);
		memcpy(piece, &head, HEAD);
		if (!say(t, str_n(piece, HEAD + (size_t)n)))
			return 0;
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
	head = 0;
	(void)say(t, str_n((const char *)&head, HEAD));
	return 0;
}

static struct str
hear(const struct talk *t, struct arena *a)
{
	char *text = arena_alloc(a, CLAMD_ANSWER_MOST);
	size_t n = 0;

	while (n < CLAMD_ANSWER_MOST && !memchr(text, 0, n)) {
		int64_t left_us = t->until_us - clock_mono_us();
		ssize_t more;

		if (left_us <= 0)
			break;
		dial_limit(t->fd, left_us / 1000);
		more = recv(t->fd, text + n, CLAMD_ANSWER_MOST - n, 0);
		if (more < 0 && errno == EINTR)
			continue;
		if (more <= 0)
			break;
		n += (size_t)more;
	}
	return str_n(text, strnlen(text, n));
}

int
clamd_verdict(struct str answer, struct str *ret_name)
{
	if (str_eq(answer, STR("stream: OK")))
		return 0;
	if (str_has_prefix(answer, STR("INSTREAM size limit exceeded")))
		return TOO_LARGE;
	if (!str_has_prefix(answer, BEFORE) || answer.n <= BEFORE.n + FOUND.n ||
	    !str_eq(str_n(answer.p + answer.n - FOUND.n, FOUND.n), FOUND))
		return UNAVAILABLE;
	*ret_name = str_n(answer.p + BEFORE.n, answer.n - BEFORE.n - FOUND.n);
	return INFECTED;
}

/* What it says while it is still being told is said for a reason: it has had enough. So the answer is read whatever came of the sending. */
int
clamd_scan(struct arena *a, const char *where, int64_t timeout_ms, int fd, uint64_t offset, uint64_t size,
           struct str *ret_name)
{
	struct talk t = { -1, clock_mono_us() + timeout_ms * 1000 };
	int r = dial(a, where, timeout_ms, &t.fd);

	if (r)
		return trace(r);
	if (say(&t, COMMAND))
		r = stream(&t, a, fd, offset, size);
	return r ? trace(r) : clamd_verdict(hear(&t, a), ret_name);
}
