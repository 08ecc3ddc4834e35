/* token -- the strict front, and what is left for libjwt: the signature. */
#include "token.h"

#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bytes.h"
#include "err.h"
#include "json_in.h"
#include "log.h"

#define ALG "ES256"
#define TYP "at+jwt"
#define CURVE "prime256v1"
#define SIGNATURE_BYTES 64 /* r and s of P-256, RFC 7518 section 3.4 */
#define PEM_MAX_BYTES 4096

/* PEM text that we wrote ourselves from a parsed key: libjwt sees no other, and no other kind of key. */
struct pem {
	char text[PEM_MAX_BYTES];
	size_t n;
};

struct token_keys {
	struct pem private, public; /* private.n 0: verify only */
	char *issuer, *audience;
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
		return refuse_key(file, private ? "not a PEM private key without passphrase" : "not a PEM public key", -EINVAL);
	if (!is_p256(key)) {
		EVP_PKEY_free(key);
		return refuse_key(file, "not an EC key on P-256", -EINVAL);
	}
	*ret = key;
	return 0;
}

static int
write_pem(struct pem *pem, EVP_PKEY *key, bool private)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	int ok = bio && (private ? PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) : PEM_write_bio_PUBKEY(bio, key));
	int n = ok ? BIO_read(bio, pem->text, sizeof pem->text) : 0;

	BIO_free(bio);
	if (n <= 0 || (size_t)n == sizeof pem->text)
		return fault(-EINVAL);
	pem->n = (size_t)n;
	return 0;
}

static int
load_private(struct token_keys *keys, const char *file, EVP_PKEY *public)
{
	EVP_PKEY *key;
	int r = read_key(file, true, &key);

	if (r)
		return trace(r);
	if (EVP_PKEY_eq(key, public) != 1)
		r = refuse_key(file, "does not belong to the public key", -EINVAL);
	else
		r = write_pem(&keys->private, key, true);
	EVP_PKEY_free(key);
	return trace(r);
}

static int
load_keys(struct token_keys *keys, const char *private_file, const char *public_file)
{
	EVP_PKEY *public;
	int r = read_key(public_file, false, &public);

	if (r)
		return trace(r);
	r = write_pem(&keys->public, public, false);
	if (!r && private_file)
		r = load_private(keys, private_file, public);
	EVP_PKEY_free(public);
	return trace(r);
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
		OPENSSL_cleanse(&keys->private, sizeof keys->private);
		free(keys->issuer);
		free(keys->audience);
		free(keys);
	}
	return NULL;
}

static void
free_jwt(void *jwt)
{
	jwt_free(jwt);
}

static int
add_claims(jwt_t *jwt, const struct token_keys *keys, struct arena *a, const struct token_claims *c)
{
	const char *subject = arena_printf(a, "%lld", (long long)c->user_id).p;

	return jwt_add_header(jwt, "typ", TYP) || jwt_add_grant(jwt, "iss", keys->issuer) ||
	       jwt_add_grant(jwt, "aud", keys->audience) || jwt_add_grant(jwt, "sub", subject) ||
	       jwt_add_grant(jwt, "sid", arena_cstr(a, c->session_id)) || jwt_add_grant_int(jwt, "iat", c->issued_at) ||
	       jwt_add_grant_int(jwt, "exp", c->expires_at);
}

int
token_issue(struct token_keys *keys, struct arena *a, const struct token_claims *claims, struct str *ret)
{
	jwt_t *jwt;
	char *text;

	if (!keys->private.n)
		return fault(-ENOKEY);
	if (jwt_new(&jwt))
		return fault(-ENOMEM);
	arena_defer(a, free_jwt, jwt);
	if (jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)keys->private.text, (int)keys->private.n) ||
	    add_claims(jwt, keys, a, claims))
		return fault(-EINVAL);
	text = jwt_encode_str(jwt);
	if (!text)
		return fault(-EINVAL);
	arena_defer(a, free, text);
	*ret = str_c(text);
	return 0;
}

/* The three segments, decoded. */
struct segments {
	struct str header, claims, signature;
};

static bool
split(struct arena *a, struct str token, struct segments *ret)
{
	struct str header = str_cut(&token, '.');
	struct str claims = str_cut(&token, '.');
	struct str signature = token;

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

static bool
signature_ok(struct token_keys *keys, struct arena *a, struct str token)
{
	jwt_t *jwt = NULL;
	bool ok;

	if (jwt_decode(&jwt, arena_cstr(a, token), (const unsigned char *)keys->public.text, (int)keys->public.n))
		return false;
	ok = jwt_get_alg(jwt) == JWT_ALG_ES256;
	jwt_free(jwt);
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
times_ok(json_t *claims, int64_t now, struct token_claims *c)
{
	int64_t not_before = 0;

	if (json_object_get(claims, "nbf") && !take_time(claims, "nbf", &not_before))
		return false;
	return take_time(claims, "iat", &c->issued_at) && take_time(claims, "exp", &c->expires_at) &&
	       c->issued_at <= now + TOKEN_LEEWAY_SECONDS && not_before <= now + TOKEN_LEEWAY_SECONDS &&
	       c->expires_at > c->issued_at;
}

static bool
identity_ok(json_t *claims, struct token_claims *c)
{
	json_t *sub = json_object_get(claims, "sub"), *sid = json_object_get(claims, "sid");

	if (!json_is_string(sub) || !json_is_string(sid))
		return false;
	c->session_id = str_n(json_string_value(sid), json_string_length(sid));
	return str_id(str_n(json_string_value(sub), json_string_length(sub)), &c->user_id) && uuid_valid(c->session_id);
}

static bool
claims_ok(const struct token_keys *keys, json_t *claims, int64_t now, struct token_claims *ret)
{
	return member_is(claims, "iss", str_c(keys->issuer)) && member_is(claims, "aud", str_c(keys->audience)) &&
	       times_ok(claims, now, ret) && identity_ok(claims, ret);
}

int
token_verify(struct token_keys *keys, struct arena *a, struct str token, int64_t now, struct token_claims *ret)
{
	struct segments s;
	struct token_claims c = { 0 };
	json_t *claims;

	if (!token.n || token.n > TOKEN_MAX_BYTES || !split(a, token, &s))
		return UNAUTHENTICATED;
	if (!header_ok(a, s.header) || s.signature.n != SIGNATURE_BYTES || !parse_object(a, s.claims, &claims))
		return UNAUTHENTICATED;
	if (!signature_ok(keys, a, token) || !claims_ok(keys, claims, now, &c))
		return UNAUTHENTICATED;
	if (c.expires_at <= now - TOKEN_LEEWAY_SECONDS)
		return TOKEN_EXPIRED;
	*ret = c;
	return 0;
}
