/* fcgi/endpoint/conversations_get.c -- my conversations, pinned ones first, then newest activity first. */
#include "base/bytes.h"
#include "fcgi/reply.h"
#include "store/conversation.h"

struct query {
	struct str cursor;
	struct opt_int limit;
	struct opt_bool archived;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     BOOL_FIELD(struct query, archived),
	                                     { 0 } };

/* A cursor is "<pinned>.<updated_at>.<id>" as base64url: the place in the order of the list where the page before ended. */
static struct str
cursor_write(struct arena *arena, const struct conversation_cursor *c)
{
	struct str text;

	if (!c->given)
		return STR_NONE;
	text = arena_printf(arena, "%d.%lld.%lld", c->pinned, (long long)c->updated_at, (long long)c->id);
	return base64url(arena, text.p, text.n);
}

static bool
cursor_read(struct arena *arena, struct str cursor, struct conversation_cursor *ret)
{
	struct str text, pinned;

	if (!base64url_decode(arena, cursor, &text))
		return false;
	pinned = str_cut(&text, '.');
	ret->given = true;
	ret->pinned = str_eq(pinned, STR("1"));
	return (ret->pinned || str_eq(pinned, STR("0"))) && str_id(str_cut(&text, '.'), &ret->updated_at) &&
	       str_id(text, &ret->id);
}

static int
conversations_get(struct req *req)
{
	struct conversation_cursor from = { 0 }, next;
	struct conversation *conversations;
	struct query in = { 0 };
	struct json_out *w;
	int64_t limit;
	size_t n;
	int r;

	r = req_query(req, query_fields, &in);
	if (r)
		return r;
	if (str_present(in.cursor) && !cursor_read(req->arena, in.cursor, &from))
		return req_invalid(req, "cursor", "format", "The cursor is not one that this route gave.");
	r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = conversation_list(req->db, req->arena, req->me, &from, limit, in.archived.v, &conversations, &n, &next);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		view_conversation(w, NULL, &conversations[i], req->me);
	json_close(w);
	json_str(w, "next_cursor", cursor_write(req->arena, &next));
	json_close(w);
	return reply_end(req);
}

const struct endpoint conversations_get_endpoint = {
	.method = "GET",
	.path = "/conversations",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_CONVERSATIONS_READ,
	.fn = conversations_get,
	.doc = "My conversations, pinned ones first, then newest activity first.",
};
