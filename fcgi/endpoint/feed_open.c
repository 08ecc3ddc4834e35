/* fcgi/endpoint/feed_open.c -- a socket says hello: the heads, and the plan of its replay. */
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/event.h"

struct body {
	int64_t user_id;
	struct str session_id, device_id, since;
	json_t *cursors;
};

static const struct field body_fields[] = {
	ID_FIELD(struct body, user_id, .required = 1),    STR_FIELD(struct body, session_id, .required = 1),
	STR_FIELD(struct body, device_id, .nullable = 1), STR_FIELD(struct body, since, .max = 512, .nullable = 1),
	JSON_FIELD(struct body, cursors, .nullable = 1),  { 0 }
};

struct place {
	struct opt_int seq, rev;
};

static const struct field place_fields[] = { INT_FIELD(struct place, seq, .max = INT64_MAX, .required = 1),
	                                     INT_FIELD(struct place, rev, .max = INT64_MAX, .required = 1),
	                                     { 0 } };

/* {"12": {"seq": 881, "rev": 4}}: where the device is, per conversation. */
static int
read_cursors(struct req *req, json_t *json, struct cursor_in **ret, size_t *ret_n)
{
	struct cursor_in *cursors = arena_alloc_array(req->arena, json_object_size(json) + 1, sizeof(*cursors));
	const char *key;
	json_t *value;
	size_t n = 0;

	*ret = cursors;
	*ret_n = 0;
	if (!json || json_is_null(json))
		return 0;
	if (!json_is_object(json))
		return req_invalid(req, "/cursors", "type", "Cursors are an object.");
	json_object_foreach(json, key, value)
	{
		struct place at = { 0 };
		int r;

		if (!str_id(str_c(key), &cursors[n].conversation_id) || !json_is_object(value))
			return req_invalid(req, "/cursors", "format", "A cursor is the place in one conversation.");
		r = json_fill(req->arena, value, place_fields, &at, "/cursors", &req->report);
		if (r)
			return r;
		cursors[n].seq = at.seq.v;
		cursors[n++].rev = at.rev.v;
	}
	*ret_n = n;
	return 0;
}

static int
reply_opened(struct req *req, const struct event_open *opened)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_cstr(w, "mode", opened->fresh ? "fresh" : "resume");
	json_str(w, "since", opened->since);
	json_str(w, "plan", opened->plan.p ? opened->plan : STR(""));
	json_close(w);
	return reply_end_line(req, opened->heads);
}

static int
feed_open(struct req *req)
{
	struct cursor_in *cursors;
	struct event_open opened;
	struct body in = { 0 };
	size_t n;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = read_cursors(req, in.cursors, &cursors, &n);
	if (r)
		return r;
	req_act_for(req, in.user_id);
	r = event_open(req->db, req->arena, req->conf, in.user_id, in.session_id,
	               str_present(in.since) ? in.since : STR_NONE, cursors, n, &opened);
	if (r)
		return trace(r);
	publish_delivered_later(req, opened.moved, opened.moved_n);
	return reply_opened(req, &opened);
}

const struct endpoint feed_open_endpoint = {
	.method = "POST",
	.path = "/feed/open",
	.who = WHO_DAEMON,
	.pool = POOL_FEED,
	.body = BODY_FEED,
	.rate = RATE_NONE,
	.fn = feed_open,
	.doc = "A socket's heads and the plan of its replay.",
};
