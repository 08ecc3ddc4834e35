/*
 * fcgi/endpoint/media_original_get.c -- a download: membership is checked here, and nginx sends the file.
 *
 * A link that `<a download>` follows carries no Authorization header, so it may carry a token of its own instead (lib/wire/link.h).
 * Of a picture and of sound the first rendition is what there is.
 */
#include <errno.h>

#include "fcgi/auth.h"
#include "fcgi/rate.h"
#include "fcgi/reply.h"
#include "store/attachment.h"
#include "wire/link.h"

struct query {
	struct str token;
};

static const struct field query_fields[] = { STR_FIELD(struct query, token, .max = 256), { 0 } };

static int
who(struct req *req)
{
	struct query in = { 0 };
	int r;

	r = req_query(req, query_fields, &in);
	if (r)
		return r;
	if (!str_present(in.token))
		return auth_who(req);
	return link_download_user(req->arena, req->attachment, in.token, req->now, &req->me);
}

static bool
attr_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("!#$&+-.^_`|~", c);
}

static size_t
last_dot(struct str name)
{
	size_t dot = 0;

	for (size_t i = 1; i < name.n; i++)
		if (name.p[i] == '.')
			dot = i;
	return dot ? dot : name.n;
}

/* RFC 6266: the name in ASCII for old agents, and in UTF-8 (RFC 8187). */
static struct str
disposition(struct req *req, struct str name)
{
	struct buf *b = req_scratch(req);

	buf_str(b, STR("attachment; filename=\""));
	for (size_t i = 0; i < name.n; i++)
		buf_char(b, name.p[i] >= ' ' && name.p[i] < 0x7f && name.p[i] != '"' && name.p[i] != '\\' && name.p[i] != '%'
		                    ? name.p[i]
		                    : '_');
	buf_str(b, STR("\"; filename*=UTF-8''"));
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c && attr_char(c))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
	return arena_str(req->arena, buf_view(b));
}

static struct str
member(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? str_n(json_string_value(v), json_string_length(v)) : STR_NONE;
}

/* What is sent, and under which name. What was made here has the extension of what it is; a file keeps its own. */
struct download {
	struct str file, mime, name;
};

static int
choose(struct req *req, const json_t *a, struct download *ret)
{
	const json_t *first = json_array_get(json_object_get(a, "renditions"), 0);
	struct str name = member(a, "name"), rendition = member(first, "name"), kind = member(a, "kind");
	const char *extension;

	/* a film that browsers do not play is kept as it came, like a file */
	if (str_eq(kind, STR("file")) || (str_eq(kind, STR("video")) && !str_eq(rendition, STR("video")))) {
		*ret = (struct download){ STR("original"), STR("application/octet-stream"),
			                  str_present(name) ? name : kind };
		return 0;
	}
	if (!str_present(rendition))
		return fault(-EBADMSG);
	extension = link_extension(rendition);
	name = str_present(name) ? str_n(name.p, last_dot(name)) : str_eq(kind, STR("image")) ? STR("picture") : kind;
	ret->file = arena_printf(req->arena, "%.*s.%s", STR_ARG(rendition), extension);
	ret->mime = member(first, "mime");
	ret->name = arena_printf(req->arena, "%.*s.%s", STR_ARG(name), extension);
	return 0;
}

static int
send_by_nginx(struct req *req, const json_t *a)
{
	struct download d = { 0 };
	int r = choose(req, a, &d);

	if (r)
		return trace(r);
	req->status = 200;
	req->content_type = arena_cstr(req->arena, d.mime);
	buf_clear(&req->out);
	reply_header(req, "Content-Disposition", disposition(req, d.name));
	reply_header(req, "X-Accel-Redirect",
	             arena_printf(req->arena, "/_peal/ren/%.2s/%.*s/%.*s", req->attachment.p, STR_ARG(req->attachment),
	                          STR_ARG(d.file)));
	return 0;
}

static int
media_original_get(struct req *req)
{
	struct json_report report;
	struct attachment a;
	json_t *json;
	int r;

	r = who(req);
	if (r)
		return trace(r);
	req_act_for(req, req->me);
	r = rate_user(req);
	if (r)
		return r;
	r = attachment_get(req->db, req->arena, req->me, req->attachment, &a);
	if (r)
		return trace(r);
	r = json_parse(req->arena, a.json, &json, &report);
	if (r)
		return fault(-EBADMSG);
	/* while it is processing there is nothing yet, and of what has failed there never was */
	return str_eq(member(json, "state"), STR("ready")) ? send_by_nginx(req, json) : NOT_FOUND;
}

const struct endpoint media_original_get_endpoint = {
	.method = "GET",
	.path = "/media/{attachment}/original",
	.who = WHO_ANYONE, /* the handler asks: there are two ways to say who */
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = media_original_get,
	.doc = "Download an attachment.",
};
