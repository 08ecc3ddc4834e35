/* fcgi/endpoint/scheduled_get.c -- what I have scheduled, soonest first; what could not be sent is still there. */
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "store/schedule.h"

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static int
scheduled_get(struct req *req)
{
	int64_t limit, place[2] = { 0 }; /* send_at, id */
	struct scheduled *items;
	struct query in = { 0 };
	struct json_out *w;
	size_t found, n;
	int r;

	r = req_query(req, query_fields, &in);
	if (!r)
		r = cursor_read(req, in.cursor, place, 2);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (!r)
		r = schedule_list(req->db, req->arena, req->me, place[0], place[1], limit, &items, &found);
	if (r)
		return trace(r);
	n = found > (size_t)limit ? (size_t)limit : found;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++) {
		json_raw(w, NULL, items[i].json);
		place[0] = items[i].send_at;
		place[1] = items[i].id;
	}
	json_close(w);
	json_str(w, "next_cursor", found > n ? cursor_write(req, place, 2) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

const struct endpoint scheduled_get_endpoint = {
	.method = "GET",
	.path = "/scheduled",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = scheduled_get,
	.doc = "What I have scheduled, soonest first, with what could not be sent.",
};
