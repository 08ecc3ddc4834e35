/* fcgi/endpoint/feed_replay.c -- the next page of a replay; the plan is its whole state. */
#include "fcgi/reply.h"
#include "store/event.h"

#define PAGE_EVENTS 50
#define PAGE_BYTES  ((size_t)128 * 1024)

struct body {
	int64_t user_id;
	struct str plan;
};

static const struct field body_fields[] = { ID_FIELD(struct body, user_id, .required = 1),
	                                    STR_FIELD(struct body, plan, .max = INT32_MAX, .required = 1),
	                                    { 0 } };

static int
feed_replay(struct req *req)
{
	struct buf *records = req_scratch(req);
	struct body in = { 0 };
	struct json_out *w;
	struct str plan;
	size_t n;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	req_act_for(req, in.user_id);
	r = event_replay(req->db, req->arena, in.user_id, in.plan, PAGE_EVENTS, PAGE_BYTES, records, &n, &plan);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_str(w, "plan", plan.p ? plan : STR(""));
	json_close(w);
	return reply_end_line(req, buf_view(records));
}

const struct endpoint feed_replay_endpoint = {
	.method = "POST",
	.path = "/feed/replay",
	.who = WHO_DAEMON,
	.pool = POOL_FEED,
	.body = BODY_FEED,
	.rate = RATE_NONE,
	.fn = feed_replay,
	.doc = "The next page of a replay.",
};
