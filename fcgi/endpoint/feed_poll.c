/* fcgi/endpoint/feed_poll.c -- what is in the log, for all: how the push daemon hears while Redis is away. */
#include "fcgi/reply.h"
#include "store/event.h"

#define PAGE_EVENTS 500

struct body {
	struct str since;
};

static const struct field body_fields[] = { STR_FIELD(struct body, since, .max = 512, .required = 1, .nullable = 1), { 0 } };

static int
feed_poll(struct req *req)
{
	struct buf *records = req_scratch(req);
	struct body in = { 0 };
	struct json_out *w;
	struct str since;
	bool more = false;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = event_poll(req->db, req->arena, str_present(in.since) ? in.since : STR_NONE, PAGE_EVENTS, records, &since,
	               &more);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_str(w, "since", since);
	json_bool(w, "more", more);
	json_close(w);
	return reply_end_line(req, buf_view(records));
}

const struct endpoint feed_poll_endpoint = {
	.method = "POST",
	.path = "/feed/poll",
	.who = WHO_DAEMON,
	.pool = POOL_FEED,
	.body = BODY_FEED,
	.rate = RATE_NONE,
	.fn = feed_poll,
	.doc = "Everything in the log at or after a horizon, with recipients.",
};
