/* fcgi/endpoint/conversation_get.c -- one conversation, with participants. */
#include "fcgi/reply.h"
#include "store/conversation.h"

static int
conversation_get_one(struct req *req)
{
	struct conversation conversation;
	int r;

	r = conversation_get(req->db, req->arena, req->me, req->conversation, &conversation);
	if (r)
		return trace(r);
	return reply_conversation(req, 200, &conversation);
}

const struct endpoint conversation_get_endpoint = {
	.method = "GET",
	.path = "/conversations/{conversation}",
	.who = WHO_MEMBER,
	.etag = true,
	.rate = RATE_READ,
	.scope = SCOPE_CONVERSATIONS_READ,
	.fn = conversation_get_one,
	.doc = "One conversation, with at most 32 of its participants.",
};
