/* fcgi/endpoint/message_star.c -- my star on a message, and the messages that have it. */
#include "fcgi/changed.h"
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "store/detail.h"

static int
star(struct req *req, bool on)
{
	struct place at = changed_place(req);
	struct change change;
	int r = change_star(req->db, req->arena, &at, on, &change);

	return r ? trace(r) : changed_reply(req, 'u', &change);
}

static int
message_star_post(struct req *req)
{
	return star(req, true);
}

static int
message_star_delete(struct req *req)
{
	return star(req, false);
}

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 128),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static int
reply_page(struct req *req, const struct message *items, size_t n, const struct star_cursor *next)
{
	const int64_t place[] = { next->starred_at, next->conversation_id, next->seq };
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		view_message(w, NULL, &items[i], req->me);
	json_close(w);
	json_str(w, "next_cursor", next->starred_at ? cursor_write(req, place, 3) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
messages_starred_get(struct req *req)
{
	int64_t place[3] = { 0 }, limit;
	struct star_cursor next;
	struct message *items;
	struct query in = { 0 };
	size_t n;
	int r;

	r = req_query(req, query_fields, &in);
	if (!r)
		r = cursor_read(req, in.cursor, place, 3);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = detail_starred(req->db, req->arena, req->me, &(struct star_cursor){ place[0], place[1], place[2] }, limit,
	                   &items, &n, &next);
	return r ? trace(r) : reply_page(req, items, n, &next);
}

const struct endpoint message_star_post_endpoint = {
	.method = "POST",
	.path = "/messages/{message}/star",
	.who = WHO_MEMBER,
	.rate = RATE_MARK,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_star_post,
	.doc = "Put my star on a message.",
};

const struct endpoint message_star_delete_endpoint = {
	.method = "DELETE",
	.path = "/messages/{message}/star",
	.who = WHO_MEMBER,
	.rate = RATE_MARK,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_star_delete,
	.doc = "Take my star away.",
};

const struct endpoint messages_starred_get_endpoint = {
	.method = "GET",
	.path = "/messages/starred",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = messages_starred_get,
	.doc = "Messages that I starred and still see, newest star first.",
};
