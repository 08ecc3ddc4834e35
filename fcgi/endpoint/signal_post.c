/*
 * fcgi/endpoint/signal_post.c -- WebRTC signalling: passed on to those who may hear me in this conversation, now, or to nobody.
 *
 * Nothing is kept of it, and the payload is not looked at. Who is on the other side is decided anew for each signal, so whoever was
 * removed or blocked in the middle of a call neither hears nor is heard. What remains of a call is the message of type call that
 * one side sends.
 */
#include "fcgi/publish.h"
#include "fcgi/reply.h"

struct body {
	struct str call_id, kind;
	int64_t to;
	json_t *payload;
};

static const char *const kinds[] = { "offer", "answer", "candidate", "hangup", NULL };

static const struct field body_fields[] = { STR_FIELD(struct body, call_id, .min = 1, .max = 64, .required = 1),
	                                    ENUM_FIELD(struct body, kind, .words = kinds, .required = 1),
	                                    ID_FIELD(struct body, to),
	                                    JSON_FIELD(struct body, payload, .required = 1),
	                                    { 0 } };

/* The one it is for, if it is for one: somebody who hears me here, or NOT_FOUND. */
static int
narrow(struct hearers *hearers, int64_t to)
{
	for (size_t i = 0; to && i < hearers->n; i++) {
		if (hearers->ids[i] != to)
			continue;
		*hearers = (struct hearers){ .ids = hearers->ids + i, .n = 1 };
		return 0;
	}
	return to ? NOT_FOUND : 0;
}

/* My other devices ring as well, or believe the call to go on: they hear that I took it, or ended it. */
static struct hearers
with_me(struct req *req, struct hearers hearers)
{
	int64_t *ids = arena_alloc_array(req->arena, hearers.n + 1, sizeof(*ids));

	if (hearers.n)
		memcpy(ids, hearers.ids, hearers.n * sizeof(*ids));
	ids[hearers.n] = req->me;
	return (struct hearers){ .ids = ids, .n = hearers.n + 1 };
}

static int
signal_post(struct req *req)
{
	struct body in = { 0 };
	struct hearers hearers;
	struct signal signal;
	char *payload;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	if (!json_is_object(in.payload))
		return req_invalid(req, "/payload", "type", "A payload is an object.");
	r = conversation_typing_hearers(req->db, req->arena, req->me, req->conversation, req->conf->typing_max_members,
	                                &hearers);
	if (!r)
		r = narrow(&hearers, in.to);
	if (r)
		return trace(r);
	payload = json_dumps(in.payload, JSON_COMPACT);
	arena_defer(req->arena, free, payload);
	signal = (struct signal){ in.call_id, in.kind, in.to, str_c(payload) };
	if (str_eq(in.kind, STR("answer")) || str_eq(in.kind, STR("hangup")))
		hearers = with_me(req, hearers);
	publish_signal(req, &signal, hearers);
	return reply_empty(req);
}

const struct endpoint signal_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/signals",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_TYPING,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = signal_post,
	.doc = "A signal of a call, for those in this conversation.",
};
