/*
 * fcgi/endpoint/signal_post.c -- WebRTC signalling: passed on to those who may hear me in this conversation, now, or to nobody.
 *
 * The payload is neither kept nor looked at. Who is on the other side is decided anew for each signal, so whoever was removed or blocked
 * in the middle of a call neither hears nor is heard. That a call began, was answered and is over is noted (store/call.h) before anybody
 * hears it: the signal that ends one leaves the message of type call, and peal-jobs does when nobody hangs up.
 */
#include "base/fail.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/call.h"

struct body {
	struct str call_id, kind, media, reason;
	int64_t to;
	json_t *payload;
};

static const char *const kinds[] = { "offer", "answer", "candidate", "hangup", NULL };
static const char *const medias[] = { "audio", "video", NULL };
static const char *const reasons[] = { "busy", "failed", NULL };

static const struct field body_fields[] = { STR_FIELD(struct body, call_id, .min = 1, .max = CALL_ID_MAX, .required = 1),
	                                    ENUM_FIELD(struct body, kind, .words = kinds, .required = 1),
	                                    ENUM_FIELD(struct body, media, .words = medias),
	                                    ENUM_FIELD(struct body, reason, .words = reasons),
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

/* Candidates change nothing, and an offer that nobody can hear begins nothing. */
static int
note(struct req *req, const struct body *in, struct hearers hearers, struct call_record *ret)
{
	const struct call_signal signal = { in->call_id, in->kind, in->reason, str_eq(in->media, STR("video")), in->to };

	*ret = (struct call_record){ 0 };
	if (str_eq(in->kind, STR("candidate")) || (str_eq(in->kind, STR("offer")) && !hearers.n))
		return 0;
	return call_signal(req->db, req->arena, req->me, req->conversation, &signal, ret);
}

static int
signal_post(struct req *req)
{
	struct call_record record;
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
	if (!r)
		r = note(req, &in, hearers, &record);
	if (r == CONFLICT)
		req->detail = "They are calling you: answer that call.";
	if (r)
		return trace(r);
	payload = json_dumps(in.payload, JSON_COMPACT);
	arena_defer(req->arena, free, payload);
	signal = (struct signal){ in.call_id, in.kind, in.media, in.reason, in.to, str_c(payload) };
	if (str_eq(in.kind, STR("answer")) || str_eq(in.kind, STR("hangup")))
		hearers = with_me(req, hearers);
	FAILPOINT("signal.before_publish");
	publish_signal(req, &signal, hearers);
	if (record.seq)
		publish_log(req, 'c', req->conversation, record.seq + record.rev - 1, 1);
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
	.doc = "A signal of a call, for those in this conversation; the one that ends it leaves a message.",
};
