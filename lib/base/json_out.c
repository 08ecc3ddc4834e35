/* json_out -- the writer and its scope stack. */
#include "json_out.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"

enum scope { SCOPE_OBJECT = 1, SCOPE_ARRAY = 2 };

/* What stands for a byte inside a string: 0 itself, 'u' \u00xx, otherwise a backslash and this letter. */
static const char escapes[256] = {
	[0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u', [0x04] = 'u', [0x05] = 'u',  [0x06] = 'u',
	[0x07] = 'u', [0x08] = 'b', [0x09] = 't', [0x0A] = 'n', [0x0B] = 'u', [0x0C] = 'f',  [0x0D] = 'r',
	[0x0E] = 'u', [0x0F] = 'u', [0x10] = 'u', [0x11] = 'u', [0x12] = 'u', [0x13] = 'u',  [0x14] = 'u',
	[0x15] = 'u', [0x16] = 'u', [0x17] = 'u', [0x18] = 'u', [0x19] = 'u', [0x1A] = 'u',  [0x1B] = 'u',
	[0x1C] = 'u', [0x1D] = 'u', [0x1E] = 'u', [0x1F] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

static _Noreturn void
misuse(const char *what, const char *key)
{
	LOG(ERROR, "json_misuse", L_CSTR("what", what), L_CSTR("key", key));
	abort();
}

static void
write_escape(struct buf *b, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char text[6] = { '\\', escapes[c], '0', '0', digits[c >> 4], digits[c & 15] };

	buf_add(b, text, escapes[c] == 'u' ? 6 : 2);
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Nothing among these eight bytes needs an escape: no control character, no quote, no backslash. */
static inline bool
plain8(const char *p)
{
	uint64_t v, quote, backslash;

	memcpy(&v, p, sizeof(v));
	quote = v ^ EACH('"');
	backslash = v ^ EACH('\\');
	return !((((v - EACH(0x20)) & ~v) | ((quote - EACH(1)) & ~quote) | ((backslash - EACH(1)) & ~backslash)) &
	         EACH(0x80));
}

static size_t
plain_run(struct str s, size_t from)
{
	while (from + 8 <= s.n && plain8(s.p + from))
		from += 8;
	while (from < s.n && !escapes[(unsigned char)s.p[from]])
		from++;
	return from;
}

static void
write_string(struct buf *b, struct str s)
{
	size_t from = 0;

	buf_char(b, '"');
	for (;;) {
		size_t to = plain_run(s, from);

		buf_add(b, s.p + from, to - from);
		if (to == s.n)
			break;
		write_escape(b, (unsigned char)s.p[to]);
		from = to + 1;
	}
	buf_char(b, '"');
}

/* The whole key in one piece, but for one that needs an escape: ours never do. */
static void
write_key(struct buf *b, bool comma, const char *key)
{
	size_t n = strlen(key);
	char *start, *to;

	if (comma)
		buf_char(b, ',');
	if (plain_run(str_n(key, n), 0) < n) {
		write_string(b, str_n(key, n));
		buf_char(b, ':');
		return;
	}
	start = to = buf_reserve(b, n + 3);
	if (!to)
		return;
	*to++ = '"';
	to = (char *)memcpy(to, key, n) + n;
	*to++ = '"';
	*to++ = ':';
	buf_commit(b, (size_t)(to - start));
}

/* Everything before a value: the comma and the key, when this place has them. */
static void
begin_value(struct json_out *w, const char *key)
{
	bool in_object = w->depth && w->kind[w->depth - 1] == SCOPE_OBJECT;

	if (in_object && !key)
		misuse("value without key in object", key);
	if (!in_object && key)
		misuse("key outside object", key);
	if (!w->depth && w->comma)
		misuse("second document", key);
	if (key)
		write_key(w->buf, w->comma, key);
	else if (w->comma)
		buf_char(w->buf, ',');
	w->comma = true;
}

static void
open_scope(struct json_out *w, const char *key, enum scope kind)
{
	begin_value(w, key);
	if (w->depth == JSON_OUT_DEPTH_MAX)
		misuse("too deep", key);
	w->kind[w->depth++] = kind;
	w->comma = false;
	buf_char(w->buf, kind == SCOPE_OBJECT ? '{' : '[');
}

void
json_begin(struct json_out *w, struct buf *b)
{
	*w = (struct json_out){ .buf = b };
}

void
json_open_object(struct json_out *w, const char *key)
{
	open_scope(w, key, SCOPE_OBJECT);
}

void
json_open_array(struct json_out *w, const char *key)
{
	open_scope(w, key, SCOPE_ARRAY);
}

void
json_close(struct json_out *w)
{
	if (!w->depth)
		misuse("nothing to close", NULL);
	w->depth--;
	buf_char(w->buf, w->kind[w->depth] == SCOPE_OBJECT ? '}' : ']');
	w->comma = true;
}

void
json_end(struct json_out *w)
{
	if (w->depth)
		misuse("not closed", NULL);
	if (!w->comma)
		misuse("empty document", NULL);
}

void
json_str(struct json_out *w, const char *key, struct str s)
{
	begin_value(w, key);
	if (str_present(s))
		write_string(w->buf, s);
	else
		buf_str(w->buf, STR("null"));
}

void
json_cstr(struct json_out *w, const char *key, const char *s)
{
	json_str(w, key, str_c(s));
}

void
json_int(struct json_out *w, const char *key, int64_t v)
{
	begin_value(w, key);
	buf_int(w->buf, v);
}

void
json_id(struct json_out *w, const char *key, int64_t v)
{
	char text[STR_INT64_MAX + 2], *to = text;

	begin_value(w, key);
	*to++ = '"';
	to = str_put_int64(to, v);
	*to++ = '"';
	buf_add(w->buf, text, (size_t)(to - text));
}

void
json_id_or_null(struct json_out *w, const char *key, int64_t v)
{
	if (v)
		json_id(w, key, v);
	else
		json_put_null(w, key);
}

void
json_bool(struct json_out *w, const char *key, bool v)
{
	begin_value(w, key);
	buf_str(w->buf, v ? STR("true") : STR("false"));
}

void
json_put_null(struct json_out *w, const char *key)
{
	begin_value(w, key);
	buf_str(w->buf, STR("null"));
}

void
json_time(struct json_out *w, const char *key, int64_t wall_us)
{
	char text[CLOCK_RFC3339_MAX];

	json_str(w, key, wall_us ? clock_rfc3339(wall_us, text) : STR_NULL);
}

void
json_raw(struct json_out *w, const char *key, struct str json)
{
	if (!json.n)
		misuse("empty raw value", key);
	begin_value(w, key);
	buf_str(w->buf, json);
}
