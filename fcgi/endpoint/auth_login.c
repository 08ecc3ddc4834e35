/* fcgi/endpoint/auth_login.c -- sign in with name and password. */
#include "base/password.h"
#include "fcgi/auth.h"
#include "fcgi/device.h"
#include "fcgi/factor.h"
#include "fcgi/text.h"
#include "store/account.h"

struct body {
	struct str username, password, token_delivery;
};

static const char *const deliveries[] = { "cookie", "body", NULL };

static const struct field body_fields[] = { STR_FIELD(struct body, username, .min = 1, .required = 1),
	                                    STR_FIELD(struct body, password, .min = 1, .required = 1),
	                                    ENUM_FIELD(struct body, token_delivery, .words = deliveries),
	                                    { 0 } };

/*
 * BAD_CREDENTIALS costs the same whether the person exists or not. What no account could be called is not looked up: the database
 * folds more letters than the limit does, and another spelling of the same name would be another allowance.
 */
static int
verify(struct req *req, const struct body *in, struct user *ret, struct str *ret_hash)
{
	int r = text_username(in->username) ? account_password(req->db, req->arena, in->username, ret, ret_hash) : NOT_FOUND;

	if (r && r != NOT_FOUND)
		return trace(r);
	if (r)
		*ret_hash = STR_NONE;
	return auth_password_right(req, *ret_hash, in->password) ? 0 : BAD_CREDENTIALS;
}

/* A password that was hashed at another cost than is asked for now is hashed again: as it is right, this is the moment. */
static int
renew_hash(struct req *req, int64_t user_id, struct str password, struct str *hash)
{
	struct str renewed;
	int r;

	if (password_costs(req->arena, *hash, req->conf->argon2_memory_kib, req->conf->argon2_passes))
		return 0;
	r = auth_hash(req, password, &renewed);
	if (!r)
		r = account_rehash(req->db, req->arena, user_id, *hash, renewed);
	if (!r)
		*hash = renewed;
	return r ? trace(r) : 0;
}

static int
auth_login(struct req *req)
{
	struct body in = { 0 };
	struct user user;
	struct str hash;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = auth_delivery(req, in.token_delivery);
	if (r)
		return r;
	r = device_attempt(req, in.username);
	if (r)
		return r;
	if ((int64_t)in.password.n > req->conf->password_max_bytes)
		return BAD_CREDENTIALS; /* nobody has such a password: no need to hash it */
	r = verify(req, &in, &user, &hash);
	if (!r)
		r = renew_hash(req, user.id, in.password, &hash);
	if (r)
		return r;
	r = factor_after_password(req, user.id, hash);
	if (r)
		return r;
	return auth_reply_signed_in(req, 200, &user, hash, str_eq(in.token_delivery, STR("body")));
}

const struct endpoint auth_login_endpoint = {
	.method = "POST",
	.path = "/auth/login",
	.who = WHO_ANYONE,
	.pool = POOL_AUTH,
	.body = BODY_JSON,
	.rate = RATE_LOGIN,
	.fn = auth_login,
	.doc = "Sign in with name and password.",
};
