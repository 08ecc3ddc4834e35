/* fcgi/endpoint/conversation_unread_post.c -- mark unread from a message on, until I read again. */
#include "fcgi/members.h"
#include "fcgi/reply.h"

struct body {
	struct opt_int seq;
};

static const struct field body_fields[] = { INT_FIELD(struct body, seq, .min = 1, .max = INT64_MAX, .required = 1), { 0 } };

static int
conversation_unread_post(struct req *req)
{
	struct body in = { 0 };
	int64_t user_rev;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = member_unread(req->db, req->arena, req->me, req->conversation, in.seq.v, &user_rev);
	if (r == INVALID)
		return req_invalid(req, "/seq", "range", "The conversation has no such message that you can see.");
	if (r)
		return trace(r);
	members_ring_user(req, req->me, user_rev);
	return members_reply(req, 200, req->conversation);
}

const struct endpoint conversation_unread_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/unread",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = conversation_unread_post,
	.doc = "Mark unread from here on, until I read again.",
};
