/* fcgi/endpoint/auth_password.c -- another password; who is signed in elsewhere is signed out. */
#include "base/password.h"
#include "fcgi/auth.h"
#include "fcgi/device.h"
#include "fcgi/reply.h"
#include "store/account.h"

struct body {
	struct str old_password, new_password;
};

static const struct field body_fields[] = { STR_FIELD(struct body, old_password, .min = 1, .required = 1),
	                                    STR_FIELD(struct body, new_password, .required = 1),
	                                    { 0 } };

/* Guesses of the old password count with those at the door: whoever has stolen a session is given no second allowance. */
static int
prove(struct req *req, struct str old_password, struct user *ret, struct str *ret_hash)
{
	int r = account_my_password(req->db, req->arena, req->me, ret, ret_hash);

	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	r = device_attempt(req, ret->username);
	if (r)
		return r;
	return auth_password_right(req, *ret_hash, old_password) ? 0 : BAD_CREDENTIALS;
}

static int
change(struct req *req, struct str old_hash, struct str new_password)
{
	struct str hash;
	int r = auth_hash(req, new_password, &hash);

	if (!r)
		r = account_password_change(req->db, req->arena, req->me, old_hash, hash, req->session);
	if (r == CONFLICT)
		return BAD_CREDENTIALS; /* somebody has changed it meanwhile: what was checked is not the password any more */
	return r ? trace(r) : 0;
}

static int
auth_password(struct req *req)
{
	struct body in = { 0 };
	struct str old_hash;
	struct user user;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = prove(req, in.old_password, &user, &old_hash);
	if (r)
		return r;
	r = auth_password_rule(req, "/new_password", in.new_password, user.username, user.display_name);
	if (r)
		return r;
	r = change(req, old_hash, in.new_password);
	if (r)
		return r;
	auth_ended(req, req->me, FEED_ENDED_OTHERS, req->session);
	return reply_empty(req);
}

const struct endpoint auth_password_endpoint = {
	.method = "POST",
	.path = "/auth/password",
	.who = WHO_USER,
	.pool = POOL_AUTH,
	.body = BODY_JSON,
	.rate = RATE_LOGIN,
	.fn = auth_password,
	.doc = "Another password. All other sessions end.",
};
