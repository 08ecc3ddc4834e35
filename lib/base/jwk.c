/* jwk -- reading keys, and finding the one that a header names. */
#include "jwk.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "bytes.h"
#include "json_in.h"

#define CURVE            "prime256v1"
#define COORDINATE_BYTES 32
#define RSA_LEAST_BITS   2048
#define RSA_MOST_BITS    8192
#define EXPONENT_BITS    33 /* RFC 8017 allows more; nobody needs it, and checking would take longer */
#define PARSE_MOST       ((size_t)16 << 20)

struct jwk {
	char *kid; /* NULL: none */
	EVP_PKEY *key;
};

struct jwk_set {
	enum jws_alg alg;
	char *secret; /* HS256 */
	size_t secret_n;
	struct jwk keys[JWK_KEYS_MAX];
	size_t n;
};

static struct jwk_set *
set_new(enum jws_alg alg)
{
	struct jwk_set *set = calloc(1, sizeof(*set));

	if (!set)
		abort();
	set->alg = alg;
	return set;
}

struct jwk_set *
jwk_free(struct jwk_set *set)
{
	if (!set)
		return NULL;
	for (size_t i = 0; i < set->n; i++) {
		EVP_PKEY_free(set->keys[i].key);
		free(set->keys[i].kid);
	}
	if (set->secret)
		OPENSSL_clear_free(set->secret, set->secret_n);
	free(set);
	return NULL;
}

static struct jwk_set *
refuse(struct jwk_set *set, const char *why, const char **ret_why)
{
	*ret_why = why;
	ERR_clear_error();
	return jwk_free(set);
}

/* ---- one key, by secret or PEM ---- */

/* Whoever writes a text ends it with a line break. Random bytes may end in the same one, and there it counts. */
static struct str
without_line_break(struct str text)
{
	if (!text.n || text.p[text.n - 1] != '\n' || !str_utf8_valid(text))
		return text;
	text.n--;
	if (text.n && text.p[text.n - 1] == '\r')
		text.n--;
	return text;
}

struct jwk_set *
jwk_read_secret(struct str text, const char **ret_why)
{
	struct jwk_set *set;

	text = without_line_break(text);
	if (memmem(text.p, text.n, "-----BEGIN", 10))
		return refuse(NULL, "holds a PEM key, which is no secret", ret_why);
	if (text.n < JWK_SECRET_LEAST)
		return refuse(NULL, "holds fewer than 32 bytes", ret_why);
	set = set_new(JWS_HS256);
	set->secret = OPENSSL_malloc(text.n);
	if (!set->secret)
		abort();
	memcpy(set->secret, text.p, text.n);
	set->secret_n = text.n;
	return set;
}

static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1; /* instead of asking on the terminal */
}

static bool
rsa_ok(EVP_PKEY *key)
{
	BIGNUM *e = NULL;
	int bits = EVP_PKEY_get_bits(key);
	bool ok = EVP_PKEY_is_a(key, "RSA") && bits >= RSA_LEAST_BITS && bits <= RSA_MOST_BITS &&
	          EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) && !BN_is_one(e) &&
	          BN_num_bits(e) <= EXPONENT_BITS;

	BN_free(e);
	return ok;
}

static bool
ec_ok(EVP_PKEY *key)
{
	EVP_PKEY_CTX *c;
	char curve[32];
	bool ok;

	if (!EVP_PKEY_is_a(key, "EC") || !EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) || strcmp(curve, CURVE))
		return false;
	c = EVP_PKEY_CTX_new(key, NULL);
	ok = c && EVP_PKEY_public_check(c) == 1;
	EVP_PKEY_CTX_free(c);
	return ok;
}

static bool
fits(enum jws_alg alg, EVP_PKEY *key)
{
	return (alg == JWS_RS256 && rsa_ok(key)) || (alg == JWS_ES256 && ec_ok(key));
}

struct jwk_set *
jwk_read_pem(enum jws_alg alg, struct str text, const char **ret_why)
{
	struct jwk_set *set = set_new(alg);
	BIO *bio = text.n <= JWK_TEXT_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;

	if (bio)
		set->keys[0].key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (!set->keys[0].key)
		return refuse(set, "is not a PEM public key", ret_why);
	set->n = 1;
	if (!fits(alg, set->keys[0].key))
		return refuse(set, alg == JWS_RS256 ? "is not an RSA key of 2048 to 8192 bits" : "is not an EC key on P-256",
		              ret_why);
	return set;
}

/* ---- JWKS ---- */

/* A base64url member as a number; NULL when it is none. */
static BIGNUM *
number(struct arena *a, json_t *jwk, const char *name, size_t least, size_t most)
{
	struct str bytes;

	if (!base64url_decode(a, jws_str(jwk, name), &bytes) || bytes.n < least || bytes.n > most)
		return NULL;
	return BN_bin2bn((const unsigned char *)bytes.p, (int)bytes.n, NULL);
}

static EVP_PKEY *
from_params(const char *kind, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY *key = NULL;

	if (!c || !params || EVP_PKEY_fromdata_init(c) != 1 || EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(c);
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *
rsa_key(struct arena *a, json_t *jwk)
{
	BIGNUM *n = number(a, jwk, "n", RSA_LEAST_BITS / 8, RSA_MOST_BITS / 8), *e = number(a, jwk, "e", 1, 5);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (build && n && e && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e))
		key = from_params("RSA", build);
	OSSL_PARAM_BLD_free(build);
	BN_free(n);
	BN_free(e);
	return key;
}

/* RFC 7518 section 6.2.1.2: coordinates have the full width. */
static EVP_PKEY *
ec_key(struct arena *a, json_t *jwk)
{
	unsigned char point[1 + 2 * COORDINATE_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;
	struct str x, y;

	if (build && base64url_decode(a, jws_str(jwk, "x"), &x) && x.n == COORDINATE_BYTES &&
	    base64url_decode(a, jws_str(jwk, "y"), &y) && y.n == COORDINATE_BYTES) {
		memcpy(point + 1, x.p, COORDINATE_BYTES);
		memcpy(point + 1 + COORDINATE_BYTES, y.p, COORDINATE_BYTES);
		if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, CURVE, 0) &&
		    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)))
			key = from_params("EC", build);
	}
	OSSL_PARAM_BLD_free(build);
	return key;
}

