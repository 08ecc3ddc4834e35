/* fastcgi.c -- records out, records in (FastCGI specification 1.0, section 3). */
#include "fastcgi.h"

#include <errno.h>

#include "err.h"

#define CONTENT_MAX 65535

void
fastcgi_record(struct buf *b, int type, struct str content)
{
	const char head[8] = { 1, (char)type, 0, 1, (char)(content.n >> 8), (char)content.n, 0, 0 };

	buf_add(b, head, sizeof(head));
	buf_str(b, content);
}

void
fastcgi_begin(struct buf *b)
{
	fastcgi_record(b, FASTCGI_RECORD_BEGIN, str_n((const char[8]){ 0, FASTCGI_RESPONDER }, 8));
}

/* A stream is any number of records and an empty one. */
void
fastcgi_stream(struct buf *b, int type, struct str content)
{
	while (content.n) {
		size_t n = content.n < CONTENT_MAX ? content.n : CONTENT_MAX;

		fastcgi_record(b, type, str_n(content.p, n));
		content.p += n;
		content.n -= n;
	}
	fastcgi_record(b, type, STR(""));
}

static void
length(struct buf *b, size_t n)
{
	if (n > 127)
		buf_add(b, (const char[3]){ (char)(n >> 24 | 0x80), (char)(n >> 16), (char)(n >> 8) }, 3);
	buf_char(b, (char)n);
}

void
fastcgi_params(struct buf *b, const struct str *pairs, size_t n)
{
	struct buf all;

	buf_init(&all, b->cap);
	for (size_t i = 0; i < n; i++) {
		length(&all, pairs[2 * i].n);
		length(&all, pairs[2 * i + 1].n);
		buf_str(&all, pairs[2 * i]);
		buf_str(&all, pairs[2 * i + 1]);
	}
	fastcgi_stream(b, FASTCGI_RECORD_PARAMS, buf_view(&all));
	if (buf_failed(&all))
		b->failed = true;
	buf_deinit(&all);
}

void
fastcgi_stdin(struct buf *b, struct str body)
{
	fastcgi_stream(b, FASTCGI_RECORD_STDIN, body);
}

/* Begins the record whose header is complete. */
static int
begin_record(struct fastcgi_reader *r)
{
	const unsigned char *h = r->head;

	if (h[0] != 1 || h[2] != 0 || h[3] != 1)
		return fault(-EPROTO);
	if (h[1] != FASTCGI_RECORD_STDOUT && h[1] != FASTCGI_RECORD_STDERR && h[1] != FASTCGI_RECORD_END)
		return fault(-EPROTO);
	r->content = (uint16_t)(h[4] << 8 | h[5]);
	r->padding = h[6];
	if (h[1] == FASTCGI_RECORD_END && r->content != sizeof(r->end_body))
		return fault(-EPROTO);
	r->in_body = true;
	return 0;
}

static int
take_content(struct fastcgi_reader *r, const unsigned char *p, size_t n)
{
	r->content -= (uint16_t)n;
	switch (r->head[1]) {
	case FASTCGI_RECORD_STDOUT:
		buf_add(&r->out, p, n);
		return buf_failed(&r->out) ? fault(-EMSGSIZE) : 0;
	case FASTCGI_RECORD_END:
		memcpy(r->end_body + r->end_n, p, n);
		r->end_n += (uint8_t)n;
		return 0;
	default:
		return 0; /* what a worker writes to FCGI_STDERR is in its own log */
	}
}

/* The record is over: 1 when it was the last. */
static int
end_record(struct fastcgi_reader *r)
{
	r->in_body = false;
	r->head_n = 0;
	if (r->head[1] != FASTCGI_RECORD_END)
		return 0;
	r->ended = true;
	return r->end_body[4] == 0 ? 1 : fault(-EPROTO); /* FCGI_REQUEST_COMPLETE */
}

int
fastcgi_read(struct fastcgi_reader *r, const void *bytes, size_t n)
{
	const unsigned char *p = bytes, *end = p + n;
	int status = r->ended;

	while (!status && (p < end || (r->in_body && !r->content && !r->padding))) {
		size_t take;

		if (!r->in_body) {
			r->head[r->head_n++] = *p++;
			status = r->head_n == sizeof(r->head) ? begin_record(r) : 0;
		} else if (r->content) {
			take = (size_t)(end - p) < r->content ? (size_t)(end - p) : r->content;
			status = take_content(r, p, take);
			p += take;
		} else if (r->padding) {
			take = (size_t)(end - p) < r->padding ? (size_t)(end - p) : r->padding;
			r->padding -= (uint8_t)take;
			p += take;
		} else {
			status = end_record(r);
		}
	}
	return status;
}

/* One header line; false when it is none. */
static bool
cgi_header(struct str line, struct cgi_answer *ret)
{
	struct str name = str_cut(&line, ':'), value;
	int64_t n;

	if (!line.p)
		return false;
	value = str_trim(line);
	if (str_eq_ascii_case(name, STR("Content-Type")))
		ret->content_type = value;
	else if (str_eq_ascii_case(name, STR("Retry-After")) && str_int64(value, &n) && n >= 0 && n <= 86400)
		ret->retry_after_seconds = n;
	else if (str_eq_ascii_case(name, STR("Status"))) {
		if (!str_int64(str_cut(&value, ' '), &n) || n < 100 || n > 599)
			return false;
		ret->status = (int)n;
	}
	return true;
}

bool
cgi_split(struct str out, struct cgi_answer *ret)
{
	*ret = (struct cgi_answer){ .status = 200, .retry_after_seconds = -1 };
	while (out.n) {
		struct str line = str_cut(&out, '\n');

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (!line.n) {
			ret->body = out.p ? out : STR("");
			return true;
		}
		if (!cgi_header(line, ret))
			return false;
	}
	return false;
}
