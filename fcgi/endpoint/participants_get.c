/* fcgi/endpoint/participants_get.c -- who is in a conversation, in the order in which they came. */
#include "base/bytes.h"
#include "fcgi/members.h"
#include "fcgi/reply.h"

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

/* A cursor is "<joined_position>.<user>" as base64url: the last one of the page before. */
static struct str
cursor_write(struct arena *arena, const struct member_cursor *c)
{
	struct str text;

	if (!c->given)
		return STR_NONE;
	text = arena_printf(arena, "%lld.%lld", (long long)c->position, (long long)c->user_id);
	return base64url(arena, text.p, text.n);
}

static bool
cursor_read(struct arena *arena, struct str cursor, struct member_cursor *ret)
{
	struct str text;

	ret->given = true;
	return base64url_decode(arena, cursor, &text) && str_int64(str_cut(&text, '.'), &ret->position) &&
	       ret->position >= 0 && str_id(text, &ret->user_id);
}

static int
parse(struct req *req, struct member_cursor *ret, int64_t *ret_limit)
{
	struct query in = { 0 };
	int r = req_query(req, query_fields, &in);

	if (r)
		return r;
	if (str_present(in.cursor) && !cursor_read(req->arena, in.cursor, ret))
		return req_invalid(req, "cursor", "format", "The cursor is not one that this route gave.");
	return req_limit(req, in.limit, ret_limit);
}

static int
participants_get(struct req *req)
{
	struct member_cursor from = { 0 }, next;
	struct member *members;
	struct json_out *w;
	int64_t limit;
	size_t n;
	int r;

	r = parse(req, &from, &limit);
	if (r)
		return r;
	r = member_list(req->db, req->arena, req->me, req->conversation, &from, limit, &members, &n, &next);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		view_member(w, NULL, &members[i]);
	json_close(w);
	json_str(w, "next_cursor", cursor_write(req->arena, &next));
	json_close(w);
	return reply_end(req);
}

const struct endpoint participants_get_endpoint = {
	.method = "GET",
	.path = "/conversations/{conversation}/participants",
	.who = WHO_MEMBER,
	.rate = RATE_READ,
	.scope = SCOPE_CONVERSATIONS_READ,
	.fn = participants_get,
	.doc = "Who is in it, with roles and marks, in the order in which they came.",
};
