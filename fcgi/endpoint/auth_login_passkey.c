/* fcgi/endpoint/auth_login_passkey.c -- signing in with a passkey, without a name and without a password. */
#include "fcgi/auth.h"
#include "fcgi/factor.h"
#include "fcgi/reply.h"

/* For nobody in particular: the authenticator offers whom it knows, so this tells nothing about accounts. */
static int
auth_login_passkey_options(struct req *req)
{
	struct webauthn_expected expected;
	struct str challenge;
	struct json_out *w;
	int r;

	r = factor_expected(req, &expected);
	if (r)
		return r;
	challenge = challenge_make(req->arena, req->service->factor_key, CHALLENGE_PASSKEY, 0, STR_NONE, req->now);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_str(w, "challenge", challenge);
	json_str(w, "rpId", expected.rp_id);
	json_int(w, "timeout", CHALLENGE_SECONDS * 1000);
	json_cstr(w, "userVerification", "required");
	json_open_array(w, "allowCredentials");
	json_close(w);
	json_close(w);
	return reply_end(req);
}

struct body {
	struct str token_delivery;
	json_t *credential;
};

static const char *const deliveries[] = { "cookie", "body", NULL };

static const struct field body_fields[] = { JSON_FIELD(struct body, credential, .required = 1),
	                                    ENUM_FIELD(struct body, token_delivery, .words = deliveries),
	                                    { 0 } };

/* A passkey is two factors by itself, something one has and what unlocks it: no code is asked for. */
static int
auth_login_passkey(struct req *req)
{
	struct factor_credential credential = { 0 };
	struct body in = { 0 };
	struct factors factors;
	struct passkey key;
	int r;

	r = req_body(req, body_fields, &in);
	if (!r)
		r = factor_credential_read(req, in.credential, "/credential", false, &credential);
	if (!r)
		r = auth_delivery(req, in.token_delivery);
	if (!r)
		r = factor_passkey_check(req, &credential, &key);
	if (r)
		return r;
	r = factors_get(req->db, req->arena, key.user_id, &factors);
	if (r)
		return r == NOT_FOUND ? factor_refused(req, "of somebody who is disabled") : trace(r);
	return auth_reply_signed_in(req, 200, &factors.user, STR_NONE, str_eq(in.token_delivery, STR("body")));
}

const struct endpoint auth_login_passkey_options_endpoint = {
	.method = "POST",
	.path = "/auth/login/passkey/options",
	.who = WHO_ANYONE,
	.body = BODY_NONE,
	.rate = RATE_SESSION,
	.fn = auth_login_passkey_options,
	.doc = "What navigator.credentials.get() wants, for signing in.",
};

const struct endpoint auth_login_passkey_endpoint = {
	.method = "POST",
	.path = "/auth/login/passkey",
	.who = WHO_ANYONE,
	.body = BODY_JSON,
	.rate = RATE_SESSION,
	.fn = auth_login_passkey,
	.doc = "Sign in with a passkey.",
};
