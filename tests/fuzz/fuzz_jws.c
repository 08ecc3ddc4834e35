/*
 * fuzz_jws: no bytes are accepted as another issuer's token but those that were signed.
 *
 * The input is tried as it is, under a key of each kind; and, cut at its first newline, as header and claims under a good signature, which
 * reaches what lies behind the check of the signature, for access tokens and for ID tokens.
 */
#include "fuzz.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/issuers.h"

#define NOW    1000000
#define SECRET "a secret of thirty-two bytes, yes"

static struct issuer
make_issuer(enum jws_alg alg, struct jwk_set *keys)
{
	return (struct issuer){ .label = "x",
		                .issuer = "i",
		                .audience = "a",
		                .client_id = "c",
		                .name_claim = "name",
		                .username_claim = "preferred_username",
		                .max_token_seconds = 86400,
		                .alg = alg,
		                .keys = keys };
}

/* Takes the key. */
static struct jwk_set *
make_keys(EVP_PKEY *key, enum jws_alg alg)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct jwk_set *set;
	const char *why;
	char *text;
	long n;

	MUST(key && bio && PEM_write_bio_PUBKEY(bio, key) == 1);
	n = BIO_get_mem_data(bio, &text);
	set = jwk_read_pem(alg, str_n(text, (size_t)n), &why);
	MUST(set);
	BIO_free(bio);
	EVP_PKEY_free(key);
	return set;
}

static struct str
sign(struct arena *a, struct str header, struct str claims)
{
	struct str text = arena_printf(a, "%s.%s", base64url(a, header.p, header.n).p, base64url(a, claims.p, claims.n).p);
	unsigned char mac[SHA256_BYTES];

	bytes_hmac_sha256(STR(SECRET), text, mac);
	return arena_printf(a, "%s.%s", text.p, base64url(a, mac, sizeof(mac)).p);
}

static void
check_accepted(const struct issuer_claims *c)
{
	MUST(c->subject.n && c->subject.n <= ISSUER_SUBJECT_MAX && str_utf8_valid(c->subject));
	MUST(c->issued_at <= NOW + ISSUER_LEEWAY_SECONDS && c->not_before <= NOW + ISSUER_LEEWAY_SECONDS);
	MUST(c->expires_at > NOW - ISSUER_LEEWAY_SECONDS);
}

static void
try_signed(const struct issuer *i, struct arena *a, struct str header, struct str claims)
{
	struct str token = sign(a, header, claims);
	struct issuer_claims c;
	int r = issuer_verify(i, a, token, NOW, &c);

	MUST(r == 0 || r == UNAUTHENTICATED || r == TOKEN_EXPIRED);
	if (!r) {
		check_accepted(&c);
		MUST(c.expires_at - (c.issued_at ? c.issued_at : NOW) <= i->max_token_seconds);
		MUST(memmem(header.p, header.n, "HS256", 5) || memchr(header.p, '\\', header.n));
	}
	r = issuer_verify_id(i, i->keys, a, token, STR("n"), NOW, &c);
	MUST(r == 0 || r == UNAUTHENTICATED || r == TOKEN_EXPIRED);
	if (!r)
		check_accepted(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct issuer by_secret, by_rsa, by_ec;
	struct arena *a = arena_new(64 << 20);
	struct str input = str_n((const char *)data, n), claims = input, header;
	struct issuer_claims c;
	const char *why;

	if (!by_secret.keys) {
		by_secret = make_issuer(JWS_HS256, jwk_read_secret(STR(SECRET), &why));
		by_rsa = make_issuer(JWS_RS256, make_keys(EVP_RSA_gen(2048), JWS_RS256));
		by_ec = make_issuer(JWS_ES256, make_keys(EVP_EC_gen("P-256"), JWS_ES256));
	}
	MUST(issuer_verify(&by_rsa, a, input, NOW, &c) == UNAUTHENTICATED);
	MUST(issuer_verify(&by_ec, a, input, NOW, &c) == UNAUTHENTICATED);
	MUST(issuer_verify_id(&by_ec, by_ec.keys, a, input, STR("n"), NOW, &c) == UNAUTHENTICATED);
	header = str_cut(&claims, '\n');
	if (claims.p)
		try_signed(&by_secret, a, header, claims);
	arena_free(a);
	return 0;
}
