/* fcgi/endpoint/user_get.c -- one person. */
#include "fcgi/reply.h"
#include "store/account.h"

static int
user_get(struct req *req)
{
	struct user user;
	int r;

	r = account_get(req->db, req->arena, req->user, &user);
	if (r)
		return trace(r);
	return reply_user(req, 200, &user);
}

const struct endpoint user_get_endpoint = {
	.method = "GET",
	.path = "/users/{user}",
	.who = WHO_USER,
	.etag = true,
	.rate = RATE_READ,
	.scope = SCOPE_PROFILE_READ,
	.fn = user_get,
	.doc = "One person.",
};
