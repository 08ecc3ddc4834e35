/* fcgi/endpoint/message_post.c -- say something in a conversation, now or later. */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fail.h"
#include "fcgi/draft.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/call.h"
#include "store/schedule.h"

#define SEND_AT_MOST_US (INT64_C(366) * 86400 * 1000000)

struct post_body {
	struct draft_body draft;
	struct str send_at;
};

static const struct field body_fields[] = { DRAFT_FIELDS,
	                                    STR_FIELD(struct post_body, send_at, .max = 64, .nullable = 1),
	                                    { 0 } };

/* The flat route's only: elsewhere the path says where, and a body that says it too is told that it was ignored. */
struct flat_body {
	struct post_body post;
	int64_t conversation_id;
};

static const struct field flat_fields[] = { DRAFT_FIELDS,
	                                    STR_FIELD(struct post_body, send_at, .max = 64, .nullable = 1),
	                                    ID_FIELD(struct flat_body, conversation_id, .required = 1),
	                                    { 0 } };

static void
announce(struct req *req, void *arg)
{
	const struct message_sent *sent = arg;

	FAILPOINT("send.before_publish");
	if (sent->first) /* the other person has not heard of the conversation: the log says it as well */
		publish_log(req, 'c', req->conversation, sent->advance.seq + sent->advance.rev - 1, 1);
	else
		publish_new_message(req, &sent->message, &sent->advance);
	FAILPOINT("send.after_publish");
	FAILPOINT("send.before_reply");
}

static int
send_now(struct req *req, const struct message_draft *draft)
{
	struct message_sent *sent = arena_new_of(req->arena, struct message_sent);
	int r = message_send(req->db, req->arena, req->me, req->conversation, draft, sent);

	if (r)
		return draft_refused(req, r);
	if (sent->replayed)
		reply_header(req, "Idempotency-Replayed", STR("true"));
	else
		req_after_commit(req, announce, sent);
	return reply_message(req, sent->replayed ? 200 : 201, &sent->message);
}

static void
announce_scheduled(struct req *req, void *arg)
{
	const struct schedule_taken *taken = arg;

	publish_log(req, 'u', req->me, taken->user_rev - 1, 1);
}

static int
reply_scheduled(struct req *req, const struct schedule_taken *taken)
{
	struct json_out *w = reply_json(req, taken->replayed ? 200 : 201);

	json_open_object(w, NULL);
	json_id(w, "scheduled_id", taken->id);
	json_time(w, "send_at", taken->send_at);
	json_close(w);
	return reply_end(req);
}

/* A retry gets what became of it: what is scheduled, or the message that was sent. */
static int
reply_again(struct req *req, const struct schedule_taken *taken)
{
	struct message message;
	int r;

	reply_header(req, "Idempotency-Replayed", STR("true"));
	if (!taken->seq)
		return reply_scheduled(req, taken);
	r = message_get(req->db, req->arena, req->me, req->conversation, taken->seq, &message);
	return r ? trace(r) : reply_message(req, 200, &message);
}

/* The time is part of what was asked for: the same words at another time are another request. */
static struct str
hash_with(struct req *req, struct str hash, int64_t send_at)
{
	unsigned char *digest = arena_alloc(req->arena, SHA256_BYTES);
	struct buf *buf = req_scratch(req);

	buf_str(buf, hash);
	buf_int(buf, send_at);
	bytes_sha256(buf_view(buf), digest);
	return str_n((char *)digest, SHA256_BYTES);
}

static int
send_later(struct req *req, const struct message_draft *draft, struct str send_at)
{
	struct schedule_taken *taken = arena_new_of(req->arena, struct schedule_taken);
	struct schedule_new in = { .client_id = draft->client_id,
		                   .draft_json = draft_json(req, draft),
		                   .most = req->conf->max_scheduled };
	int r;

	if (!clock_rfc3339_parse(send_at, &in.send_at))
		return req_invalid(req, "/send_at", "format", "This is not a time (RFC 3339).");
	in.request_hash = hash_with(req, draft->request_hash, in.send_at);
	in.in_range = in.send_at >= req->now + req->conf->schedule_ahead_seconds * 1000000 &&
	              in.send_at <= req->now + SEND_AT_MOST_US;
	r = schedule_add(req->db, req->arena, req->me, req->conversation, &in, taken);
	if (r)
		return draft_refused(req, r);
	if (taken->replayed)
		return reply_again(req, taken);
	if (!taken->id)
		return req_invalid(req, "/send_at", "range", "The time is past, too soon, or more than a year ahead.");
	req_after_commit(req, announce_scheduled, taken);
	return reply_scheduled(req, taken);
}

/* A call whose signals came by here has one record, which is not the client's to write. */
static int
check_call(struct req *req, const struct draft_body *in, const struct message_draft *draft)
{
	int r;

	if (draft->kind != MESSAGE_CALL)
		return 0;
	r = call_ours(req->db, req->arena, req->me, req->conversation,
	              str_c(json_string_value(json_object_get(in->call, "call_id"))));
	if (r == CONFLICT)
		req->detail = "The server has seen this call's signals: it says itself what became of it.";
	return r ? trace(r) : 0;
}

static int
say(struct req *req, struct post_body *in)
{
	struct message_draft draft = { 0 };
	int r = draft_make(req, &in->draft, &draft);

	if (!r)
		r = check_call(req, &in->draft, &draft);
	if (r)
		return r;
	draft.silent = req->bot;
	return str_present(in->send_at) ? send_later(req, &draft, in->send_at) : send_now(req, &draft);
}

static int
message_post(struct req *req)
{
	struct post_body in = { 0 };
	int r = req_body(req, body_fields, &in);

	return r ? r : say(req, &in);
}

static int
message_post_flat(struct req *req)
{
	struct flat_body in = { 0 };
	int r = req_body(req, flat_fields, &in);

	req->conversation = in.conversation_id;
	return r ? r : say(req, &in.post);
}

const struct endpoint message_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/messages",
	.who = WHO_MEMBER,
	.body = BODY_MESSAGE,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_post,
	.doc = "Send a message, now or at send_at. The same client_id again returns the first one.",
};

const struct endpoint message_post_flat_endpoint = {
	.method = "POST",
	.path = "/messages",
	.who = WHO_MEMBER,
	.body = BODY_MESSAGE,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_post_flat,
	.doc = "Send a message; the conversation is named in the body.",
};
