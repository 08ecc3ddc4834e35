/* fcgi/cursor.c -- places in lists. */
#include "base/bytes.h"
#include "cursor.h"

struct str
cursor_write(struct req *req, const int64_t *place, size_t n)
{
	struct buf *buf = req_scratch(req);

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(buf, '.');
		buf_int(buf, place[i]);
	}
	return base64url(req->arena, buf->p, buf->n);
}

int
cursor_read(struct req *req, struct str cursor, int64_t *place, size_t n)
{
	struct str text;
	bool good;

	if (!str_present(cursor))
		return 0;
	good = base64url_decode(req->arena, cursor, &text);
	for (size_t i = 0; i < n && good; i++)
		good = str_id(str_cut(&text, '.'), &place[i]);
	if (good && !text.p)
		return 0;
	return req_invalid(req, "cursor", "format", "The cursor is not one that this route gave.");
}
