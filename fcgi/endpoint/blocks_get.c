/* fcgi/endpoint/blocks_get.c -- whom I have blocked, newest first. */
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "store/block.h"

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 128),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static int
reply_page(struct req *req, const struct block *blocks, size_t n, const struct block_cursor *next)
{
	const int64_t place[] = { next->created_at, next->id };
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
	json_str(w, "next_cursor", next->id ? cursor_write(req, place, 2) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
blocks_get(struct req *req)
{
	int64_t place[2] = { 0 };
	struct block_cursor next;
	struct query in = { 0 };
	struct block *blocks;
	int64_t limit;
	size_t n;
	int r;

	r = req_query(req, query_fields, &in);
	if (r)
		return r;
	r = cursor_read(req, in.cursor, place, 2);
	if (r)
		return r;
	r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = block_list(req->db, req->arena, req->me, &(struct block_cursor){ place[0], place[1] }, limit, &blocks, &n,
	               &next);
	if (r)
		return trace(r);
	return reply_page(req, blocks, n, &next);
}

const struct endpoint blocks_get_endpoint = {
	.method = "GET",
	.path = "/blocks",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_PROFILE_READ,
	.fn = blocks_get,
	.doc = "Whom I have blocked, newest first.",
};
