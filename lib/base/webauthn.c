/* webauthn.c -- the checks of a relying party, in the order of the specification, and COSE keys as OpenSSL wants them. */
#include "webauthn.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "buf.h"
#include "bytes.h"
#include "cbor.h"
#include "err.h"
#include "json_in.h"
#include "origin.h"
#include "pubkey.h"

#define FLAG_PRESENT  0x01
#define FLAG_VERIFIED 0x04
#define FLAG_ELIGIBLE 0x08
#define FLAG_BACKED   0x10
#define FLAG_ATTESTED 0x40
#define FLAG_EXTENDED 0x80

#define AAGUID_BYTES   16
#define RSA_LEAST_BITS 2048
#define RSA_MOST_BITS  4096
#define ORIGIN_MAX     512

/* COSE_Key, RFC 8152 section 7 and 13 */
enum { COSE_KTY = 1, COSE_ALG = 3, COSE_CRV = -1, COSE_X = -2, COSE_Y = -3, COSE_N = -1, COSE_E = -2 };
enum { KTY_OKP = 1, KTY_EC2 = 2, KTY_RSA = 3 };
enum { CRV_P256 = 1, CRV_ED25519 = 6 };

const int64_t webauthn_algorithms[] = { WEBAUTHN_ES256, WEBAUTHN_EDDSA, WEBAUTHN_RS256, 0 };

static int
refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return INVALID;
}

/* ---- keys ---- */

/* A byte string of the key, or nothing. */
static struct str
member(const struct cbor *cose, int64_t name)
{
	struct cbor value;

	return cbor_by_int(cose, name, &value) && value.type == CBOR_BYTES ? value.bytes : STR_NONE;
}

static bool
is(const struct cbor *cose, int64_t name, int64_t want)
{
	struct cbor value;
	int64_t v;

	return cbor_by_int(cose, name, &value) && cbor_int(&value, &v) && v == want;
}

static EVP_PKEY *
key_of(const struct cbor *cose, int64_t algorithm)
{
	if (algorithm == WEBAUTHN_ES256 && is(cose, COSE_KTY, KTY_EC2) && is(cose, COSE_CRV, CRV_P256))
		return pubkey_p256(member(cose, COSE_X), member(cose, COSE_Y));
	if (algorithm == WEBAUTHN_EDDSA && is(cose, COSE_KTY, KTY_OKP) && is(cose, COSE_CRV, CRV_ED25519))
		return pubkey_ed25519(member(cose, COSE_X));
	if (algorithm == WEBAUTHN_RS256 && is(cose, COSE_KTY, KTY_RSA))
		return pubkey_rsa(member(cose, COSE_N), member(cose, COSE_E), RSA_LEAST_BITS, RSA_MOST_BITS);
	return NULL;
}

/* The type of key and the algorithm must go together: neither is believed alone. */
static EVP_PKEY *
cose_key(struct str text, int64_t *ret_algorithm)
{
	struct cbor cose, alg;

	if (!cbor_next(&text, &cose) || text.n || !cbor_by_int(&cose, COSE_ALG, &alg) || !cbor_int(&alg, ret_algorithm))
		return NULL;
	return key_of(&cose, *ret_algorithm);
}

bool
webauthn_key_ok(struct str cose)
{
	int64_t algorithm;
	EVP_PKEY *key = cose_key(cose, &algorithm);

	EVP_PKEY_free(key);
	return key != NULL;
}

static bool
verify(EVP_PKEY *key, int64_t algorithm, struct str text, struct str signature)
{
	const EVP_MD *digest = algorithm == WEBAUTHN_EDDSA ? NULL : EVP_sha256();
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestVerifyInit(c, NULL, digest, NULL, key) == 1 &&
	          EVP_DigestVerify(c, (const unsigned char *)signature.p, signature.n, (const unsigned char *)text.p,
	                           text.n) == 1;

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return ok;
}

/* Both kinds of signature are over the authenticator's data and the digest of the client's. */
static bool
verify_over(struct str cose, int64_t *ret_algorithm, struct str data, const struct webauthn_client *client,
            struct str signature)
{
	EVP_PKEY *key = cose_key(cose, ret_algorithm);
	unsigned char digest[SHA256_BYTES];
	struct buf text;
	bool ok;

