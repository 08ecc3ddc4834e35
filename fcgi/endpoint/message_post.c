/* fcgi/endpoint/message_post.c -- say something in a conversation. */
#include "base/fail.h"
#include "fcgi/draft.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"

static const struct field body_fields[] = { DRAFT_FIELDS, { 0 } };

/* The flat route's only: elsewhere the path says where, and a body that says it too is told that it was ignored. */
struct flat_body {
	struct draft_body draft;
	int64_t conversation_id;
};

static const struct field flat_fields[] = { DRAFT_FIELDS,
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
send_message(struct req *req, struct draft_body *in)
{
	struct message_sent *sent = arena_new_of(req->arena, struct message_sent);
	struct message_draft draft = { 0 };
	int r;

	r = draft_make(req, in, &draft);
	if (r)
		return r;
	r = message_send(req->db, req->arena, req->me, req->conversation, &draft, sent);
	if (r)
		return draft_refused(req, r);
	if (sent->replayed)
		reply_header(req, "Idempotency-Replayed", STR("true"));
	else
		req_after_commit(req, announce, sent);
	return reply_message(req, sent->replayed ? 200 : 201, &sent->message);
}

static int
message_post(struct req *req)
{
	struct draft_body in = { 0 };
	int r = req_body(req, body_fields, &in);

	return r ? r : send_message(req, &in);
}

static int
message_post_flat(struct req *req)
{
	struct flat_body in = { 0 };
	int r = req_body(req, flat_fields, &in);

	req->conversation = in.conversation_id;
	return r ? r : send_message(req, &in.draft);
}

const struct endpoint message_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/messages",
	.who = WHO_MEMBER,
	.body = BODY_MESSAGE,
	.fn = message_post,
	.doc = "Send a message. The same client_id again returns the first one.",
};

const struct endpoint message_post_flat_endpoint = {
	.method = "POST",
	.path = "/messages",
	.who = WHO_MEMBER,
	.body = BODY_MESSAGE,
	.fn = message_post_flat,
	.doc = "Send a message; the conversation is named in the body.",
};