static bool
lists(json_t *array, const char *word)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *one = json_string_value(json_array_get(array, i));

		if (one && !strcmp(one, word))
			return true;
	}
	return false;
}

/* Is a member absent, or this? */
static bool
unless(json_t *jwk, const char *name, const char *value)
{
	return !json_object_get(jwk, name) || str_eq(jws_str(jwk, name), str_c(value));
}

static bool
for_us(enum jws_alg alg, json_t *jwk)
{
	json_t *ops = json_object_get(jwk, "key_ops");

	return str_eq(jws_str(jwk, "kty"), alg == JWS_RS256 ? STR("RSA") : STR("EC")) && unless(jwk, "use", "sig") &&
	       unless(jwk, "alg", jws_alg_names[alg]) && (!ops || lists(ops, "verify")) &&
	       (alg != JWS_ES256 || str_eq(jws_str(jwk, "crv"), STR("P-256")));
}

/* `d` of RSA, EC and OKP keys, `k` of symmetric ones. */
static bool
is_private(json_t *jwk)
{
	return json_object_get(jwk, "d") || json_object_get(jwk, "k");
}

static const struct jwk *
find_kid(const struct jwk_set *set, struct str kid)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->keys[i].kid && str_eq(str_c(set->keys[i].kid), kid))
			return &set->keys[i];
	return NULL;
}

/* NULL, or why the whole set is refused. */
static const char *
take_key(struct arena *a, struct jwk_set *set, json_t *jwk)
{
	struct jwk *to = &set->keys[set->n];
	struct str kid = jws_str(jwk, "kid");

	if (!json_is_object(jwk))
		return "has a key that is not an object";
	if (is_private(jwk))
		return "has a private or secret key; only public keys belong there";
	if (!for_us(set->alg, jwk))
		return NULL;
	if (set->n == JWK_KEYS_MAX)
		return "has more than 64 keys";
	if ((json_object_get(jwk, "kid") && !kid.n) || memchr(kid.n ? kid.p : "", 0, kid.n))
		return "has a kid that is not a string with something in it";
	if (kid.n && find_kid(set, kid))
		return "has two keys with the same kid";
	to->key = set->alg == JWS_RS256 ? rsa_key(a, jwk) : ec_key(a, jwk);
	if (to->key && !fits(set->alg, to->key)) {
		EVP_PKEY_free(to->key);
		to->key = NULL;
	}
	if (!to->key)
		return "has a key that is malformed, too short or not on its curve";
	to->kid = kid.n ? strndup(kid.p, kid.n) : NULL;
	set->n++;
	return NULL;
}

static const char *
take_keys(struct arena *a, struct jwk_set *set, struct str text)
{
	struct json_report report;
	json_t *json, *keys;
	const char *why = NULL;

	if (text.n > JWK_TEXT_MAX)
		return "is larger than 256 KiB";
	if (json_parse(a, text, &json, &report) || !json_is_object(json))
		return "is not a JSON object with unique members";
	keys = json_object_get(json, "keys");
	if (!json_is_array(keys))
		return "is not a JWKS: it has no array `keys`";
	for (size_t i = 0; !why && i < json_array_size(keys); i++)
		why = take_key(a, set, json_array_get(keys, i));
	return why || set->n ? why : "has no key for this algorithm";
}

struct jwk_set *
jwk_read_jwks(enum jws_alg alg, struct str text, const char **ret_why)
{
	struct jwk_set *set = set_new(alg);
	struct arena *a = arena_new(PARSE_MOST);
	const char *why = alg == JWS_HS256 ? "cannot hold a secret" : take_keys(a, set, text);

	arena_free(a);
	ERR_clear_error();
	return why ? refuse(set, why, ret_why) : set;
}

/* ---- checking ---- */

static const struct jwk *
choose(const struct jwk_set *set, json_t *header)
{
	const struct jwk *only = set->n == 1 ? &set->keys[0] : NULL;
	json_t *kid = json_object_get(header, "kid");

	if (!kid || (only && !only->kid))
		return only;
	return json_is_string(kid) ? find_kid(set, jws_str(header, "kid")) : NULL;
}

bool
jwk_knows(const struct jwk_set *set, const struct jws *jws)
{
	return set->alg == JWS_HS256 || choose(set, jws->header);
}

bool
jwk_check(const struct jwk_set *set, const struct jws *jws)
{
	const struct jwk *key;

	if (!str_eq(jws_str(jws->header, "alg"), str_c(jws_alg_names[set->alg])))
		return false;
	if (set->alg == JWS_HS256)
		return jws_check_hs256(str_n(set->secret, set->secret_n), jws);
	key = choose(set, jws->header);
	if (!key)
		return false;
	return set->alg == JWS_RS256 ? jws_check_rs256(key->key, jws) : jws_check_es256(key->key, jws);
}

size_t
jwk_count(const struct jwk_set *set)
{
	return set->alg == JWS_HS256 ? 1 : set->n;
}
