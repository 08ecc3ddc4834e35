/* fcgi/endpoint/message_receipts_get.c -- who has got a message, and who has read it. */
#include "fcgi/changed.h"
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "store/detail.h"

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 128),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static int
reply_receipts(struct req *req, const struct receipt *items, size_t n, bool more)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++) {
		json_open_object(w, NULL);
		json_id(w, "user_id", items[i].user_id);
		json_cstr(w, "status", items[i].read ? "read" : "delivered");
		json_time(w, "delivered_at", items[i].delivered_at);
		json_time(w, "read_at", items[i].read ? items[i].read_at : 0);
		json_close(w);
	}
	json_close(w);
	json_str(w, "next_cursor", more ? cursor_write(req, &items[n - 1].user_id, 1) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
message_receipts_get(struct req *req)
{
	struct place at = changed_place(req);
	int64_t after = 0, limit;
	struct query in = { 0 };
	struct receipt *items;
	bool more;
	size_t n;
	int r;

	r = req_query(req, query_fields, &in);
	if (!r)
		r = cursor_read(req, in.cursor, &after, 1);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = detail_receipts(req->db, req->arena, &at, after, limit, &items, &n, &more);
	return r ? trace(r) : reply_receipts(req, items, n, more);
}

const struct endpoint message_receipts_get_endpoint = {
	.method = "GET",
	.path = "/messages/{message}/receipts",
	.who = WHO_MEMBER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = message_receipts_get,
	.doc = "The members who have got a message, and since when; the same for having read it.",
};
