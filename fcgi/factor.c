/* fcgi/factor.c -- codes, proofs and passkeys: the rules that several routes share. */
#include "factor.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/issuers.h"
#include "base/log.h"
#include "base/seal.h"
#include "base/totp.h"
#include "rate.h"
#include "reply.h"

#define SECOND_US      INT64_C(1000000)
#define TRANSPORTS_MAX 8
#define TRANSPORT_MAX  32

/* ---- codes ---- */

int
factor_after_password(struct req *req, int64_t user_id, struct str password_hash)
{
	struct factors factors;
	int r = factors_get(req->db, req->arena, user_id, &factors);

	if (r)
		return r == NOT_FOUND ? BAD_CREDENTIALS : trace(r);
	if (!factors.totp_confirmed_at)
		return 0;
	req->challenge =
	        challenge_make(req->arena, req->service->factor_key, CHALLENGE_FACTOR, user_id, password_hash, req->now);
	req->challenge_seconds = CHALLENGE_SECONDS;
	return SECOND_FACTOR_REQUIRED;
}

int
factor_code_given(struct req *req, const struct factor_code *in)
{
	if (!str_present(in->code) && !str_present(in->recovery_code))
		return req_invalid(req, "/code", "required", "A code, or a recovery code, is needed.");
	if (str_present(in->code) && str_present(in->recovery_code))
		return req_invalid(req, "/recovery_code", "format", "Either a code or a recovery code, not both.");
	return 0;
}

static struct str
recovery_hash(struct req *req, int64_t user_id, struct str code)
{
	struct str text = arena_printf(req->arena, "%lld %.*s", (long long)user_id, STR_ARG(code));
	unsigned char digest[SHA256_BYTES];

	bytes_hmac_for(req->service->factor_key, STR("peal recovery code"), text, digest);
	return arena_str(req->arena, str_n((char *)digest, sizeof(digest)));
}

static int
use_up(struct req *req, int64_t user_id, int64_t step, struct str hash, const struct challenge *challenge)
{
	static const struct used_challenge none;
	int r = factor_use(req->db, req->arena, user_id, step, hash, challenge ? &challenge->use : &none);

	return r == NOT_FOUND ? BAD_CODE : r == CONFLICT ? BAD_CHALLENGE : r ? trace(r) : 0;
}

static int
use_recovery_code(struct req *req, const struct factors *f, struct str typed, const struct challenge *challenge)
{
	struct str code;
	int r;

	if (!recovery_code_read(req->arena, typed, &code))
		return BAD_CODE;
	r = use_up(req, f->user.id, 0, recovery_hash(req, f->user.id, code), challenge);
	if (!r)
		LOG(NOTICE, "recovery_code_used", L_STR("id", req->id), L_INT("user", f->user.id),
		    L_INT("left", f->recovery_codes - 1));
	return r;
}

static int
use_code(struct req *req, const struct factors *f, struct str code, const struct challenge *challenge)
{
	struct str context = arena_printf(req->arena, "totp %lld", (long long)f->user.id), secret;
	int64_t step;
	int r;

	if (f->totp_retry_at > req->now) {
		req->retry_after_ms = (f->totp_retry_at - req->now + 999) / 1000;
		return RATE_LIMITED;
	}
	if (!unseal(req->arena, req->service->factor_key, context, f->totp_secret, &secret))
		return fault(-EKEYREJECTED); /* sealed by another key: whoever runs this has changed or lost it */
	step = totp_find(secret, code, req->now / SECOND_US);
	if (step >= 0)
		return use_up(req, f->user.id, step, STR_NONE, challenge);
	r = factor_failed(req->db, req->arena, f->user.id);
	return r ? trace(r) : BAD_CODE;
}

int
factor_code_use(struct req *req, const struct factors *f, const struct factor_code *in, const struct challenge *challenge)
{
	if (str_present(in->recovery_code))
		return use_recovery_code(req, f, in->recovery_code, challenge);
	return use_code(req, f, in->code, challenge);
}

struct str
factor_codes_make(struct req *req, int64_t user_id, struct str codes[RECOVERY_CODES])
{
	struct buf *hashes = req_scratch(req);
	struct str read;

	for (int i = 0; i < RECOVERY_CODES; i++) {
		codes[i] = recovery_code_new(req->arena);
		(void)recovery_code_read(req->arena, codes[i], &read);
		buf_str(hashes, recovery_hash(req, user_id, read));
	}
	return buf_view(hashes);
}

