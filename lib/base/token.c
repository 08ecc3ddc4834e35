/*
 * token -- the strict front, and ES256 by OpenSSL.
 *
 * libjwt 1.10 is not used for our own tokens: it neither writes nor accepts any `typ` but "JWT", and it parses the PEM text of
 * the key at every check (551 us; a parsed key takes 81 us). Tokens that were good are remembered by their digest with what they
 * say, because one token comes with hundreds of requests; its times are looked at every time.
 */
#include "token.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "buf.h"
#include "bytes.h"
#include "err.h"
#include "json_out.h"
#include "jws.h"
#include "log.h"

#define ALG              "ES256"
#define TYP              "at+jwt"
#define CURVE            "prime256v1"
#define CLAIMS_MAX_BYTES 2048
#define REMEMBERED       4096 /* a power of two */
#define UUID_TEXT_BYTES  36
#define KEYS_MOST        4

/* A token that was good but for the time: everything else about it never changes. */
struct known {
	unsigned char digest[SHA256_BYTES];
	int64_t user_id, issued_at, expires_at, not_before;
	char session_id[UUID_TEXT_BYTES];
};

struct token_keys {
	EVP_PKEY *private; /* NULL: verify only */
	EVP_PKEY *public[KEYS_MOST];
	size_t public_n;
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
read_private(const char *file, EVP_PKEY **ret)
{
	FILE *f = fopen(file, "re");
	struct stat st;

	if (!f)
		return refuse_key(file, strerrordesc_np(errno), -errno);
	if (!fstat(fileno(f), &st) && st.st_mode & S_IRWXO) {
		fclose(f);
		return refuse_key(file, "others may read it: chmod o= it", -EPERM);
	}
	*ret = PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	fclose(f);
	if (!*ret)
		return refuse_key(file, "not a PEM private key without passphrase", -EINVAL);
	return is_p256(*ret) ? 0 : refuse_key(file, "not an EC key on P-256", -EINVAL);
}

/* How many keys the file means to have, so that a damaged one is not overlooked. */
static size_t
count_keys(FILE *f)
{
	char line[256];
	size_t n = 0;

	while (fgets(line, sizeof(line), f))
		n += str_has_prefix(str_c(line), STR("-----BEGIN "));
	rewind(f);
	return n;
}

static int
read_public(const char *file, struct token_keys *keys)
{
	FILE *f = fopen(file, "re");
	size_t n;

	if (!f)
		return refuse_key(file, strerrordesc_np(errno), -errno);
	n = count_keys(f);
	while (keys->public_n < n && keys->public_n < KEYS_MOST &&
	       (keys->public[keys->public_n] = PEM_read_PUBKEY(f, NULL, no_passphrase, NULL)))
		keys->public_n++;
	fclose(f);
	if (!n || keys->public_n < n)
		return refuse_key(file, n > KEYS_MOST ? "too many keys" : "not a PEM public key", -EINVAL);
	for (size_t i = 0; i < n; i++)
		if (!is_p256(keys->public[i]))
			return refuse_key(file, "not an EC key on P-256", -EINVAL);
	return 0;
}

static int
load_keys(struct token_keys *keys, const char *private_file, const char *public_file)
{
	int r = read_public(public_file, keys);

	if (!r && private_file)
		r = read_private(private_file, &keys->private);
	if (r)
		return trace(r);
	for (size_t i = 0; private_file && i < keys->public_n; i++)
		if (EVP_PKEY_eq(keys->private, keys->public[i]) == 1)
			return 0;
	return private_file ? refuse_key(private_file, "does not belong to a public key", -EINVAL) : 0;
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
		for (size_t i = 0; i < keys->public_n; i++)
			EVP_PKEY_free(keys->public[i]);
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

static bool
sign(EVP_PKEY *key, struct str text, unsigned char out[JWS_ES256_BYTES])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned char der[JWS_ES256_DER_BYTES];
	size_t n = sizeof der;
	bool ok = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
	          EVP_DigestSign(c, der, &n, (const unsigned char *)text.p, text.n) == 1 && jws_es256_raw(der, n, out);

	EVP_MD_CTX_free(c);
	return ok;
}

int
token_issue(struct token_keys *keys, struct arena *a, const struct token_claims *claims, struct str *ret)
{
	static const char header[] = "{\"alg\":\"" ALG "\",\"typ\":\"" TYP "\"}";
	unsigned char signature[JWS_ES256_BYTES];
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

static bool
member_is(json_t *object, const char *name, struct str value)
{
	struct str v = jws_str(object, name);

	return str_present(v) && str_eq(v, value);
}

/* Exactly our own two members: what is not there cannot point anywhere (jku, x5u, jwk, x5c) or demand anything (crit). */
static bool
header_ok(json_t *header)
{
	return json_object_size(header) == 2 && member_is(header, "alg", STR(ALG)) && member_is(header, "typ", STR(TYP));
}

/* Our own are whole seconds. */
static bool
take_time(json_t *claims, const char *name, int64_t *ret)
{
	return json_is_integer(json_object_get(claims, name)) && jws_time(claims, name, ret);
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
	struct str session = jws_str(claims, "sid");

	if (!str_id(jws_str(claims, "sub"), &k->user_id) || !uuid_valid(session))
		return false;
	memcpy(k->session_id, session.p, sizeof(k->session_id));
	return true;
}

/* By one of our keys: while they are exchanged there are two. */
static bool
check_signature(const struct token_keys *keys, const struct jws *s)
{
	for (size_t i = 0; i < keys->public_n; i++)
		if (jws_check_es256(keys->public[i], s))
			return true;
	return false;
}

/* Everything but whether it is the time for it. */
static bool
good(struct token_keys *keys, struct arena *a, struct str token, struct known *k)
{
	struct jws s;

	return jws_parse(a, token, &s) && header_ok(s.header) && check_signature(keys, &s) &&
	       member_is(s.claims, "iss", str_c(keys->issuer)) && member_is(s.claims, "aud", str_c(keys->audience)) &&
	       take_times(s.claims, k) && take_identity(s.claims, k);
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
