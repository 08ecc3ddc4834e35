/* webpush.c -- by OpenSSL: ECDH, HKDF, AES-128-GCM, ES256. */
#include "webpush.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bytes.h"
#include "err.h"
#include "jws.h"
#include "pubkey.h"

#define KEY_BYTES       16
#define NONCE_BYTES     12
#define TAG_BYTES       16
#define HEAD_BYTES      (WEBPUSH_SALT_BYTES + 4 + 1 + WEBPUSH_POINT_BYTES)
#define LAST_RECORD     2 /* the delimiter behind the text of the last record */
#define JWT_SECONDS     (12 * 3600)
#define JWT_LEFT        3600
#define ORIGINS         16
#define ORIGIN_MOST     300
#define AUTHORIZED_MOST 900

static EVP_PKEY *
their_key(struct str point)
{
	if (point.n != WEBPUSH_POINT_BYTES || point.p[0] != 4)
		return NULL;
	return pubkey_p256(str_n(point.p + 1, 32), str_n(point.p + 33, 32));
}

bool
webpush_key_ok(struct str p256dh)
{
	EVP_PKEY *key = their_key(p256dh);

	EVP_PKEY_free(key);
	return key;
}

static bool
point_of(EVP_PKEY *key, unsigned char out[WEBPUSH_POINT_BYTES])
{
	size_t n = 0;

	return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out, WEBPUSH_POINT_BYTES, &n) == 1 &&
	       n == WEBPUSH_POINT_BYTES && out[0] == 4;
}

static bool
agree(EVP_PKEY *ours, EVP_PKEY *theirs, unsigned char out[32])
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(ours, NULL);
	size_t n = 32;
	bool ok = c && EVP_PKEY_derive_init(c) == 1 && EVP_PKEY_derive_set_peer(c, theirs) == 1 &&
	          EVP_PKEY_derive(c, out, &n) == 1 && n == 32;

	EVP_PKEY_CTX_free(c);
	return ok;
}

static void
hkdf(struct str salt, struct str key, struct str info, unsigned char *out, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.p, salt.n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key.p, key.n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.p, info.n),
		OSSL_PARAM_construct_end(),
	};

	if (!c || EVP_KDF_derive(c, out, n, params) != 1)
		abort();
	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
}

/* RFC 8291 section 3.4: the key material is bound to both public keys and to the subscription's secret. */
static void
make_keys(const unsigned char secret[32], struct str auth, struct str theirs, const unsigned char *ours,
          const unsigned char *salt_bytes, unsigned char key[KEY_BYTES], unsigned char nonce[NONCE_BYTES])
{
	unsigned char info[14 + 2 * WEBPUSH_POINT_BYTES], ikm[32];
	struct str salt = str_n((const char *)salt_bytes, WEBPUSH_SALT_BYTES);

	memcpy(info, "WebPush: info", 14);
	memcpy(info + 14, theirs.p, WEBPUSH_POINT_BYTES);
	memcpy(info + 14 + WEBPUSH_POINT_BYTES, ours, WEBPUSH_POINT_BYTES);
	hkdf(auth, str_n((const char *)secret, 32), str_n((char *)info, sizeof(info)), ikm, sizeof(ikm));
	hkdf(salt, str_n((char *)ikm, sizeof(ikm)), str_n("Content-Encoding: aes128gcm", 28), key, KEY_BYTES);
	hkdf(salt, str_n((char *)ikm, sizeof(ikm)), str_n("Content-Encoding: nonce", 24), nonce, NONCE_BYTES);
}

static bool
encrypt(const unsigned char *key, const unsigned char *nonce, const unsigned char *plain, size_t n, unsigned char *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int written = 0, last = 0;
	bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
	          EVP_EncryptUpdate(c, out, &written, plain, (int)n) == 1 &&
	          EVP_EncryptFinal_ex(c, out + written, &last) == 1 &&
	          EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, out + n) == 1;

	EVP_CIPHER_CTX_free(c);
	return ok && (size_t)(written + last) == n;
}

/* How long a text is with its delimiter and padding. */
static size_t
padded(size_t n)
{
	size_t whole = (n + 1 + WEBPUSH_PAD - 1) / WEBPUSH_PAD * WEBPUSH_PAD;

	return whole > WEBPUSH_TEXT_MOST + 1 ? WEBPUSH_TEXT_MOST + 1 : whole;
}

/* The vectors of the RFCs give keys and salt, and have no padding. */
static bool
seal_record(struct arena *arena, const unsigned char secret[32], struct str theirs, struct str auth, struct str text,
            const unsigned char *ours, const unsigned char *given_salt, struct str *ret)
{
	size_t n = given_salt ? text.n + 1 : padded(text.n);
	unsigned char *out = arena_alloc(arena, HEAD_BYTES + n + TAG_BYTES), *plain = arena_alloc(arena, n);
	unsigned char key[KEY_BYTES], nonce[NONCE_BYTES];

	if (given_salt)
		memcpy(out, given_salt, WEBPUSH_SALT_BYTES);
	else
		bytes_random(out, WEBPUSH_SALT_BYTES);
	memcpy(out + WEBPUSH_SALT_BYTES, (unsigned char[]){ 0, 0, WEBPUSH_BODY_MOST >> 8, 0, WEBPUSH_POINT_BYTES }, 5);
	memcpy(out + WEBPUSH_SALT_BYTES + 5, ours, WEBPUSH_POINT_BYTES);
	if (text.n)
		memcpy(plain, text.p, text.n);
	plain[text.n] = LAST_RECORD;
	make_keys(secret, auth, theirs, ours, out, key, nonce);
	*ret = str_n((char *)out, HEAD_BYTES + n + TAG_BYTES);
	return encrypt(key, nonce, plain, n, out + HEAD_BYTES);
}