int
factor_codes_reply(struct req *req, const struct str codes[RECOVERY_CODES])
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "recovery_codes");
	for (int i = 0; i < RECOVERY_CODES; i++)
		json_str(w, NULL, codes[i]);
	json_close(w);
	json_close(w);
	return reply_end(req);
}

/* ---- proofs ---- */

int
factor_proved_until(struct req *req, int64_t *ret)
{
	int r;

	if (!uuid_valid(req->session))
		return FORBIDDEN; /* they sign in somewhere else, and that is where this is changed */
	r = session_proved_at(req->db, req->arena, req->session, req->me, ret);
	if (r)
		return trace(r);
	*ret += FACTOR_PROOF_SECONDS * SECOND_US;
	return 0;
}

int
factor_proved(struct req *req)
{
	int64_t until;
	int r = factor_proved_until(req, &until);

	if (r)
		return trace(r);
	return until > req->now ? 0 : PROOF_REQUIRED;
}

struct ways
factor_ways(struct req *req)
{
	const struct issuers *issuers = req->service->issuers;
	struct buf *lines = req_scratch(req);

	for (size_t i = 0; issuers && i < issuers->n; i++)
		buf_printf(lines, i ? "\n%s" : "%s", issuers->all[i].issuer);
	return (struct ways){ lines->n ? buf_view(lines) : STR(""), str_present(factor_rp_id(req->conf)) };
}

/* ---- passkeys ---- */

struct str
factor_issuer(const struct conf *conf)
{
	struct str host = str_c(conf->public_url);

	str_cut(&host, '/');
	str_cut(&host, '/');
	return host.n && host.p[0] == '[' ? host : str_cut(&host, ':');
}

struct str
factor_rp_id(const struct conf *conf)
{
	struct str host = factor_issuer(conf);

	if (*conf->passkey_rp_id)
		return str_c(conf->passkey_rp_id);
	for (size_t i = 0; i < host.n && host.p[0] != '['; i++)
		if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.')
			return host;
	return STR_NONE;
}

int
factor_expected(struct req *req, struct webauthn_expected *ret)
{
	ret->rp_id = factor_rp_id(req->conf);
	ret->origins = arena_printf(req->arena, "%s %s", req->conf->public_url, req->conf->origins);
	return ret->rp_id.n ? 0 : NOT_FOUND;
}

int
factor_refused(struct req *req, const char *why)
{
	LOG(NOTICE, "passkey_refused", L_STR("id", req->id), L_CSTR("why", why));
	return BAD_PASSKEY;
}

struct members {
	struct str id, rawId, type;
	json_t *response;
};
struct response {
	struct str clientDataJSON, attestationObject, authenticatorData, signature, userHandle;
	json_t *transports;
};

static const struct field member_fields[] = { STR_FIELD(struct members, id, .required = 1),
	                                      STR_FIELD(struct members, rawId, .required = 1),
	                                      STR_FIELD(struct members, type, .required = 1),
	                                      JSON_FIELD(struct members, response, .required = 1),
	                                      { 0 } };
static const struct field new_fields[] = { STR_FIELD(struct response, clientDataJSON, .required = 1),
	                                   STR_FIELD(struct response, attestationObject, .required = 1),
	                                   JSON_FIELD(struct response, transports),
	                                   { 0 } };
static const struct field use_fields[] = { STR_FIELD(struct response, clientDataJSON, .required = 1),
	                                   STR_FIELD(struct response, authenticatorData, .required = 1),
	                                   STR_FIELD(struct response, signature, .required = 1),
	                                   STR_FIELD(struct response, userHandle, .nullable = 1),
	                                   { 0 } };

/* Browsers add members of their own to credentials, which nobody is told of: they have not written them. */
static int
fill(struct req *req, json_t *json, const struct field *fields, void *out, const char *prefix)
{
	struct json_report report = { 0 };
	int r;

	if (!json_is_object(json))
		return req_invalid(req, prefix, "type", "This must be an object.");
	r = json_fill(req->arena, json, fields, out, prefix, &report);
	if (!r)
		return 0;
	req->report.path = report.path;
	req->report.code = report.code;
	req->report.message = report.message;
	return r;
}