	if (!key)
		return false;
	bytes_sha256(client->text, digest);
	buf_init(&text, data.n + sizeof(digest));
	buf_str(&text, data);
	buf_str(&text, str_n((char *)digest, sizeof(digest)));
	ok = !buf_failed(&text) && verify(key, *ret_algorithm, buf_view(&text), signature);
	buf_deinit(&text);
	EVP_PKEY_free(key);
	return ok;
}

/* ---- the client's data ---- */

int
webauthn_client_read(struct arena *arena, struct str text, struct webauthn_client *ret, const char **ret_why)
{
	struct members {
		struct str type, challenge, origin, topOrigin;
		struct opt_bool crossOrigin;
	} in = { 0 };
	static const struct field fields[] = { STR_FIELD(struct members, type, .required = 1),
		                               STR_FIELD(struct members, challenge, .required = 1),
		                               STR_FIELD(struct members, origin, .max = ORIGIN_MAX, .required = 1),
		                               STR_FIELD(struct members, topOrigin, .nullable = 1),
		                               BOOL_FIELD(struct members, crossOrigin, .nullable = 1),
		                               { 0 } };
	struct json_report report = { 0 };
	json_t *json;

	if (json_parse(arena, text, &json, &report) || !json_is_object(json) ||
	    json_fill(arena, json, fields, &in, "", &report))
		return refuse("clientDataJSON is not what it should be", ret_why);
	*ret = (struct webauthn_client){
		.type = in.type,
		.challenge = in.challenge,
		.origin = in.origin,
		.cross_origin = in.crossOrigin.v || str_present(in.topOrigin),
		.text = text,
	};
	return 0;
}

static int
check_client(const struct webauthn_expected *expected, const struct webauthn_client *client, struct str type,
             const char **ret_why)
{
	if (!str_eq(client->type, type))
		return refuse("of another type", ret_why);
	if (!origin_in(client->origin, expected->origins))
		return refuse("from another origin", ret_why);
	return client->cross_origin ? refuse("from a frame of another site", ret_why) : 0;
}

/* ---- the authenticator's data ---- */

static bool
take(struct str *s, size_t n, struct str *ret)
{
	if (s->n < n)
		return false;
	*ret = str_n(s->p, n);
	*s = str_n(s->p + n, s->n - n);
	return true;
}

/* A number of n bytes, big-endian. */
static bool
take_number(struct str *s, size_t n, int64_t *ret)
{
	struct str bytes;
	int64_t v = 0;

	if (!take(s, n, &bytes))
		return false;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)bytes.p[i];
	*ret = v;
	return true;
}

static bool
take_credential(struct str *s, struct webauthn_authenticator *ret)
{
	struct cbor key;
	int64_t n;

	if (!take(s, AAGUID_BYTES, &ret->aaguid) || !take_number(s, 2, &n) || n < 1 || n > WEBAUTHN_ID_MAX_BYTES ||
	    !take(s, (size_t)n, &ret->id) || !cbor_next(s, &key))
		return false;
	ret->public_key = key.whole;
	return key.type == CBOR_MAP;
}

bool
webauthn_authenticator_read(struct str data, struct webauthn_authenticator *ret)
{
	struct cbor extensions;
	int64_t flags;

	*ret = (struct webauthn_authenticator){ 0 };
	if (!take(&data, SHA256_BYTES, &ret->rp_id_hash) || !take_number(&data, 1, &flags) ||
	    !take_number(&data, 4, &ret->sign_count))
		return false;
	ret->present = flags & FLAG_PRESENT;
	ret->verified = flags & FLAG_VERIFIED;
	ret->backup_eligible = flags & FLAG_ELIGIBLE;
	ret->backed_up = flags & FLAG_BACKED;
	ret->attested = flags & FLAG_ATTESTED;
	if (ret->attested && !take_credential(&data, ret))
		return false;
	if (flags & FLAG_EXTENDED && (!cbor_next(&data, &extensions) || extensions.type != CBOR_MAP))
		return false;
	return !data.n;
}

