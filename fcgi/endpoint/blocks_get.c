/* fcgi/endpoint/blocks_get.c -- whom I have blocked, newest first. */
#include "base/bytes.h"
#include "fcgi/reply.h"
#include "store/block.h"

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 128),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

/* A cursor is "<created_at>.<id>" as base64url: the place in the list where the page before ended. */
static struct str
cursor_write(struct arena *arena, const struct block_cursor *c)
{
	struct str text;

	if (!c->id)
		return STR_NONE;
	text = arena_printf(arena, "%lld.%lld", (long long)c->created_at, (long long)c->id);
	return base64url(arena, text.p, text.n);
}

static bool
cursor_read(struct arena *arena, struct str cursor, struct block_cursor *ret)
{
	struct str text;

	return base64url_decode(arena, cursor, &text) && str_id(str_cut(&text, '.'), &ret->created_at) &&
	       str_id(text, &ret->id);
}

static int
reply_page(struct req *req, const struct block *blocks, size_t n, const struct block_cursor *next)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++) {
		json_open_object(w, NULL);
		view_user(w, "user", &blocks[i].user);
		json_time(w, "created_at", blocks[i].created_at);
		json_close(w);
	}
	json_close(w);
	json_str(w, "next_cursor", cursor_write(req->arena, next));
	json_close(w);
	return reply_end(req);
}

static int
blocks_get(struct req *req)
{
	struct block_cursor from = { 0 }, next;
	struct query in = { 0 };
	struct block *blocks;
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
	r = block_list(req->db, req->arena, req->me, &from, limit, &blocks, &n, &next);
	if (r)
		return trace(r);
	return reply_page(req, blocks, n, &next);
}

const struct endpoint blocks_get_endpoint = {
	.method = "GET",
	.path = "/blocks",
	.who = WHO_USER,
	.fn = blocks_get,
	.doc = "Whom I have blocked, newest first.",
};