/* What a browser says about how the authenticator was reached; it wants to hear it again. */
static struct str
read_transports(struct req *req, json_t *list)
{
	struct buf *b = req_scratch(req);
	struct json_out w;

	json_begin(&w, b);
	json_open_array(&w, NULL);
	for (size_t i = 0; i < json_array_size(list) && i < TRANSPORTS_MAX; i++) {
		json_t *one = json_array_get(list, i);

		if (json_is_string(one) && json_string_length(one) <= TRANSPORT_MAX)
			json_str(&w, NULL, str_n(json_string_value(one), json_string_length(one)));
	}
	json_close(&w);
	json_end(&w);
	return buf_view(b);
}

static int
decode(struct req *req, const char *path, const char *name, struct str text, struct str *ret)
{
	if (!str_present(text) || base64url_decode(req->arena, text, ret))
		return 0;
	return req_invalid(req, arena_printf(req->arena, "%s%s", path, name).p, "format", "This is not base64url.");
}

int
factor_credential_read(struct req *req, json_t *json, const char *prefix, bool is_new, struct factor_credential *ret)
{
	const char *within = arena_printf(req->arena, "%s/response", prefix).p;
	struct response in = { 0 };
	struct members m = { 0 };
	int r;

	r = fill(req, json, member_fields, &m, prefix);
	if (!r && (!str_eq(m.type, STR("public-key")) || !str_eq(m.id, m.rawId)))
		r = req_invalid(req, arena_printf(req->arena, "%s/type", prefix).p, "format",
		                "This is not the credential of a passkey.");
	if (!r)
		r = fill(req, m.response, is_new ? new_fields : use_fields, &in, within);
	if (!r)
		r = decode(req, prefix, "/id", m.id, &ret->id);
	if (!r)
		r = decode(req, within, "/clientDataJSON", in.clientDataJSON, &ret->client);
	if (!r)
		r = decode(req, within, "/attestationObject", in.attestationObject, &ret->attestation_object);
	if (!r)
		r = decode(req, within, "/authenticatorData", in.authenticatorData, &ret->authenticator_data);
	if (!r)
		r = decode(req, within, "/signature", in.signature, &ret->signature);
	if (!r)
		r = decode(req, within, "/userHandle", in.userHandle, &ret->handle);
	ret->transports_json = read_transports(req, in.transports);
	return r;
}

/* The signature and everything that it is over. */
static int
verify(struct req *req, const struct factor_credential *in, const struct webauthn_client *client, const struct passkey *key,
       struct webauthn_used *ret)
{
	struct webauthn_known known = { key->public_key, key->backup_eligible };
	struct webauthn_expected expected;
	const char *why;
	int r;

	r = factor_expected(req, &expected);
	if (r)
		return r;
	if (!str_present(in->handle) || !str_eq(in->handle, key->handle))
		return factor_refused(req, "of another person");
	if (webauthn_asserted(&expected, client, &known, in->authenticator_data, in->signature, ret, &why))
		return factor_refused(req, why);
	return 0;
}

int
factor_passkey_check(struct req *req, const struct factor_credential *in, struct passkey *ret)
{
	struct webauthn_client client;
	struct challenge challenge;
	struct webauthn_used used;
	const char *why;
	int r;

	if (webauthn_client_read(req->arena, in->client, &client, &why))
		return factor_refused(req, why);
	if (!challenge_read(req->arena, req->service->factor_key, client.challenge, CHALLENGE_PASSKEY, req->now, &challenge))
		return BAD_CHALLENGE;
	r = passkey_find(req->db, req->arena, in->id, ret);
	if (r)
		return r == NOT_FOUND ? factor_refused(req, "nobody has this one") : trace(r);
	r = verify(req, in, &client, ret, &used);
	if (r)
		return r;
	r = passkey_use(req->db, req->arena, ret->id, &challenge.use, used.sign_count, used.backed_up);
	return r == CONFLICT ? factor_refused(req, "the challenge was used, or the counter is that of a copy")
	       : r           ? trace(r)
	                     : 0;
}
