/* fcgi/endpoint/auth_logout.c -- end the session of a refresh token. */
#include "fcgi/auth.h"
#include "fcgi/reply.h"
#include "store/account.h"

/* Any token of the session will do, also one that was replaced: whoever holds it may only make it useless. */
static int
auth_logout(struct req *req)
{
	struct auth_refresh_in in;
	int64_t generation, user;
	struct str id;
	int r;

	r = auth_refresh_in(req, &in);
	if (r && r != BAD_REFRESH_TOKEN)
		return r;
	if (!r && refresh_parse(req->arena, req->service->refresh_key, in.token, &id, &generation)) {
		r = session_end(req->db, req->arena, id, &user);
		if (r)
			return trace(r);
		if (user)
			auth_ended(req, user, FEED_ENDED_ONE, id);
	}
	if (!in.by_body)
		auth_cookie_set(req, &auth_refresh_cookie, STR(""), 0);
	return reply_empty(req);
}

const struct endpoint auth_logout_endpoint = {
	.method = "POST",
	.path = "/auth/logout",
	.who = WHO_ANYONE,
	.body = BODY_JSON,
	.rate = RATE_SESSION,
	.fn = auth_logout,
	.doc = "End the session of this refresh token. Idempotent.",
};
