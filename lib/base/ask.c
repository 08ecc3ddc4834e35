/* ask -- a blocking FastCGI client. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ask.h"
#include "clock.h"
#include "dial.h"
#include "err.h"

#define ANSWER_MOST   ((size_t)1 << 20)
#define QUESTION_MOST ((size_t)1 << 20)

static void
buf_free(void *buf)
{
	buf_deinit(buf);
}

static struct buf *
new_buf(struct arena *a, size_t most)
{
	struct buf *b = arena_new_of(a, struct buf);

	buf_init(b, most);
	arena_defer(a, buf_free, b);
	return b;
}

static struct str
question(struct arena *a, const char *uri, struct str request_id, struct str body)
{
	struct buf *b = new_buf(a, QUESTION_MOST);
	const struct str length = arena_printf(a, "%zu", body.n);
	const struct str pairs[] = { STR("REQUEST_METHOD"),  STR("POST"),
		                     STR("REQUEST_URI"),     str_c(uri),
		                     STR("CONTENT_TYPE"),    STR("application/json"),
		                     STR("CONTENT_LENGTH"),  length,
		                     STR("PEAL_REQUEST_ID"), request_id };

	fastcgi_begin(b);
	fastcgi_params(b, pairs, sizeof(pairs) / sizeof(pairs[0]) / 2);
	fastcgi_stdin(b, body);
	return buf_view(b);
}

static int
read_answer(struct arena *a, int fd, int64_t until_us, struct cgi_answer *ret)
{
	struct fastcgi_reader *reader = arena_new_of(a, struct fastcgi_reader);
	char bytes[8192];
	int r = 0;

	buf_init(&reader->out, ANSWER_MOST);
	arena_defer(a, buf_free, &reader->out);
	while (!r && clock_mono_us() < until_us) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return UNCERTAIN;
		r = fastcgi_read(reader, bytes, (size_t)n);
	}
	if (r < 0)
		return trace(r);
	return r && cgi_split(buf_view(&reader->out), ret) ? 0 : UNCERTAIN;
}

int
ask_post(struct arena *a, const char *where, const char *uri, struct str request_id, struct str body, int64_t timeout_ms,
         struct cgi_answer *ret)
{
	int64_t until_us = clock_mono_us() + timeout_ms * 1000;
	int fd = -1, r;

	r = dial(a, where, timeout_ms, &fd);
	if (r)
		return trace(r);
	dial_limit(fd, timeout_ms);
	if (!dial_send(fd, question(a, uri, request_id, body)))
		return UNAVAILABLE;
	return read_answer(a, fd, until_us, ret);
}
