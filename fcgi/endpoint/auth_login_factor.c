/* fcgi/endpoint/auth_login_factor.c -- the second step of signing in: a code after the password. */
#include "fcgi/auth.h"
#include "fcgi/factor.h"
#include "fcgi/rate.h"

struct body {
	struct str challenge, code, recovery_code, token_delivery;
};

static const char *const deliveries[] = { "cookie", "body", NULL };

static const struct field body_fields[] = { STR_FIELD(struct body, challenge, .min = 1, .max = 2 * CHALLENGE_BYTES,
	                                              .required = 1),
	                                    STR_FIELD(struct body, code, .min = 1, .max = FACTOR_CODE_MAX),
	                                    STR_FIELD(struct body, recovery_code, .min = 1, .max = FACTOR_CODE_MAX),
	                                    ENUM_FIELD(struct body, token_delivery, .words = deliveries),
	                                    { 0 } };

static int
read_body(struct req *req, struct body *in, struct factor_code *ret)
{
	int r = req_body(req, body_fields, in);

	if (r)
		return r;
	*ret = (struct factor_code){ in->code, in->recovery_code };
	r = factor_code_given(req, ret);
	return r ? r : auth_delivery(req, in->token_delivery);
}

static int
auth_login_factor(struct req *req)
{
	struct challenge challenge;
	struct factor_code code;
	struct body in = { 0 };
	struct factors factors;
	int r;

	r = read_body(req, &in, &code);
	if (r)
		return r;
	if (!challenge_read(req->arena, req->service->factor_key, in.challenge, CHALLENGE_FACTOR, req->now, &challenge))
		return BAD_CHALLENGE;
	r = rate_attempt(req, "factor", arena_printf(req->arena, "%lld", (long long)challenge.user_id));
	if (r)
		return r;
	r = factors_get(req->db, req->arena, challenge.user_id, &factors);
	if (r)
		return r == NOT_FOUND ? BAD_CHALLENGE : trace(r);
	if (!factors.totp_confirmed_at || !challenge_bound(req->service->factor_key, &challenge, factors.password_hash))
		return BAD_CHALLENGE; /* the password or the factor is another one by now: from the beginning, please */
	r = factor_code_use(req, &factors, &code, &challenge);
	if (r)
		return r;
	return auth_reply_signed_in(req, 200, &factors.user, factors.password_hash, str_eq(in.token_delivery, STR("body")));
}

const struct endpoint auth_login_factor_endpoint = {
	.method = "POST",
	.path = "/auth/login/factor",
	.who = WHO_ANYONE,
	.body = BODY_JSON,
	.rate = RATE_LOGIN,
	.fn = auth_login_factor,
	.doc = "The second step of signing in: a code after the password.",
};
