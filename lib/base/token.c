/*
 * token -- the strict front, and ES256 by OpenSSL.
 *
 * libjwt 1.10 is not used for our own tokens: it neither writes nor accepts any `typ` but "JWT", and it parses the PEM text of
 * the key at every check (551 us; a parsed key takes 81 us). Tokens that were good are remembered by their digest with what they
 * say, because one token comes with hundreds of requests; its times are looked at every time.
 */
#include "token.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "buf.h"
#include "bytes.h"
#include "err.h"
#include "json_in.h"
#include "json_out.h"
#include "log.h"

#define ALG              "ES256"
#define TYP              "at+jwt"
#define CURVE            "prime256v1"
#define SIGNATURE_BYTES  64 /* r and s of P-256, RFC 7518 section 3.4 */
#define COORDINATE_BYTES (SIGNATURE_BYTES / 2)
#define DER_MAX_BYTES    80
#define CLAIMS_MAX_BYTES 2048
#define REMEMBERED       4096 /* a power of two */
#define UUID_TEXT_BYTES  36

/* A token that was good but for the time: everything else about it never changes. */
struct known {
	unsigned char digest[SHA256_BYTES];
	int64_t user_id, issued_at, expires_at, not_before;
	char session_id[UUID_TEXT_BYTES];
};

struct token_keys {
	EVP_PKEY *private; /* NULL: verify only */
	EVP_PKEY *public;
	char *issuer, *audience;
	struct known known[REMEMBERED]; /* by digest */
};

/* Every failure of loading is a line that names the file. */
static int
refuse_key(const char *file, const char *why, int r)
{
	LOG(ERROR, "token_key_refused", L_CSTR("file", file), L_CSTR("why", why));
	return fault(r);
}

/* Instead of asking on the terminal. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool
is_p256(EVP_PKEY *key)
{
	char curve[32];

	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) && !strcmp(curve, CURVE);
}

static int
read_key(const char *file, bool private, EVP_PKEY **ret)
{
	FILE *f = fopen(file, "re");
	struct stat st;
	EVP_PKEY *key;

	if (!f)
		return refuse_key(file, strerrordesc_np(errno), -errno);
	if (private && !fstat(fileno(f), &st) && st.st_mode & S_IRWXO) {
		fclose(f);
		return refuse_key(file, "others may read it: chmod o= it", -EPERM);
	}
	key = private ? PEM_read_PrivateKey(f, NULL, no_passphrase, NULL) : PEM_read_PUBKEY(f, NULL, no_passphrase, NULL);
	fclose(f);
	if (!key)
		return refuse_key(file, private ? "not a PEM private key without passphrase" : "not a PEM public key",
		                  -EINVAL);
	if (!is_p256(key)) {
		EVP_PKEY_free(key);
		return refuse_key(file, "not an EC key on P-256", -EINVAL);
	}
	*ret = key;
	return 0;
}

static int
load_keys(struct token_keys *keys, const char *private_file, const char *public_file)
{
	int r = read_key(public_file, false, &keys->public);

	if (!r && private_file)
		r = read_key(private_file, true, &keys->private);
	if (r)
		return trace(r);
	if (private_file && EVP_PKEY_eq(keys->private, keys->public) != 1)
		return refuse_key(private_file, "does not belong to the public key", -EINVAL);
	return 0;
}

int
token_keys_load(const char *private_file, const char *public_file, const char *issuer, const char *audience,
                struct token_keys **ret)
{
	struct token_keys *keys = calloc(1, sizeof *keys);
	int r;

	if (!keys || !(keys->issuer = strdup(issuer)) || !(keys->audience = strdup(audience)))
		abort();
	r = load_keys(keys, private_file, public_file);
	if (r) {
		token_keys_free(keys);
		return trace(r);
	}
	*ret = keys;
	return 0;
}

struct token_keys *
token_keys_free(struct token_keys *keys)
{
	if (keys) {
		EVP_PKEY_free(keys->private);
		EVP_PKEY_free(keys->public);
		free(keys->issuer);
		free(keys->audience);
		free(keys);
	}
	return NULL;
}

static struct str
write_claims(const struct token_keys *keys, struct buf *b, const struct token_claims *c)
{
	struct json_out w;

	json_begin(&w, b);
	json_open_object(&w, NULL);
	json_cstr(&w, "iss", keys->issuer);
	json_cstr(&w, "aud", keys->audience);
	json_id(&w, "sub", c->user_id);
	json_str(&w, "sid", c->session_id);
	json_int(&w, "iat", c->issued_at);
	json_int(&w, "exp", c->expires_at);
	json_close(&w);
	json_end(&w);
	return buf_view(b);
}

/* OpenSSL writes DER; a JWS has r and s side by side, each at full width. */
static bool
raw_signature(const unsigned char *der, size_t n, unsigned char out[SIGNATURE_BYTES])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, COORDINATE_BYTES) == COORDINATE_BYTES &&
	          BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + COORDINATE_BYTES, COORDINATE_BYTES) == COORDINATE_BYTES;

	ECDSA_SIG_free(sig);
	return ok;
}