static int
check_authenticator(const struct webauthn_expected *expected, const struct webauthn_authenticator *a, const char **ret_why)
{
	unsigned char digest[SHA256_BYTES];

	bytes_sha256(expected->rp_id, digest);
	if (!bytes_equal(digest, a->rp_id_hash.p, sizeof(digest)))
		return refuse("for another site", ret_why);
	if (!a->present)
		return refuse("nobody was present", ret_why);
	if (!a->verified)
		return refuse("nobody was verified", ret_why);
	return a->backed_up && !a->backup_eligible ? refuse("backed up, which it cannot be", ret_why) : 0;
}

/* ---- the two ceremonies ---- */

static int
check_attestation(const struct cbor *object, struct str data, const struct webauthn_client *client, struct str public_key,
                  const char **ret_why)
{
	struct cbor format, statement, alg, sig, chain;
	int64_t said, is;

	if (!cbor_by_text(object, STR("fmt"), &format) || format.type != CBOR_TEXT ||
	    !cbor_by_text(object, STR("attStmt"), &statement) || statement.type != CBOR_MAP)
		return refuse("no attestation statement", ret_why);
	if (str_eq(format.bytes, STR("none")))
		return statement.n ? refuse("a statement of nothing", ret_why) : 0;
	if (!str_eq(format.bytes, STR("packed")) || cbor_by_text(&statement, STR("x5c"), &chain))
		return refuse("an attestation that nobody asked for", ret_why);
	if (!cbor_by_text(&statement, STR("alg"), &alg) || !cbor_int(&alg, &said) ||
	    !cbor_by_text(&statement, STR("sig"), &sig) || sig.type != CBOR_BYTES ||
	    !verify_over(public_key, &is, data, client, sig.bytes) || said != is)
		return refuse("attested by another key", ret_why);
	return 0;
}

static int
check_credential(const struct webauthn_authenticator *a, struct str id, const char **ret_why)
{
	if (!a->attested)
		return refuse("no credential", ret_why);
	if (!str_eq(a->id, id))
		return refuse("of another id", ret_why);
	return webauthn_key_ok(a->public_key) ? 0 : refuse("a key that cannot be used", ret_why);
}

int
webauthn_registered(const struct webauthn_expected *expected, const struct webauthn_client *client, struct str id,
                    struct str text, struct webauthn_credential *ret, const char **ret_why)
{
	struct webauthn_authenticator a;
	struct cbor object, data;
	int r;

	r = check_client(expected, client, STR("webauthn.create"), ret_why);
	if (r)
		return r;
	if (!cbor_next(&text, &object) || text.n || !cbor_by_text(&object, STR("authData"), &data) ||
	    data.type != CBOR_BYTES)
		return refuse("the attestation object is not what it should be", ret_why);
	if (!webauthn_authenticator_read(data.bytes, &a))
		return refuse("the authenticator's data is not what it should be", ret_why);
	r = check_authenticator(expected, &a, ret_why);
	if (!r)
		r = check_credential(&a, id, ret_why);
	if (!r)
		r = check_attestation(&object, data.bytes, client, a.public_key, ret_why);
	if (r)
		return r;
	*ret = (struct webauthn_credential){ a.id, a.public_key, a.aaguid, a.sign_count, a.backup_eligible, a.backed_up };
	return 0;
}

int
webauthn_asserted(const struct webauthn_expected *expected, const struct webauthn_client *client,
                  const struct webauthn_known *known, struct str data, struct str signature, struct webauthn_used *ret,
                  const char **ret_why)
{
	struct webauthn_authenticator a;
	int64_t algorithm;
	int r;

	r = check_client(expected, client, STR("webauthn.get"), ret_why);
	if (r)
		return r;
	if (!webauthn_authenticator_read(data, &a))
		return refuse("the authenticator's data is not what it should be", ret_why);
	r = check_authenticator(expected, &a, ret_why);
	if (r)
		return r;
	if (a.backup_eligible != known->backup_eligible)
		return refuse("another kind of credential than was registered", ret_why);
	if (!verify_over(known->public_key, &algorithm, data, client, signature))
		return refuse("not signed by this key", ret_why);
	*ret = (struct webauthn_used){ a.sign_count, a.backed_up };
	return 0;
}