int
webpush_encrypt(struct arena *arena, struct str p256dh, struct str auth, struct str text, EVP_PKEY *ours,
                const unsigned char *salt, struct str *ret)
{
	unsigned char secret[32], point[WEBPUSH_POINT_BYTES];
	EVP_PKEY *theirs, *made = NULL;
	bool ok;

	if (auth.n != WEBPUSH_AUTH_BYTES || text.n > WEBPUSH_TEXT_MOST)
		return INVALID;
	theirs = their_key(p256dh);
	if (!theirs)
		return INVALID;
	if (!ours)
		ours = made = EVP_EC_gen("P-256");
	ok = ours && point_of(ours, point) && agree(ours, theirs, secret) &&
	     seal_record(arena, secret, p256dh, auth, text, point, salt, ret);
	EVP_PKEY_free(made);
	EVP_PKEY_free(theirs);
	ERR_clear_error();
	return ok ? 0 : INVALID;
}

struct vapid {
	EVP_PKEY *key;
	const char *subject;
	char public[2 * WEBPUSH_POINT_BYTES];
	struct {
		int64_t until;
		char origin[ORIGIN_MOST], header[AUTHORIZED_MOST];
	} signed_for[ORIGINS];
	size_t next;
};

static EVP_PKEY *
read_key(const char *file, const char **ret_why)
{
	FILE *f = fopen(file, "re");
	EVP_PKEY *key = NULL;
	char group[32];
	struct stat st;

	*ret_why = "cannot be opened";
	if (!f)
		return NULL;
	*ret_why = "others may read it";
	if (!fstat(fileno(f), &st) && !(st.st_mode & 07)) {
		*ret_why = "not a private key on P-256";
		key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	}
	fclose(f);
	if (key && (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
	            EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 || strcmp(group, "prime256v1"))) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

struct vapid *
vapid_load(const char *file, const char *subject, const char **ret_why)
{
	EVP_PKEY *key = read_key(file, ret_why);
	unsigned char point[WEBPUSH_POINT_BYTES];
	struct vapid *v = key && point_of(key, point) ? calloc(1, sizeof(*v)) : NULL;
	struct arena *a;

	if (!v) {
		EVP_PKEY_free(key);
		return NULL;
	}
	a = arena_new(4096);
	v->key = key;
	v->subject = subject;
	snprintf(v->public, sizeof(v->public), "%.*s", STR_ARG(base64url(a, point, sizeof(point))));
	arena_free(a);
	return v;
}

struct vapid *
vapid_free(struct vapid *v)
{
	if (v)
		EVP_PKEY_free(v->key);
	free(v);
	return NULL;
}

struct str
vapid_public(const struct vapid *v)
{
	return str_c(v->public);
}

/* The configuration sees to it that the subject needs no escaping. */
static struct str
sign(struct vapid *v, struct arena *arena, struct str origin, int64_t until)
{
	struct str head = STR("{\"typ\":\"JWT\",\"alg\":\"ES256\"}");
	struct str claims = arena_printf(arena, "{\"aud\":\"%.*s\",\"exp\":%lld,\"sub\":\"%s\"}", STR_ARG(origin),
	                                 (long long)until, v->subject);
	struct str text = arena_printf(arena, "%.*s.%.*s", STR_ARG(base64url(arena, head.p, head.n)),
	                               STR_ARG(base64url(arena, claims.p, claims.n)));
	unsigned char der[JWS_ES256_DER_BYTES], raw[JWS_ES256_BYTES];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t n = sizeof(der);
	bool ok = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, v->key) == 1 &&
	          EVP_DigestSign(c, der, &n, (const unsigned char *)text.p, text.n) == 1 && jws_es256_raw(der, n, raw);

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return ok ? arena_printf(arena, "vapid t=%.*s.%.*s, k=%s", STR_ARG(text),
	                         STR_ARG(base64url(arena, raw, sizeof(raw))), v->public)
	          : STR_NONE;
}

struct str
vapid_authorization(struct vapid *v, struct arena *arena, struct str origin, int64_t now)
{
	struct str made;
	size_t i = 0;

	while (i < ORIGINS && !str_eq(str_c(v->signed_for[i].origin), origin))
		i++;
	if (i < ORIGINS && v->signed_for[i].until - now > JWT_LEFT)
		return arena_str(arena, str_c(v->signed_for[i].header));
	made = sign(v, arena, origin, now + JWT_SECONDS);
	if (!str_present(made) || origin.n >= ORIGIN_MOST || made.n >= AUTHORIZED_MOST)
		return made;
	if (i == ORIGINS)
		i = v->next++ % ORIGINS;
	v->signed_for[i].until = now + JWT_SECONDS;
	snprintf(v->signed_for[i].origin, ORIGIN_MOST, "%.*s", STR_ARG(origin));
	snprintf(v->signed_for[i].header, AUTHORIZED_MOST, "%.*s", STR_ARG(made));
	return made;
}
