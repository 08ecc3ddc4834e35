/* fcgi/endpoint/user_block.c -- block a person, or no longer. */
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/block.h"

static void
announce(struct req *req, void *arg)
{
	const int64_t *user_rev = arg;

	publish_log(req, 'u', req->me, *user_rev - 1, 1);
}

static int
set(struct req *req, bool blocked)
{
	int64_t *user_rev = arena_new_of(req->arena, int64_t);
	int r;

	if (req->user == req->me)
		return req_invalid(req, "id", "range", "Nobody blocks themselves.");
	r = block_set(req->db, req->arena, req->me, req->user, blocked, user_rev);
	if (r)
		return trace(r);
	if (*user_rev)
		req_after_commit(req, announce, user_rev);
	return reply_empty(req);
}

static int
block_put(struct req *req)
{
	return set(req, true);
}

static int
block_delete(struct req *req)
{
	return set(req, false);
}

const struct endpoint block_put_endpoint = {
	.method = "PUT",
	.path = "/users/{user}/block",
	.who = WHO_USER,
	.rate = RATE_WRITE,
	.scope = SCOPE_PROFILE_WRITE,
	.fn = block_put,
	.doc = "Block a person.",
};

const struct endpoint block_delete_endpoint = {
	.method = "DELETE",
	.path = "/users/{user}/block",
	.who = WHO_USER,
	.rate = RATE_WRITE,
	.scope = SCOPE_PROFILE_WRITE,
	.fn = block_delete,
	.doc = "Block a person no longer.",
};
