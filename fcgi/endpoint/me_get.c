/* fcgi/endpoint/me_get.c -- who I am. */
#include "fcgi/reply.h"
#include "store/account.h"

/* A token outlives its account by minutes: then it is the token that is no longer good, not the path. */
static int
me_get(struct req *req)
{
	struct user user;
	int r;

	r = account_get(req->db, req->arena, req->me, &user);
	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	return reply_user(req, 200, &user);
}

const struct endpoint me_get_endpoint = {
	.method = "GET",
	.path = "/me",
	.who = WHO_USER,
	.etag = true,
	.fn = me_get,
	.doc = "Who I am.",
};
