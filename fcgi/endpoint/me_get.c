/* fcgi/endpoint/me_get.c -- who I am. */
#include "fcgi/reply.h"
#include "store/account.h"

/* A token outlives its account by minutes: then it is the token that is no longer good, not the path. */
static int
me_get(struct req *req)
{
	struct me me;
	int r;

	r = account_me(req->db, req->arena, req->me, &me);
	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	return reply_me(req, 200, &me);
}

const struct endpoint me_get_endpoint = {
	.method = "GET",
	.path = "/me",
	.who = WHO_USER,
	.etag = true,
	.rate = RATE_READ,
	.scope = SCOPE_PROFILE_READ,
	.fn = me_get,
	.doc = "Who I am.",
};
