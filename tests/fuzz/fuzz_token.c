/*
 * fuzz_token: no bytes are accepted as a token but those that were signed.
 *
 * The input is tried as it is; and, cut at its first newline, as header and claims under a good signature of our key, which
 * reaches what lies behind the check of the signature.
 */
#include "fuzz.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "base/token.h"

#define NOW 1000000

static EVP_PKEY *key;

static struct token_keys *
make_keys(void)
{
	char path[] = "/tmp/peal-fuzz-XXXXXX";
	struct token_keys *keys = NULL;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	log_open("fuzz", LOG_LEVEL_ERROR);
	key = EVP_EC_gen("P-256");
	MUST(key && f && PEM_write_PUBKEY(f, key) == 1);
	fclose(f);
	MUST(!token_keys_load(NULL, path, "peal", "peal", &keys));
	unlink(path);
	return keys;
}

static struct str
sign(struct arena *a, struct str header, struct str claims)
{
	struct str head = arena_printf(a, "%s.%s", base64url(a, header.p, header.n).p, base64url(a, claims.p, claims.n).p);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned char der[80], raw[64];
	const unsigned char *at = der;
	size_t n = sizeof der;
	ECDSA_SIG *sig;

	MUST(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1);
	MUST(EVP_DigestSign(c, der, &n, (const unsigned char *)head.p, head.n) == 1);
	EVP_MD_CTX_free(c);
	sig = d2i_ECDSA_SIG(NULL, &at, (long)n);
	MUST(sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32) == 32 &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32) == 32);
	ECDSA_SIG_free(sig);
	return arena_printf(a, "%s.%s", head.p, base64url(a, raw, sizeof raw).p);
}

static void
check_accepted(const struct token_claims *c, struct str claims)
{
	MUST(c->user_id > 0 && uuid_valid(c->session_id));
	MUST(c->issued_at <= NOW + TOKEN_LEEWAY_SECONDS && c->expires_at > NOW - TOKEN_LEEWAY_SECONDS);
	MUST(memmem(claims.p, claims.n, "iss", 3) || memchr(claims.p, '\\', claims.n));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct token_keys *keys;
	struct arena *a = arena_new(64 << 20);
	struct str input = str_n((const char *)data, n), claims = input, header;
	struct token_claims c;
	int r;

	if (!keys)
		keys = make_keys();
	/* the key is new: nobody can have signed this */
	MUST(token_verify(keys, a, input, NOW, &c) == UNAUTHENTICATED);
	header = str_cut(&claims, '\n');
	if (claims.p) {
		r = token_verify(keys, a, sign(a, header, claims), NOW, &c);
		MUST(r == 0 || r == UNAUTHENTICATED || r == TOKEN_EXPIRED);
		if (!r)
			check_accepted(&c, claims);
	}
	arena_free(a);
	return 0;
}
