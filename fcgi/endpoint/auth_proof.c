/* fcgi/endpoint/auth_proof.c -- saying again who one is, before changing how one signs in. */
#include "fcgi/auth.h"
#include "fcgi/device.h"
#include "fcgi/factor.h"
#include "fcgi/reply.h"

struct body {
	struct str password, code, recovery_code;
	json_t *credential;
};

static const struct field body_fields[] = { STR_FIELD(struct body, password, .min = 1),
	                                    STR_FIELD(struct body, code, .min = 1, .max = FACTOR_CODE_MAX),
	                                    STR_FIELD(struct body, recovery_code, .min = 1, .max = FACTOR_CODE_MAX),
	                                    JSON_FIELD(struct body, credential),
	                                    { 0 } };

static int
prove_by_passkey(struct req *req, json_t *credential)
{
	struct factor_credential in = { 0 };
	struct passkey key;
	int r;

	r = factor_credential_read(req, credential, "/credential", false, &in);
	if (!r)
		r = factor_passkey_check(req, &in, &key);
	if (r)
		return r;
	return key.user_id == req->me ? 0 : factor_refused(req, "of another person");
}

/* Where signing in takes a code, this does. */
static int
prove_by_password(struct req *req, const struct body *in, const struct factors *factors)
{
	struct factor_code code = { in->code, in->recovery_code };
	int r;

	if (!auth_password_right(req, factors->password_hash, in->password))
		return BAD_CREDENTIALS;
	if (!factors->totp_confirmed_at)
		return 0;
	if (!str_present(code.code) && !str_present(code.recovery_code))
		return SECOND_FACTOR_REQUIRED;
	r = factor_code_given(req, &code);
	return r ? r : factor_code_use(req, factors, &code, NULL);
}

/* Guesses count with those at the door: whoever has stolen a session is given no second allowance. */
static int
prove(struct req *req, const struct body *in)
{
	struct factors factors;
	int r = factors_get(req->db, req->arena, req->me, &factors);

	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	r = device_attempt(req, factors.user.username);
	if (r)
		return r;
	return in->credential ? prove_by_passkey(req, in->credential) : prove_by_password(req, in, &factors);
}

static int
auth_proof(struct req *req)
{
	struct body in = { 0 };
	int64_t until;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	if (!in.credential == !str_present(in.password))
		return req_invalid(req, "/password", "required", "Either a password or a passkey's credential is needed.");
	r = factor_proved_until(req, &until);
	if (!r)
		r = prove(req, &in);
	if (!r)
		r = session_prove(req->db, req->arena, req->session, req->me);
	return r ? trace(r) : reply_empty(req);
}

const struct endpoint auth_proof_endpoint = {
	.method = "POST",
	.path = "/auth/proof",
	.who = WHO_USER,
	.pool = POOL_AUTH,
	.body = BODY_JSON,
	.rate = RATE_LOGIN,
	.fn = auth_proof,
	.doc = "Say again who you are: needed before changing how you sign in.",
};
