/* fcgi/changed.c -- after a change of a message. */
#include "changed.h"
#include "publish.h"
#include "reply.h"

struct ring {
	char stream;
	int64_t position;
};

static void
ring(struct req *req, void *arg)
{
	const struct ring *what = arg;

	publish_log(req, what->stream, what->stream == 'u' ? req->me : req->conversation, what->position - 1, 1);
}

void
changed_ring(struct req *req, char stream, const struct change *change)
{
	struct ring *what = arena_new_of(req->arena, struct ring);

	*what = (struct ring){ .stream = stream, .position = change->position };
	if (change->changed)
		req_after_commit(req, ring, what);
}

int
changed_reply(struct req *req, char stream, const struct change *change)
{
	struct message message;
	int r;

	changed_ring(req, stream, change);
	r = message_get(req->db, req->arena, req->me, req->conversation, req->seq, &message);
	if (r)
		return trace(r);
	return reply_message(req, 200, &message);
}
