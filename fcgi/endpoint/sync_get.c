/* fcgi/endpoint/sync_get.c -- what happened since, for devices that hold no socket. */
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/event.h"

#define PAGE_BYTES ((size_t)256 * 1024)

struct query {
	struct str since;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, since, .max = 256),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

/* The frames of records, which are two lines each. */
static void
events(struct json_out *w, struct str records)
{
	json_open_array(w, "events");
	while (records.n) {
		(void)str_cut(&records, '\n');
		json_raw(w, NULL, str_cut(&records, '\n'));
	}
	json_close(w);
}

static int
reply_sync(struct req *req, const struct event_sync *sync, struct str records)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_cstr(w, "mode", sync->fresh ? "fresh" : "resume");
	if (str_present(sync->heads))
		json_raw(w, "heads", sync->heads);
	else
		json_put_null(w, "heads");
	events(w, records);
	json_bool(w, "more", sync->more);
	json_str(w, "since", sync->since);
	json_close(w);
	return reply_end(req);
}

static int
sync_get(struct req *req)
{
	struct buf *records = req_scratch(req);
	struct event_sync sync;
	struct query in = { 0 };
	int64_t limit;
	int r;

	r = req_query(req, query_fields, &in);
	if (r)
		return r;
	r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = event_sync(req->db, req->arena, req->conf, req->me, req->session, in.since, (size_t)limit, PAGE_BYTES, records,
	               &sync);
	if (r == INVALID)
		return req_invalid(req, "since", "format", "This is not a place that an answer gave.");
	if (r)
		return trace(r);
	publish_delivered_later(req, sync.moved, sync.moved_n);
	return reply_sync(req, &sync, buf_view(records));
}

const struct endpoint sync_get_endpoint = {
	.method = "GET",
	.path = "/sync",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = sync_get,
	.doc = "What happened since: heads and events, page by page.",
};
