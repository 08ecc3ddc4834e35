/* fcgi/endpoint/scheduled_delete.c -- take a scheduled message back, or a failed one away. */
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/schedule.h"

static void
announce(struct req *req, void *arg)
{
	const int64_t *user_rev = arg;

	publish_log(req, 'u', req->me, *user_rev - 1, 1);
}

static int
scheduled_delete(struct req *req)
{
	int64_t *user_rev = arena_new_of(req->arena, int64_t);
	int r = schedule_remove(req->db, req->arena, req->me, req->scheduled, user_rev);

	if (r)
		return trace(r);
	req_after_commit(req, announce, user_rev);
	return reply_empty(req);
}

const struct endpoint scheduled_delete_endpoint = {
	.method = "DELETE",
	.path = "/scheduled/{scheduled}",
	.who = WHO_USER,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = scheduled_delete,
	.doc = "Take a scheduled message back; its uploads are free again.",
};