static bool
sign(EVP_PKEY *key, struct str text, unsigned char out[SIGNATURE_BYTES])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned char der[DER_MAX_BYTES];
	size_t n = sizeof der;
	bool ok = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
	          EVP_DigestSign(c, der, &n, (const unsigned char *)text.p, text.n) == 1 && raw_signature(der, n, out);

	EVP_MD_CTX_free(c);
	return ok;
}

int
token_issue(struct token_keys *keys, struct arena *a, const struct token_claims *claims, struct str *ret)
{
	static const char header[] = "{\"alg\":\"" ALG "\",\"typ\":\"" TYP "\"}";
	unsigned char signature[SIGNATURE_BYTES];
	struct str body, text;
	struct buf b;
	bool whole;

	if (!keys->private)
		return fault(-ENOKEY);
	buf_init(&b, CLAIMS_MAX_BYTES);
	body = write_claims(keys, &b, claims);
	text = arena_printf(a, "%s.%s", base64url(a, header, sizeof header - 1).p, base64url(a, body.p, body.n).p);
	whole = !buf_failed(&b);
	buf_deinit(&b);
	if (!whole || !sign(keys->private, text, signature))
		return fault(-EINVAL);
	*ret = arena_printf(a, "%s.%s", text.p, base64url(a, signature, sizeof signature).p);
	return 0;
}

/* The three segments, decoded, and what was signed: the first two as they came. */
struct segments {
	struct str header, claims, signature, signed_text;
};

static bool
split(struct arena *a, struct str token, struct segments *ret)
{
	struct str whole = token;
	struct str header = str_cut(&token, '.');
	struct str claims = str_cut(&token, '.');
	struct str signature = token;

	ret->signed_text = str_n(whole.p, header.n + 1 + claims.n);
	return header.n && claims.n && signature.n && base64url_decode(a, header, &ret->header) &&
	       base64url_decode(a, claims, &ret->claims) && base64url_decode(a, signature, &ret->signature);
}

static bool
parse_object(struct arena *a, struct str text, json_t **ret)
{
	struct json_report report;

	return !json_parse(a, text, ret, &report) && json_is_object(*ret);
}

static bool
member_is(json_t *object, const char *name, struct str value)
{
	json_t *v = json_object_get(object, name);

	return json_is_string(v) && str_eq(str_n(json_string_value(v), json_string_length(v)), value);
}

/* Exactly our own two members: what is not there cannot point anywhere (jku, x5u, jwk, x5c) or demand anything (crit). */
static bool
header_ok(struct arena *a, struct str text)
{
	json_t *header;

	return parse_object(a, text, &header) && json_object_size(header) == 2 && member_is(header, "alg", STR(ALG)) &&
	       member_is(header, "typ", STR(TYP));
}

