/* media/incoming.c -- the query, the body or its form, the first bytes. */
#include <errno.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "base/err.h"
#include "incoming.h"
#include "multipart.h"

#define CHUNK 65536

struct str
upload_param(const struct upload *u, const char *name)
{
	struct str value = str_c(FCGX_GetParam(name, u->params));

	return value.n ? value : STR_NONE;
}

static int
invalid(struct upload *u, const char *path, const char *code, const char *message)
{
	u->report = (struct json_report){ .path = str_c(path), .code = code, .message = message };
	return INVALID;
}

static int
take_query(struct upload *u, struct str name, struct str value, struct incoming *in)
{
	struct str text;

	if (!str_percent_decode(u->arena, str_present(value) ? value : STR(""), true, &text) || !str_utf8_valid(text))
		return str_eq(name, STR("filename")) || str_eq(name, STR("quality"))
		               ? invalid(u, "?filename", "format", "This is not percent-encoded UTF-8.")
		               : 0;
	if (str_eq(name, STR("filename")))
		in->name = text;
	if (!str_eq(name, STR("quality")))
		return 0;
	in->hd = str_eq(text, STR("hd"));
	return in->hd || str_eq(text, STR("standard")) ? 0 : invalid(u, "?quality", "word", "Quality is standard or hd.");
}

static int
read_query(struct upload *u, struct incoming *in)
{
	struct str query = upload_param(u, "REQUEST_URI");

	str_cut(&query, '?');
	while (str_present(query)) {
		struct str value = str_cut(&query, '&'), name = str_cut(&value, '=');
		int r = take_query(u, name, value, in);

		if (r)
			return r;
	}
	return 0;
}

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

/* nginx makes no file for an empty body. */
static int
open_body(struct upload *u, struct incoming *in)
{
	struct str path = upload_param(u, "PEAL_BODY_FILE");
	int r;

	if (!str_present(path))
		return EMPTY;
	r = store_body(u->store, u->arena, path, &in->fd, &in->size);
	if (r)
		return trace(r);
	arena_defer(u->arena, close_fd, (void *)(intptr_t)in->fd);
	in->whole = true;
	return in->size ? 0 : EMPTY;
}

/* The place of the part `file`; nothing is copied. */
static int
find_part(struct upload *u, struct incoming *in)
{
	struct multipart *m = arena_new_of(u->arena, struct multipart);
	char *bytes = arena_alloc(u->arena, CHUNK);
	uint64_t at = 0;
	ssize_t n;

	if (!multipart_begin(m, upload_param(u, "CONTENT_TYPE")))
		return BAD_REQUEST;
	while ((n = pread(in->fd, bytes, CHUNK, (off_t)at)) > 0 && multipart_feed(m, bytes, (size_t)n))
		at += (uint64_t)n;
	if (n < 0)
		return fault(-errno);
	if (at != in->size || !multipart_end(m))
		return m->found || at != in->size ? BAD_REQUEST : EMPTY;
	in->offset = m->offset;
	in->size = m->size;
	in->whole = false;
	if (m->name_n && str_utf8_valid(str_n(m->name, m->name_n)))
		in->name = str_n(m->name, m->name_n);
	return m->size ? 0 : EMPTY;
}

static bool
is_form(struct str content_type)
{
	return str_eq_ascii_case(str_trim(str_cut(&content_type, ';')), STR("multipart/form-data"));
}

static int
look(struct incoming *in, uint64_t most)
{
	char head[SNIFF_BYTES];
	ssize_t n;

	if (in->size > most)
		return TOO_LARGE;
	n = pread(in->fd, head, in->size < sizeof(head) ? in->size : sizeof(head), (off_t)in->offset);
	if (n < 0)
		return fault(-errno);
	in->sniffed = sniff(str_n(head, (size_t)n));
	return 0;
}

int
incoming_read(struct upload *u, uint64_t most, struct incoming *in)
{
	int r;

	*in = (struct incoming){ .name = STR_NONE, .fd = -1 };
	r = read_query(u, in);
	if (r)
		return r;
	r = open_body(u, in);
	if (r)
		return r;
	if (is_form(upload_param(u, "CONTENT_TYPE"))) {
		r = find_part(u, in);
		if (r)
			return r;
	}
	return look(in, most);
}
