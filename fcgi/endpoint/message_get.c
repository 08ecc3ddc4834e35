/* fcgi/endpoint/message_get.c -- one message. */
#include "fcgi/reply.h"
#include "store/message.h"

static int
message_get_one(struct req *req)
{
	struct message message;
	int r;

	r = message_get(req->db, req->arena, req->me, req->conversation, req->seq, &message);
	if (r)
		return trace(r);
	return reply_message(req, 200, &message);
}

const struct endpoint message_get_endpoint = {
	.method = "GET",
	.path = "/messages/{message}",
	.who = WHO_MEMBER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = message_get_one,
	.doc = "One message.",
};
