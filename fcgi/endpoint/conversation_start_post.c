/* fcgi/endpoint/conversation_start_post.c -- start, or find, the direct conversation with a person. */
#include "fcgi/members.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"

struct started {
	struct conversation conversation;
	struct advance advance;
	bool created;
};

/* My other devices learn of it; the other person does not, before the first message or before starting it too. */
static void
announce(struct req *req, void *arg)
{
	const struct started *s = arg;

	publish_log(req, 'c', s->conversation.id, s->advance.seq + s->advance.rev - 1, 1);
}

static int
conversation_start_post(struct req *req)
{
	struct started *s = arena_new_of(req->arena, struct started);
	int r;

	r = conversation_start_direct(req->db, req->arena, req->me, req->user, &s->conversation, &s->created, &s->advance);
	if (r)
		return trace(r);
	if (s->advance.at)
		req_after_commit(req, announce, s);
	req->made = arena_printf(req->arena, "%lld", (long long)s->conversation.id);
	return reply_conversation(req, s->created ? 201 : 200, &s->conversation);
}

const struct endpoint conversation_start_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{user}",
	.who = WHO_USER,
	.rate = RATE_WRITE,
	.scope = SCOPE_CONVERSATIONS_WRITE,
	.once = true,
	.fn = conversation_start_post,
	.again = members_again,
	.doc = "Start, or find, the direct conversation with this person.",
};
