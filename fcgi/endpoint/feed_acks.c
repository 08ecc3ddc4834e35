/* fcgi/endpoint/feed_acks.c -- what devices have received: delivered marks, and telling those who may see them. */
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/event.h"

#define ACKS_MAX 5000

struct body {
	json_t *acks;
};

static const struct field body_fields[] = { JSON_FIELD(struct body, acks, .required = 1), { 0 } };

struct ack {
	int64_t user_id, conversation_id;
	struct opt_int seq;
};

static const struct field ack_fields[] = { ID_FIELD(struct ack, user_id, .required = 1),
	                                   ID_FIELD(struct ack, conversation_id, .required = 1),
	                                   INT_FIELD(struct ack, seq, .max = INT64_MAX, .required = 1),
	                                   { 0 } };

static int
read_acks(struct req *req, json_t *json, struct ack_in **ret, size_t *ret_n)
{
	size_t n = json_array_size(json);
	struct ack_in *acks = arena_alloc_array(req->arena, n + 1, sizeof(*acks));

	if (!json_is_array(json) || n > ACKS_MAX)
		return req_invalid(req, "/acks", "type", "Acknowledgements are an array of at most 5,000.");
	for (size_t i = 0; i < n; i++) {
		struct ack ack = { 0 };
		int r;

		if (!json_is_object(json_array_get(json, i)))
			return req_invalid(req, "/acks", "type", "An acknowledgement is an object.");
		r = json_fill(req->arena, json_array_get(json, i), ack_fields, &ack, "/acks", &req->report);
		if (r)
			return r;
		acks[i] = (struct ack_in){ ack.user_id, ack.conversation_id, ack.seq.v };
	}
	*ret = acks;
	*ret_n = n;
	return 0;
}

static int
feed_acks(struct req *req)
{
	struct mark_moved *moved;
	struct body in = { 0 };
	struct ack_in *acks;
	size_t n, moved_n;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = read_acks(req, in.acks, &acks, &n);
	if (r)
		return r;
	r = event_acks(req->db, req->arena, acks, n, req->conf->marks_max_members, &moved, &moved_n);
	if (r)
		return trace(r);
	publish_delivered_later(req, moved, moved_n);
	return reply_empty(req);
}

const struct endpoint feed_acks_endpoint = {
	.method = "POST",
	.path = "/feed/acks",
	.who = WHO_DAEMON,
	.pool = POOL_FEED,
	.body = BODY_FEED,
	.rate = RATE_NONE,
	.fn = feed_acks,
	.doc = "Move delivered marks.",
};
