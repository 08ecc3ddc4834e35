/* jws -- the strict front, and three kinds of signatures. */
#include "jws.h"

#include <math.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "bytes.h"
#include "json_in.h"

#define COORDINATE_BYTES (JWS_ES256_BYTES / 2)
#define LATEST           253402300800.0 /* the year 10000 */

const char *const jws_alg_names[JWS_ALG_N] = { "HS256", "RS256", "ES256" };

static bool
parse_object(struct arena *a, struct str base64, json_t **ret)
{
	struct json_report report;
	struct str text;

	return base64.n && base64url_decode(a, base64, &text) && !json_parse(a, text, ret, &report) && json_is_object(*ret);
}

bool
jws_parse(struct arena *a, struct str token, struct jws *ret)
{
	struct str whole = token;
	struct str header = str_cut(&token, '.');
	struct str claims = str_cut(&token, '.');

	ret->signed_text = str_n(whole.p, header.n + 1 + claims.n);
	return token.n && parse_object(a, header, &ret->header) && !json_object_get(ret->header, "crit") &&
	       parse_object(a, claims, &ret->claims) && base64url_decode(a, token, &ret->signature);
}

bool
jws_check_hs256(struct str secret, const struct jws *jws)
{
	unsigned char mac[SHA256_BYTES];

	if (!secret.n || jws->signature.n != sizeof(mac))
		return false;
	bytes_hmac_sha256(secret, jws->signed_text, mac);
	return bytes_equal(mac, jws->signature.p, sizeof(mac));
}

static bool
check_digest(EVP_PKEY *key, struct str text, const void *signature, size_t n)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
	          EVP_DigestVerify(c, signature, n, (const unsigned char *)text.p, text.n) == 1;

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return ok;
}

bool
jws_check_rs256(EVP_PKEY *key, const struct jws *jws)
{
	return check_digest(key, jws->signed_text, jws->signature.p, jws->signature.n);
}

/* DER of r and s; its length. */
static size_t
der_of(const unsigned char raw[JWS_ES256_BYTES], unsigned char out[JWS_ES256_DER_BYTES])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, COORDINATE_BYTES, NULL), *s = BN_bin2bn(raw + COORDINATE_BYTES, COORDINATE_BYTES, NULL);
	int n;

	if (!sig || !r || !s || !ECDSA_SIG_set0(sig, r, s))
		abort(); /* out of memory */
	n = i2d_ECDSA_SIG(sig, &out);
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

/* r and s of 0 are refused by OpenSSL as well; a library that forgot was CVE-2022-21449. */
static bool
coordinates_ok(const char *raw)
{
	static const char zero[COORDINATE_BYTES];

	return memcmp(raw, zero, sizeof(zero)) && memcmp(raw + COORDINATE_BYTES, zero, sizeof(zero));
}

bool
jws_check_es256(EVP_PKEY *key, const struct jws *jws)
{
	unsigned char der[JWS_ES256_DER_BYTES];
	size_t n;

	if (jws->signature.n != JWS_ES256_BYTES || !coordinates_ok(jws->signature.p))
		return false;
	n = der_of((const unsigned char *)jws->signature.p, der);
	return n && check_digest(key, jws->signed_text, der, n);
}

bool
jws_es256_raw(const unsigned char *der, size_t n, unsigned char out[JWS_ES256_BYTES])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, COORDINATE_BYTES) == COORDINATE_BYTES &&
	          BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + COORDINATE_BYTES, COORDINATE_BYTES) == COORDINATE_BYTES;

	ECDSA_SIG_free(sig);
	return ok;
}

struct str
jws_str(json_t *object, const char *name)
{
	json_t *v = json_object_get(object, name);

	return json_is_string(v) ? str_n(json_string_value(v), json_string_length(v)) : STR_NONE;
}

bool
jws_time(json_t *claims, const char *name, int64_t *ret)
{
	json_t *v = json_object_get(claims, name);
	double seconds = json_number_value(v);

	if (!json_is_number(v) || !(seconds >= 0 && seconds < LATEST))
		return false;
	*ret = json_is_integer(v) ? json_integer_value(v) : (int64_t)floor(seconds);
	return true;
}
