/* fcgi/endpoint/auth_passkeys.c -- my passkeys: making, listing, naming, removing them. */
#include "base/bytes.h"
#include "base/log.h"
#include "fcgi/factor.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"

static void
write_passkey(struct json_out *w, const struct passkey *key)
{
	json_open_object(w, NULL);
	json_id(w, "id", key->id);
	json_str(w, "name", key->name);
	json_bool(w, "backed_up", key->backed_up);
	json_raw(w, "transports", key->transports_json);
	json_time(w, "created_at", key->created_at);
	json_time(w, "last_used_at", key->last_used_at);
	json_close(w);
}

static int
reply_passkey(struct req *req, int status, const struct passkey *key)
{
	write_passkey(reply_json(req, status), key);
	return reply_end(req);
}

static int
passkeys_route(struct req *req)
{
	struct passkey *keys;
	struct json_out *w;
	size_t n;
	int r;

	r = passkeys_of(req->db, req->arena, req->me, &keys, &n);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		write_passkey(w, &keys[i]);
	json_close(w);
	json_put_null(w, "next_cursor");
	json_close(w);
	return reply_end(req);
}

/* What authenticators know the person by: random to them, and the same for all keys of a person. */
static struct str
handle_of(struct req *req, const struct passkey *keys, size_t n)
{
	struct str text = arena_printf(req->arena, "peal passkey handle %lld", (long long)req->me);
	unsigned char digest[SHA256_BYTES];

	if (n)
		return keys[0].handle;
	bytes_hmac_sha256(req->service->factor_key, text, digest);
	return arena_str(req->arena, str_n((char *)digest, sizeof(digest)));
}

static void
write_user(struct req *req, struct json_out *w, const struct user *user, struct str handle)
{
	json_open_object(w, "user");
	json_str(w, "id", base64url(req->arena, handle.p, handle.n));
	json_str(w, "name", user->username);
	json_str(w, "displayName", user->display_name);
	json_close(w);
}

/* Those that I have, so that no authenticator makes a second one. */
static void
write_excluded(struct req *req, struct json_out *w, const struct passkey *keys, size_t n)
{
	json_open_array(w, "excludeCredentials");
	for (size_t i = 0; i < n; i++) {
		json_open_object(w, NULL);
		json_cstr(w, "type", "public-key");
		json_str(w, "id", base64url(req->arena, keys[i].credential_id.p, keys[i].credential_id.n));
		json_raw(w, "transports", keys[i].transports_json);
		json_close(w);
	}
	json_close(w);
}

static void
write_algorithms(struct json_out *w)
{
	json_open_array(w, "pubKeyCredParams");
	for (const int64_t *alg = webauthn_algorithms; *alg; alg++) {
		json_open_object(w, NULL);
		json_cstr(w, "type", "public-key");
		json_int(w, "alg", *alg);
		json_close(w);
	}
	json_close(w);
}

static void
write_selection(struct json_out *w)
{
	json_open_object(w, "authenticatorSelection");
	json_cstr(w, "residentKey", "required");
	json_bool(w, "requireResidentKey", true);
	json_cstr(w, "userVerification", "required");
	json_close(w);
}

static int
reply_options(struct req *req, struct str rp_id, const struct user *user, const struct passkey *keys, size_t n)
{
	struct str challenge =
	        challenge_make(req->arena, req->service->factor_key, CHALLENGE_PASSKEY_NEW, req->me, STR_NONE, req->now);
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_object(w, "rp");
	json_str(w, "id", rp_id);
	json_str(w, "name", factor_issuer(req->conf));
	json_close(w);
	write_user(req, w, user, handle_of(req, keys, n));
	json_str(w, "challenge", challenge);
	write_algorithms(w);
	json_int(w, "timeout", CHALLENGE_SECONDS * 1000);
	write_excluded(req, w, keys, n);
	write_selection(w);
	json_cstr(w, "attestation", "none");
	json_close(w);
	return reply_end(req);
}

static int
passkey_options_post(struct req *req)
{
	struct webauthn_expected expected;
	struct factors factors;
	struct passkey *keys;
	size_t n;
	int r;

	r = factor_expected(req, &expected);
	if (!r)
		r = factor_proved(req);
	if (!r)
		r = factors_get(req->db, req->arena, req->me, &factors);
	if (!r)
		r = passkeys_of(req->db, req->arena, req->me, &keys, &n);
	if (r)
		return trace(r);
	return n < PASSKEYS_MAX ? reply_options(req, expected.rp_id, &factors.user, keys, n) : TOO_MANY;
}

struct body {
	struct str name;
	json_t *credential;
};

static const struct field body_fields[] = { STR_FIELD(struct body, name, .min = 1, .max = PASSKEY_NAME_MAX, .required = 1),
	                                    JSON_FIELD(struct body, credential, .required = 1),
	                                    { 0 } };
