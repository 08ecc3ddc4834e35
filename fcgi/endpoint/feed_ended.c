/* fcgi/endpoint/feed_ended.c -- sessions that have ended, for the push daemon, which closes their sockets. */
#include "fcgi/reply.h"
#include "store/account.h"
#include "wire/feed.h"

struct body {
	struct str since;
};

static const struct field body_fields[] = { STR_FIELD(struct body, since, .max = 32, .required = 1, .nullable = 1), { 0 } };

static struct buf *
write_records(struct req *req, const struct revocations *r)
{
	struct buf *records = req_scratch(req);

	for (size_t i = 0; i < r->n; i++) {
		const struct feed_header h = { .kind = FEED_ENDED, .stream = 'u', .id = r->items[i].user_id };

		feed_write_header(records, &h);
		feed_write_ended(records, FEED_ENDED_ONE, r->items[i].session_id);
		buf_char(records, '\n');
	}
	return records;
}

static int
feed_ended(struct req *req)
{
	struct revocations ended;
	struct body in = { 0 };
	int64_t horizon = 0;
	struct json_out *w;
	struct buf *records;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	if (str_present(in.since) && (!str_int64(in.since, &horizon) || horizon < 0))
		return req_invalid(req, "/since", "format", "A horizon is what an earlier answer said.");
	r = account_revoked(req->db, req->arena, horizon, &ended);
	if (r)
		return trace(r);
	records = write_records(req, &ended);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_str(w, "since", arena_printf(req->arena, "%lld", (long long)ended.horizon));
	json_close(w);
	return reply_end_line(req, buf_view(records));
}

const struct endpoint feed_ended_endpoint = {
	.method = "POST",
	.path = "/feed/ended",
	.who = WHO_DAEMON,
	.pool = POOL_FEED,
	.body = BODY_FEED,
	.rate = RATE_NONE,
	.fn = feed_ended,
	.doc = "Sessions that have ended since.",
};