/* DER of r and s, or 0. */
static int
der_signature(const unsigned char raw[SIGNATURE_BYTES], unsigned char out[DER_MAX_BYTES])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, COORDINATE_BYTES, NULL), *s = BN_bin2bn(raw + COORDINATE_BYTES, COORDINATE_BYTES, NULL);
	int n = 0;

	if (sig && r && s && ECDSA_SIG_set0(sig, r, s))
		n = i2d_ECDSA_SIG(sig, &out);
	else
		abort(); /* out of memory */
	ECDSA_SIG_free(sig);
	return n;
}

static bool
check_signature(EVP_PKEY *key, struct str text, struct str raw)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned char der[DER_MAX_BYTES];
	int n = der_signature((const unsigned char *)raw.p, der);
	bool ok = c && n > 0 && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
	          EVP_DigestVerify(c, der, (size_t)n, (const unsigned char *)text.p, text.n) == 1;

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return ok;
}

/* A NumericDate that JSON wrote as an integer; times before 1970 are nobody's. */
static bool
take_time(json_t *claims, const char *name, int64_t *ret)
{
	json_t *v = json_object_get(claims, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT64_MAX / 2)
		return false;
	*ret = json_integer_value(v);
	return true;
}

static bool
take_times(json_t *claims, struct known *k)
{
	return (!json_object_get(claims, "nbf") || take_time(claims, "nbf", &k->not_before)) &&
	       take_time(claims, "iat", &k->issued_at) && take_time(claims, "exp", &k->expires_at) &&
	       k->expires_at > k->issued_at;
}

static bool
take_identity(json_t *claims, struct known *k)
{
	json_t *sub = json_object_get(claims, "sub"), *sid = json_object_get(claims, "sid");
	struct str session;

	if (!json_is_string(sub) || !json_is_string(sid))
		return false;
	session = str_n(json_string_value(sid), json_string_length(sid));
	if (!str_id(str_n(json_string_value(sub), json_string_length(sub)), &k->user_id) || !uuid_valid(session))
		return false;
	memcpy(k->session_id, session.p, sizeof(k->session_id));
	return true;
}

/* Everything but whether it is the time for it. */
static bool
good(struct token_keys *keys, struct arena *a, struct str token, struct known *k)
{
	struct segments s;
	json_t *claims;

	return split(a, token, &s) && header_ok(a, s.header) && s.signature.n == SIGNATURE_BYTES &&
	       parse_object(a, s.claims, &claims) && check_signature(keys->public, s.signed_text, s.signature) &&
	       member_is(claims, "iss", str_c(keys->issuer)) && member_is(claims, "aud", str_c(keys->audience)) &&
	       take_times(claims, k) && take_identity(claims, k);
}

/* The place of a token that is good; NULL when it is not. */
static const struct known *
find(struct token_keys *keys, struct arena *a, struct str token)
{
	struct known fresh = { 0 }, *place;

	bytes_sha256(token, fresh.digest);
	place = &keys->known[(fresh.digest[0] | fresh.digest[1] << 8) % REMEMBERED];
	if (bytes_equal(place->digest, fresh.digest, SHA256_BYTES))
		return place;
	if (!good(keys, a, token, &fresh))
		return NULL;
	*place = fresh;
	return place;
}

int
token_verify(struct token_keys *keys, struct arena *a, struct str token, int64_t now, struct token_claims *ret)
{
	const struct known *k = token.n && token.n <= TOKEN_MAX_BYTES ? find(keys, a, token) : NULL;

	if (!k || k->issued_at > now + TOKEN_LEEWAY_SECONDS || k->not_before > now + TOKEN_LEEWAY_SECONDS)
		return UNAUTHENTICATED;
	if (k->expires_at <= now - TOKEN_LEEWAY_SECONDS)
		return TOKEN_EXPIRED;
	*ret = (struct token_claims){
		.user_id = k->user_id,
		.session_id = arena_str(a, str_n(k->session_id, sizeof(k->session_id))),
		.issued_at = k->issued_at,
		.expires_at = k->expires_at,
	};
	return 0;
}
