/* fcgi/endpoint/auth_totp.c -- the second factor: how it stands, setting up codes by the clock, and codes on paper. */
#include "base/bytes.h"
#include "base/seal.h"
#include "base/totp.h"
#include "fcgi/factor.h"
#include "fcgi/reply.h"

#define SECOND_US INT64_C(1000000)

static int
mine(struct req *req, struct factors *ret)
{
	int r = factors_get(req->db, req->arena, req->me, ret);

	return r == NOT_FOUND ? UNAUTHENTICATED : r ? trace(r) : 0;
}

static int
factors_route(struct req *req)
{
	struct factors f;
	struct json_out *w;
	int64_t until;
	int r;

	r = factor_proved_until(req, &until);
	if (!r)
		r = mine(req, &f);
	if (r)
		return r;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_bool(w, "password", str_present(f.password_hash));
	json_open_object(w, "totp");
	json_bool(w, "enabled", f.totp_confirmed_at != 0);
	json_time(w, "enabled_at", f.totp_confirmed_at);
	json_int(w, "recovery_codes_left", f.recovery_codes);
	json_close(w);
	json_int(w, "passkeys", f.passkeys);
	json_time(w, "proved_until", until > req->now ? until : 0);
	json_close(w);
	return reply_end(req);
}

static struct str
context(struct req *req)
{
	return arena_printf(req->arena, "totp %lld", (long long)req->me);
}

/* Only a password is followed by a code: whoever has none would be asked for nothing. */
static int
may_begin(struct req *req, struct factors *ret)
{
	int r = factor_proved(req);

	if (!r)
		r = mine(req, ret);
	if (r)
		return r;
	if (!str_present(ret->password_hash)) {
		req->detail = "Codes follow a password, and this account has none.";
		return CONFLICT;
	}
	return 0;
}

static int
totp_post(struct req *req)
{
	char bytes[TOTP_SECRET_BYTES];
	struct str secret = str_n(bytes, sizeof(bytes)), sealed;
	struct json_out *w;
	struct factors f;
	int r;

	r = may_begin(req, &f);
	if (r)
		return r;
	bytes_random(bytes, sizeof(bytes));
	sealed = seal(req->arena, req->service->factor_key, context(req), secret);
	r = totp_begin(req->db, req->arena, req->me, sealed);
	if (r)
		return trace(r);
	w = reply_json(req, 201);
	json_open_object(w, NULL);
	json_str(w, "secret", base32(req->arena, secret.p, secret.n));
	json_str(w, "uri", totp_uri(req->arena, factor_issuer(req->conf), f.user.username, secret));
	json_close(w);
	return reply_end(req);
}

struct confirm_body {
	struct str code;
};

static const struct field confirm_fields[] = {
	STR_FIELD(struct confirm_body, code, .min = 1, .max = FACTOR_CODE_MAX, .required = 1), { 0 }
};

/* The step of the code for what waits to be confirmed. */
static int
check_code(struct req *req, struct str code, int64_t *ret_step)
{
	struct factors f;
	struct str secret;
	int r = mine(req, &f);

	if (r)
		return r;
	if (!str_present(f.totp_secret) || f.totp_confirmed_at)
		return NOT_FOUND;
	if (!unseal(req->arena, req->service->factor_key, context(req), f.totp_secret, &secret))
		return NOT_FOUND; /* begun under another key: begin again */
	*ret_step = totp_find(secret, code, req->now / SECOND_US);
	return *ret_step < 0 ? BAD_CODE : 0;
}

static int
totp_confirm_route(struct req *req)
{
	struct str codes[RECOVERY_CODES];
	struct confirm_body in = { 0 };
	int64_t step;
	int r;

	r = req_body(req, confirm_fields, &in);
	if (!r)
		r = factor_proved(req);
	if (!r)
		r = check_code(req, in.code, &step);
	if (r)
		return r;
	r = totp_confirm(req->db, req->arena, req->me, step, factor_codes_make(req, req->me, codes));
	if (r)
		return trace(r);
	return factor_codes_reply(req, codes);
}

static int
totp_delete(struct req *req)
{
	int r = factor_proved(req);

	if (!r)
		r = totp_remove(req->db, req->arena, req->me);
	return r ? trace(r) : reply_empty(req);
}

static int
recovery_codes_post(struct req *req)
{
	struct str codes[RECOVERY_CODES];
	struct factors f;
	int r;

	r = factor_proved(req);
	if (!r)
		r = mine(req, &f);
	if (r)
		return r;
	if (!f.totp_confirmed_at)
		return NOT_FOUND;
	r = recovery_codes_replace(req->db, req->arena, req->me, factor_codes_make(req, req->me, codes));
	return r ? trace(r) : factor_codes_reply(req, codes);
}

const struct endpoint factors_get_endpoint = {
	.method = "GET",
	.path = "/auth/factors",
	.who = WHO_USER,
	.rate = RATE_READ,
	.fn = factors_route,
	.doc = "How I sign in: password, codes, passkeys.",
};

const struct endpoint totp_post_endpoint = {
	.method = "POST",
	.path = "/auth/totp",
	.who = WHO_USER,
	.body = BODY_NONE,
	.rate = RATE_MARK,
	.once = true,
	.fn = totp_post,
	.doc = "Begin to set up codes by the clock.",
};

const struct endpoint totp_confirm_endpoint = {
	.method = "POST",
	.path = "/auth/totp/confirm",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.fn = totp_confirm_route,
	.doc = "The first code: from now on signing in takes one.",
};

const struct endpoint totp_delete_endpoint = {
	.method = "DELETE",
	.path = "/auth/totp",
	.who = WHO_USER,
	.rate = RATE_MARK,
	.fn = totp_delete,
	.doc = "No codes any more. Idempotent.",
};

const struct endpoint recovery_codes_post_endpoint = {
	.method = "POST",
	.path = "/auth/totp/recovery-codes",
	.who = WHO_USER,
	.body = BODY_NONE,
	.rate = RATE_MARK,
	.fn = recovery_codes_post,
	.doc = "Ten new recovery codes; the old ones are void.",
};
