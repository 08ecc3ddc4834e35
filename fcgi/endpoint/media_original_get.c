/*
 * fcgi/endpoint/media_original_get.c -- a download: membership is checked here, and nginx sends the file.
 *
 * A link that `<a download>` follows carries no Authorization header, so it may carry a token of its own instead (lib/wire/link.h).
 * Of a picture the largest rendition is what there is.
 */
#include <errno.h>

#include "fcgi/auth.h"
#include "fcgi/rate.h"
#include "fcgi/reply.h"
#include "store/attachment.h"
#include "wire/link.h"

#define FALLBACK_NAME "picture"

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

/* RFC 6266: the name in ASCII for old agents, and in UTF-8 (RFC 8187). The extension is that of what is sent. */
static struct str
disposition(struct req *req, struct str name)
{
	struct buf *b = req_scratch(req);
	size_t dot = name.n;

	for (size_t i = 1; i < name.n; i++)
		if (name.p[i] == '.')
			dot = i;
	name = dot ? str_n(name.p, dot) : STR(FALLBACK_NAME);
	buf_str(b, STR("attachment; filename=\""));
	for (size_t i = 0; i < name.n; i++)
		buf_char(b, name.p[i] >= ' ' && name.p[i] < 0x7f && name.p[i] != '"' && name.p[i] != '\\' && name.p[i] != '%'
		                    ? name.p[i]
		                    : '_');
	buf_str(b, STR(".webp\"; filename*=UTF-8''"));
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c && attr_char(c))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
	buf_str(b, STR(".webp"));
	return arena_str(req->arena, buf_view(b));
}

/* The first rendition is the largest. */
static int
send_by_nginx(struct req *req, json_t *a)
{
	const json_t *name = json_object_get(a, "name");
	const char *rendition =
	        json_string_value(json_object_get(json_array_get(json_object_get(a, "renditions"), 0), "name"));

	if (!rendition)
		return fault(-EBADMSG);
	req->status = 200;
	req->content_type = "image/webp";
	buf_clear(&req->out);
	reply_header(
	        req, "Content-Disposition",
	        disposition(req, json_is_string(name) ? str_n(json_string_value(name), json_string_length(name)) : STR("")));
	reply_header(req, "X-Accel-Redirect",
	             arena_printf(req->arena, "/_peal/ren/%.2s/%.*s/%s.webp", req->attachment.p, STR_ARG(req->attachment),
	                          rendition));
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
	return r ? fault(-EBADMSG) : send_by_nginx(req, json);
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
