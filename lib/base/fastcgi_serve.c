/* fastcgi_serve.c -- records in, a response out (FastCGI specification 1.0, section 3). */
#include "fastcgi_serve.h"

#include <errno.h>

#include "err.h"

void
fastcgi_request_init(struct fastcgi_request *q, size_t params_most)
{
	*q = (struct fastcgi_request){ .state = FASTCGI_IN_BEGIN };
	buf_init(&q->params, params_most);
}

void
fastcgi_request_deinit(struct fastcgi_request *q)
{
	buf_deinit(&q->params);
}

static struct str
take(struct str *bytes, size_t most)
{
	struct str head = str_n(bytes->p, bytes->n < most ? bytes->n : most);

	bytes->p += head.n;
	bytes->n -= head.n;
	return head;
}

/* Which type of record comes in which state. */
static int
type_wanted(const struct fastcgi_request *q)
{
	return q->state == FASTCGI_IN_BEGIN    ? FASTCGI_RECORD_BEGIN
	       : q->state == FASTCGI_IN_PARAMS ? FASTCGI_RECORD_PARAMS
	                                       : FASTCGI_RECORD_STDIN;
}

static int
begin_record(struct fastcgi_request *q)
{
	const unsigned char *h = q->head;

	if (h[0] != 1 || h[1] != type_wanted(q) || h[2] != 0 || h[3] != 1)
		return fault(-EPROTO);
	q->content = (uint16_t)(h[4] << 8 | h[5]);
	q->padding = h[6];
	if (q->state == FASTCGI_IN_BEGIN && q->content != sizeof(q->begin))
		return fault(-EPROTO);
	q->in_record = true;
	/* an empty record ends its stream */
	if (!q->content && q->state == FASTCGI_IN_PARAMS) {
		q->state = FASTCGI_IN_BODY;
		return FASTCGI_HEAD;
	}
	if (!q->content) {
		q->state = FASTCGI_IN_END;
		return FASTCGI_END;
	}
	return FASTCGI_MORE;
}

/* Role and flags; that a connection be kept (flag 1) is a wish, and not ours. */
static int
take_begin(struct fastcgi_request *q, struct str piece)
{
	memcpy(q->begin + q->begin_n, piece.p, piece.n);
	q->begin_n += (uint8_t)piece.n;
	if (q->begin_n < sizeof(q->begin))
		return FASTCGI_MORE;
	if (q->begin[0] != 0 || q->begin[1] != FASTCGI_RESPONDER)
		return fault(-EPROTO);
	q->state = FASTCGI_IN_PARAMS;
	return FASTCGI_MORE;
}

static int
take_content(struct fastcgi_request *q, struct str *bytes, struct str *ret_piece)
{
	struct str piece = take(bytes, q->content);

	q->content -= (uint16_t)piece.n;
	switch (q->state) {
	case FASTCGI_IN_BEGIN:
		return take_begin(q, piece);
	case FASTCGI_IN_PARAMS:
		buf_str(&q->params, piece);
		return buf_failed(&q->params) ? fault(-EMSGSIZE) : FASTCGI_MORE;
	default:
		*ret_piece = piece;
		return FASTCGI_BODY;
	}
}

int
fastcgi_take(struct fastcgi_request *q, struct str *bytes, struct str *ret_piece)
{
	int r = FASTCGI_MORE;

	while (r == FASTCGI_MORE && q->state != FASTCGI_IN_END && bytes->n) {
		if (!q->in_record) {
			struct str piece = take(bytes, sizeof(q->head) - q->head_n);

			memcpy(q->head + q->head_n, piece.p, piece.n);
			q->head_n += (uint8_t)piece.n;
			r = q->head_n == sizeof(q->head) ? begin_record(q) : FASTCGI_MORE;
		} else if (q->content) {
			r = take_content(q, bytes, ret_piece);
		} else if (q->padding) {
			q->padding -= (uint8_t)take(bytes, q->padding).n;
		}
		if (q->in_record && !q->content && !q->padding) {
			q->in_record = false;
			q->head_n = 0;
		}
	}
	return r;
}

static bool
pair_length(struct str *s, size_t *ret)
{
	const unsigned char *p = (const unsigned char *)s->p;

	if (s->n && p[0] < 0x80) {
		*ret = p[0];
		(void)take(s, 1);
		return true;
	}
	if (s->n < 4)
		return false;
	*ret = (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	(void)take(s, 4);
	return true;
}

struct str
fastcgi_param(const struct fastcgi_request *q, struct str name)
{
	struct str rest = buf_view(&q->params);
	size_t name_n, value_n;

	while (pair_length(&rest, &name_n) && pair_length(&rest, &value_n) && name_n <= rest.n &&
	       value_n <= rest.n - name_n) {
		struct str one = take(&rest, name_n), value = take(&rest, value_n);

		if (str_eq(one, name))
			return value.n ? value : STR_NONE;
	}
	return STR_NONE;
}

void
fastcgi_reply(struct buf *b, int status, const char *reason, struct str headers, struct str body)
{
	struct buf all;

	buf_init(&all, b->cap);
	buf_printf(&all, "Status: %d %s\r\n", status, reason);
	buf_str(&all, headers);
	buf_str(&all, STR("\r\n"));
	buf_str(&all, body);
	fastcgi_stream(b, FASTCGI_RECORD_STDOUT, buf_view(&all));
	fastcgi_record(b, FASTCGI_RECORD_END, str_n((const char[8]){ 0 }, 8));
	if (buf_failed(&all))
		b->failed = true;
	buf_deinit(&all);
}