static const struct field name_fields[] = { STR_FIELD(struct body, name, .min = 1, .max = PASSKEY_NAME_MAX, .required = 1),
	                                    { 0 } };

static int
check_name(struct req *req, struct str name)
{
	if (text_blank(name) || !str_one_line(name))
		return req_invalid(req, "/name", "format", "A name is one line with something in it.");
	return 0;
}

/* The ceremony, checked; *ret has all but who it is of and what it is called. */
static int
check(struct req *req, const struct factor_credential *in, struct challenge *ret_challenge, struct webauthn_credential *ret)
{
	struct webauthn_expected expected;
	struct webauthn_client client;
	const char *why;
	int r;

	r = factor_expected(req, &expected);
	if (r)
		return r;
	if (webauthn_client_read(req->arena, in->client, &client, &why))
		return factor_refused(req, why);
	if (!challenge_read(req->arena, req->service->factor_key, client.challenge, CHALLENGE_PASSKEY_NEW, req->now,
	                    ret_challenge) ||
	    ret_challenge->user_id != req->me)
		return BAD_CHALLENGE;
	if (webauthn_registered(&expected, &client, in->id, in->attestation_object, ret, &why))
		return factor_refused(req, why);
	return 0;
}

static int
add(struct req *req, struct str name, const struct factor_credential *in, struct passkey *ret)
{
	struct webauthn_credential made;
	struct challenge challenge;
	struct passkey *keys;
	size_t n;
	int r;

	r = check(req, in, &challenge, &made);
	if (!r)
		r = passkeys_of(req->db, req->arena, req->me, &keys, &n);
	if (r)
		return trace(r);
	*ret = (struct passkey){
		.user_id = req->me,
		.credential_id = made.id,
		.public_key = made.public_key,
		.handle = handle_of(req, keys, n),
		.name = str_trim(name),
		.aaguid = made.aaguid,
		.transports_json = in->transports_json,
		.sign_count = made.sign_count,
		.backup_eligible = made.backup_eligible,
		.backed_up = made.backed_up,
	};
	r = passkey_add(req->db, req->arena, ret, &challenge.use, PASSKEYS_MAX);
	return r ? trace(r) : 0;
}

static int
passkey_post(struct req *req)
{
	struct factor_credential credential = { 0 };
	struct body in = { 0 };
	struct passkey key;
	int r;

	r = req_body(req, body_fields, &in);
	if (!r)
		r = check_name(req, in.name);
	if (!r)
		r = factor_credential_read(req, in.credential, "/credential", true, &credential);
	if (!r)
		r = factor_proved(req);
	if (!r)
		r = add(req, in.name, &credential, &key);
	if (r)
		return r;
	LOG(NOTICE, "passkey_added", L_STR("id", req->id), L_INT("user", req->me), L_INT("passkey", key.id));
	return reply_passkey(req, 201, &key);
}

static int
passkey_patch(struct req *req)
{
	struct body in = { 0 };
	struct passkey key;
	int r;

	r = req_body(req, name_fields, &in);
	if (!r)
		r = check_name(req, in.name);
	if (!r)
		r = passkey_rename(req->db, req->arena, req->me, req->thing, str_trim(in.name), &key);
	return r ? trace(r) : reply_passkey(req, 200, &key);
}

static int
passkey_delete(struct req *req)
{
	struct ways ways = factor_ways(req);
	int r = factor_proved(req);

	if (!r)
		r = passkey_remove(req->db, req->arena, req->me, req->thing, &ways);
	return r ? trace(r) : reply_empty(req);
}

const struct endpoint passkeys_get_endpoint = {
	.method = "GET",
	.path = "/auth/passkeys",
	.who = WHO_USER,
	.rate = RATE_READ,
	.fn = passkeys_route,
	.doc = "My passkeys, oldest first.",
};

const struct endpoint passkey_options_post_endpoint = {
	.method = "POST",
	.path = "/auth/passkeys/options",
	.who = WHO_USER,
	.body = BODY_NONE,
	.rate = RATE_MARK,
	.fn = passkey_options_post,
	.doc = "What navigator.credentials.create() wants, for a new passkey.",
};

const struct endpoint passkey_post_endpoint = {
	.method = "POST",
	.path = "/auth/passkeys",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.once = true,
	.fn = passkey_post,
	.doc = "A new passkey: what navigator.credentials.create() answered.",
};

const struct endpoint passkey_patch_endpoint = {
	.method = "PATCH",
	.path = "/auth/passkeys/{passkey}",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.fn = passkey_patch,
	.doc = "Another name for it.",
};

const struct endpoint passkey_delete_endpoint = {
	.method = "DELETE",
	.path = "/auth/passkeys/{passkey}",
	.who = WHO_USER,
	.rate = RATE_MARK,
	.fn = passkey_delete,
	.doc = "It signs nobody in any more. Not the last way in.",
};
