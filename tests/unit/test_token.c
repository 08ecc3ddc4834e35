/* token: what is issued is accepted, and every known attack on JWT libraries is refused. */
#include "unit.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/token.h"

#define NOW    1000000
#define HEADER "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"
#define SID    "01234567-89ab-4def-8123-456789abcdef"
#define CLAIMS "{\"iss\":\"peal\",\"aud\":\"peal\",\"sub\":\"12\",\"sid\":\"" SID "\",\"iat\":1000000,\"exp\":1000600}"

static char *folder;
static char private_file[128], public_file[128], other_file[128], public_pem[1024];
static EVP_PKEY *own_key, *other_key;
static struct token_keys *keys;
static struct arena *arena;
static struct token_claims out;

static void
write_key(const char *file, EVP_PKEY *key, bool private)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(private ? PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) : PEM_write_PUBKEY(f, key), 1);
	fclose(f);
	chmod(file, private ? 0600 : 0644);
}

static const char *
in_folder(const char *name)
{
	return arena_printf(arena, "%s/%s", folder, name).p;
}

static int
group_setup(void **state)
{
	FILE *f;

	(void)state;
	folder = unit_folder();
	arena = arena_new(64 << 20);
	own_key = EVP_EC_gen("P-256");
	other_key = EVP_EC_gen("P-256");
	snprintf(private_file, sizeof private_file, "%s/a.key", folder);
	snprintf(public_file, sizeof public_file, "%s/a.pub", folder);
	snprintf(other_file, sizeof other_file, "%s/b.key", folder);
	write_key(private_file, own_key, true);
	write_key(public_file, own_key, false);
	write_key(other_file, other_key, true);
	f = fopen(public_file, "r");
	public_pem[fread(public_pem, 1, sizeof public_pem - 1, f)] = '\0';
	fclose(f);
	return token_keys_load(private_file, public_file, "peal", "peal", &keys);
}

static int
group_teardown(void **state)
{
	(void)state;
	token_keys_free(keys);
	token_keys_free(NULL);
	EVP_PKEY_free(own_key);
	EVP_PKEY_free(other_key);
	arena_free(arena);
	unit_folder_remove(folder);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	arena_reset(arena);
	out = (struct token_claims){ .user_id = -1 };
	return 0;
}

static struct str
encoded(const char *text)
{
	return base64url(arena, text, strlen(text));
}

static struct str
der_of(EVP_PKEY *key, struct str text)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	unsigned char *der = arena_alloc(arena, 100);
	size_t n = 100;

	assert_int_equal(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(c, der, &n, (const unsigned char *)text.p, text.n), 1);
	EVP_MD_CTX_free(c);
	return str_n((char *)der, n);
}

static struct str
raw_of(struct str der)
{
	const unsigned char *at = (const unsigned char *)der.p;
	unsigned char *raw = arena_alloc(arena, 64);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.n);

	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	return str_n((char *)raw, 64);
}

static struct str
joined(struct str head, struct str signature)
{
	return arena_printf(arena, "%.*s.%s", STR_ARG(head), base64url(arena, signature.p, signature.n).p);
}

/* header.claims, as they would be signed */
static struct str
unsigned_token(const char *header, const char *claims)
{
	return arena_printf(arena, "%s.%s", encoded(header).p, encoded(claims).p);
}

static struct str
signed_by(EVP_PKEY *key, const char *header, const char *claims)
{
	struct str head = unsigned_token(header, claims);

	return joined(head, raw_of(der_of(key, head)));
}

static struct str
signed_token(const char *header, const char *claims)
{
	return signed_by(own_key, header, claims);
}

static int
verify(struct str token)
{
	return token_verify(keys, arena, token, NOW, &out);
}

/* Refused, and nothing was written. */
static void
refused(struct str token, const char *what)
{
	int r = verify(token);

	if (r != UNAUTHENTICATED)
		fail_msg("%s: %d", what, r);
	assert_int_equal(out.user_id, -1);
}

static void
what_is_issued_is_accepted(void **state)
{
	struct token_claims c = { .user_id = INT64_MAX, .session_id = STR(SID), .issued_at = NOW, .expires_at = NOW + 600 };
	struct str token;

	(void)state;
	/* many, because r or s begins with zero bytes in one signature of 128 */
	for (int i = 0; i < 400; i++) {
		c.issued_at = NOW - i;
		assert_int_equal(token_issue(keys, arena, &c, &token), 0);
		assert_int_equal(verify(token), 0);
		assert_int_equal(out.user_id, INT64_MAX);
		assert_str(out.session_id, SID);
		assert_int_equal(out.issued_at, NOW - i);
		assert_int_equal(out.expires_at, NOW + 600);
		/* and once more, when its signature is remembered */
		assert_int_equal(verify(token), 0);
	}
}

static void
the_header_is_exactly_ours(void **state)
{
	struct token_claims c = { .user_id = 1, .session_id = STR(SID), .issued_at = NOW, .expires_at = NOW + 1 };
	struct str token, header;

	(void)state;
	assert_int_equal(token_issue(keys, arena, &c, &token), 0);
	assert_true(base64url_decode(arena, str_cut(&token, '.'), &header));
	assert_str(header, HEADER);
}

static void
our_own_signer_agrees(void **state)
{
	(void)state;
	assert_int_equal(verify(signed_token(HEADER, CLAIMS)), 0);
	assert_int_equal(out.user_id, 12);
	assert_int_equal(verify(signed_token("{ \"typ\":\"at+jwt\", \"alg\":\"ES256\" }", CLAIMS)), 0);
}

static void
hs256_with_the_public_key_as_secret(void **state)
{
	static const char *const algs[] = { "HS256", "HS384", "HS512", "RS256", "ES384", "PS256", "EdDSA" };
	unsigned char mac[SHA256_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof algs / sizeof *algs; i++) {
		const char *header = arena_printf(arena, "{\"alg\":\"%s\",\"typ\":\"at+jwt\"}", algs[i]).p;
		struct str head = unsigned_token(header, CLAIMS);

		bytes_hmac_sha256(str_c(public_pem), head, mac);
		refused(joined(head, str_n((char *)mac, sizeof mac)), algs[i]);
		refused(signed_token(header, CLAIMS), algs[i]);
	}
	/* and an HMAC under a header that names our own algorithm */
	bytes_hmac_sha256(str_c(public_pem), unsigned_token(HEADER, CLAIMS), mac);
	refused(joined(unsigned_token(HEADER, CLAIMS), str_n((char *)mac, sizeof mac)), "mac under ES256");
}

static void
alg_none_and_its_spellings(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\",\"typ\":\"at+jwt\"}", "{\"alg\":\"None\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"NONE\",\"typ\":\"at+jwt\"}", "{\"alg\":\"\",\"typ\":\"at+jwt\"}",
		"{\"alg\":null,\"typ\":\"at+jwt\"}",     "{\"typ\":\"at+jwt\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		struct str head = unsigned_token(headers[i], CLAIMS);

		refused(arena_printf(arena, "%s.", head.p), headers[i]);
		refused(head, headers[i]);
		refused(signed_token(headers[i], CLAIMS), headers[i]);
	}
	refused(arena_printf(arena, "%s.", unsigned_token(HEADER, CLAIMS).p), "ES256 without signature");
}

static void
headers_that_are_not_ours(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"es256\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"Es256\",\"typ\":\"at+jwt\"}",
		"{\"ALG\":\"ES256\",\"typ\":\"at+jwt\"}",
		"{\"alg\":[\"ES256\"],\"typ\":\"at+jwt\"}",
		"{\"alg\":\"ES256 \",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"ES256\\n\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"ES256\\u0000\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
		"{\"alg\":\"ES256\",\"typ\":\"AT+JWT\"}",
		"{\"alg\":\"ES256\"}",
		"{\"alg\":\"ES256\",\"typ\":null}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"jku\":\"https://x\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"x5u\":\"https://x\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"jwk\":{}}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"x5c\":[]}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"../../dev/null\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"b64\":false}",
		"{\"alg\":\"ES256\",\"jku\":\"https://x\"}",
		"{\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"ES256\",\"alg\":\"none\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"typ\":\"at+jwt\"}",
		"[]",
		"\"ES256\"",
		"null",
		"{",
		"{}",
		" ",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}{}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\"\xff}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		refused(signed_token(headers[i], CLAIMS), headers[i]);
}

/* CLAIMS with the text between two marks replaced. */
static const char *
claims_with(const char *what, const char *by)
{
	const char *at = strstr(CLAIMS, what);

	assert_non_null(at);
	return arena_printf(arena, "%.*s%s%s", (int)(at - CLAIMS), CLAIMS, by, at + strlen(what)).p;
}

static void
claims_that_are_wrong(void **state)
{
	static const struct {
		const char *what, *by;
	} cases[] = {
		{ "\"iss\":\"peal\"", "\"iss\":\"other\"" },
		{ "\"iss\":\"peal\",", "" },
		{ "\"iss\":\"peal\"", "\"iss\":\"peal\\u0000\"" },
		{ "\"iss\":\"peal\"", "\"iss\":[\"peal\"]" },
		{ "\"aud\":\"peal\"", "\"aud\":\"other\"" },
		{ "\"aud\":\"peal\",", "" },
		{ "\"aud\":\"peal\"", "\"aud\":[\"peal\",\"other\"]" },
		{ "\"aud\":\"peal\"", "\"aud\":null" },
		{ "\"aud\":\"peal\"", "\"aud\":\"PEAL\"" },
		{ "\"sub\":\"12\"", "\"sub\":12" },
		{ "\"sub\":\"12\"", "\"sub\":\"0\"" },
		{ "\"sub\":\"12\"", "\"sub\":\"-12\"" },
		{ "\"sub\":\"12\"", "\"sub\":\"012\"" },
		{ "\"sub\":\"12\"", "\"sub\":\"12 \"" },
		{ "\"sub\":\"12\"", "\"sub\":\"\"" },
		{ "\"sub\":\"12\"", "\"sub\":\"9223372036854775808\"" },
		{ "\"sub\":\"12\"", "\"sub\":\"alice\"" },
		{ "\"sub\":\"12\",", "" },
		{ SID, "0123456789ab4def8123456789abcdef" },
		{ SID, "01234567-89AB-4def-8123-456789abcdef" },
		{ SID, "" },
		{ SID, "x" },
		{ "\"sid\":\"" SID "\"", "\"sid\":5" },
		{ "\"sid\":\"" SID "\",", "" },
		{ "\"iat\":1000000", "\"iat\":1000031" },
		{ "\"iat\":1000000,", "" },
		{ "\"iat\":1000000", "\"iat\":\"1000000\"" },
		{ "\"iat\":1000000", "\"iat\":1000000.0" },
		{ "\"iat\":1000000", "\"iat\":-1" },
		{ "\"exp\":1000600", "\"exp\":\"1000600\"" },
		{ ",\"exp\":1000600", "" },
		{ "\"exp\":1000600", "\"exp\":1e6" },
		{ "\"exp\":1000600", "\"exp\":null" },
		{ "\"exp\":1000600", "\"exp\":9223372036854775807" },
		{ "\"exp\":1000600", "\"exp\":9223372036854775808" },
		{ "\"exp\":1000600", "\"exp\":1000000" },
		{ "\"exp\":1000600", "\"exp\":1000600,\"nbf\":1000031" },
		{ "\"exp\":1000600", "\"exp\":1000600,\"nbf\":\"0\"" },
		{ "\"exp\":1000600", "\"exp\":1000600,\"nbf\":null" },
		{ "\"exp\":1000600", "\"exp\":1,\"exp\":1000600" },
		{ "\"sub\":\"12\"", "\"sub\":\"12\",\"sub\":\"1\"" },
		{ "\"sub\":\"12\"", "\"sub\":\"1\",\"\\u0073ub\":\"12\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		refused(signed_token(HEADER, claims_with(cases[i].what, cases[i].by)), cases[i].by);
	refused(signed_token(HEADER, "[]"), "array");
	refused(signed_token(HEADER, "[" CLAIMS "]"), "claims in an array");
	refused(signed_token(HEADER, CLAIMS " x"), "something after the claims");
}

static void
times_have_a_leeway_of_thirty_seconds(void **state)
{
	struct str token = signed_token(HEADER, CLAIMS);

	(void)state;
	assert_int_equal(token_verify(keys, arena, token, 1000000 - 30, &out), 0);
	assert_int_equal(token_verify(keys, arena, token, 1000600 + 29, &out), 0);
	assert_int_equal(token_verify(keys, arena, token, 1000000 - 31, &out), UNAUTHENTICATED);
	/* the signature is remembered by now, the time is not */
	out.user_id = -1;
	assert_int_equal(token_verify(keys, arena, token, 1000600 + 30, &out), TOKEN_EXPIRED);
	assert_int_equal(token_verify(keys, arena, token, INT64_MAX / 2, &out), TOKEN_EXPIRED);
	assert_int_equal(out.user_id, -1);
	assert_int_equal(verify(signed_token(HEADER, claims_with("\"exp\":1000600", "\"exp\":1000600,\"nbf\":1000030"))), 0);
}

static void
expired_is_said_only_when_all_else_is_right(void **state)
{
	const char *old = claims_with("\"iat\":1000000,\"exp\":1000600", "\"iat\":1,\"exp\":600");

	(void)state;
	assert_int_equal(verify(signed_token(HEADER, old)), TOKEN_EXPIRED);
	refused(signed_by(other_key, HEADER, old), "expired and forged");
	refused(signed_token(HEADER,
	                     "{\"iss\":\"x\",\"aud\":\"peal\",\"sub\":\"1\",\"sid\":\"" SID "\",\"iat\":1,\"exp\":600}"),
	        "expired and foreign");
}

static void
shapes_that_are_no_tokens(void **state)
{
	static const char *const texts[] = { "",      ".",    "..",   "...",  "a",   "a.b",
		                             "a.b.c", ".a.b", "a..b", "a.b.", "   ", "Bearer x" };
	struct str good = signed_token(HEADER, CLAIMS);

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		refused(str_c(texts[i]), texts[i]);
	refused(STR_NONE, "absent");
	refused(arena_printf(arena, "%s.", good.p), "four segments");
	refused(arena_printf(arena, ".%s", good.p), "leading dot");
	refused(arena_printf(arena, " %s", good.p), "leading blank");
	refused(arena_printf(arena, "%s\n", good.p), "trailing newline");
	refused(arena_printf(arena, "%s=", good.p), "padding");
	refused(arena_printf(arena, "%s==", good.p), "padding of the right length");
	refused(str_n(good.p, good.n + 1), "trailing NUL");
	refused(str_n(good.p, good.n - 1), "cut");
}

/* The last character of a 64-byte segment has four bits that mean nothing: all but one of 16 spellings are forgeries. */
static void
base64_that_is_not_canonical(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct str good = signed_token(HEADER, CLAIMS);
	int accepted = 0;

	(void)state;
	assert_int_equal(verify(good), 0);
	for (int i = 0; i < 64; i++) {
		struct str copy = arena_str(arena, good);

		((char *)copy.p)[copy.n - 1] = digits[i];
		accepted += !verify(copy);
	}
	assert_int_equal(accepted, 1);
}

static void
blanks_and_other_alphabets_inside(void **state)
{
	static const char odd[] = { ' ', '\n', '\t', '+', '/', '=', '.', '\0', '\x80', '%', '"' };
	struct str good = signed_token(HEADER, CLAIMS);

	(void)state;
	for (size_t i = 0; i < sizeof odd; i++)
		for (size_t at = 0; at < good.n; at += 7) {
			struct str copy = arena_str(arena, good);

			((char *)copy.p)[at] = odd[i];
			if (str_eq(copy, good))
				continue;
			out.user_id = -1;
			refused(copy, "odd character");
		}
}

static void
signatures_of_another_kind(void **state)
{
	struct str head = unsigned_token(HEADER, CLAIMS), der = der_of(own_key, head), raw = raw_of(der);
	char *bad;

	(void)state;
	assert_int_equal(verify(joined(head, raw)), 0);
	out.user_id = -1;
	refused(joined(head, der), "DER");
	refused(joined(head, str_n(raw.p, 63)), "63 bytes");
	refused(joined(head, str_n(raw.p, 32)), "r alone");
	refused(joined(head, arena_printf(arena, "%064d", 0)), "digits");
	bad = arena_alloc(arena, 65);
	memcpy(bad, raw.p, 64);
	refused(joined(head, str_n(bad, 65)), "65 bytes");
	memset(bad, 0, 64);
	refused(joined(head, str_n(bad, 64)), "r = s = 0 (CVE-2022-21449)");
	memset(bad, 0xFF, 64);
	refused(joined(head, str_n(bad, 64)), "r and s beyond the order");
	memcpy(bad, raw.p + 32, 32);
	memcpy(bad + 32, raw.p, 32);
	refused(joined(head, str_n(bad, 64)), "s and r");
	refused(signed_by(other_key, HEADER, CLAIMS), "another key");
	refused(joined(unsigned_token(HEADER, claims_with("\"12\"", "\"13\"")), raw), "other claims under a good signature");
}

static void
every_flipped_bit_counts(void **state)
{
	struct str good = signed_token(HEADER, CLAIMS);

	(void)state;
	for (size_t at = 0; at < good.n; at++) {
		struct str copy = arena_str(arena, good);

		((char *)copy.p)[at] ^= 1;
		refused(copy, "flipped bit");
	}
}

static void
length_ends_at_4_kib(void **state)
{
	struct str token = STR("");
	char *huge = calloc(1, 9000001);

	(void)state;
	memset(huge, 'A', 9000000);
	refused(str_n(huge, 9000000), "9 MB of one segment");
	memcpy(huge + 8999996, ".A.A", 4);
	refused(str_n(huge, 9000000), "9 MB header");
	free(huge);
	for (int pad = 2600; pad < 3200; pad++) {
		struct str longer = signed_token(HEADER, arena_printf(arena, "{\"pad\":\"%0*d\",%s", pad, 0, CLAIMS + 1).p);

		if (longer.n > TOKEN_MAX_BYTES) {
			assert_int_equal(verify(token), 0);
			out.user_id = -1;
			refused(longer, "over 4 KiB");
			return;
		}
		token = longer;
	}
	fail_msg("never reached 4 KiB");
}

static void
deep_claims_are_refused(void **state)
{
	char deep[3000];

	(void)state;
	memset(deep, '[', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	refused(signed_token(HEADER, deep), "deep");
}

static void
keys_that_are_refused(void **state)
{
	struct token_keys *none = NULL;
	EVP_PKEY *p384 = EVP_EC_gen("P-384"), *k1 = EVP_EC_gen("secp256k1"), *rsa = EVP_RSA_gen(2048),
	         *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *const wrong[] = { p384, k1, rsa, ed };

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		write_key(in_folder("w.key"), wrong[i], true);
		write_key(in_folder("w.pub"), wrong[i], false);
		assert_true(token_keys_load(NULL, in_folder("w.pub"), "peal", "peal", &none) < 0);
		assert_true(token_keys_load(in_folder("w.key"), in_folder("w.pub"), "peal", "peal", &none) < 0);
		EVP_PKEY_free(wrong[i]);
	}
	assert_true(token_keys_load(other_file, public_file, "peal", "peal", &none) < 0);
	assert_true(token_keys_load(NULL, private_file, "peal", "peal", &none) < 0);
	assert_true(token_keys_load(public_file, public_file, "peal", "peal", &none) < 0);
	assert_true(token_keys_load(NULL, in_folder("missing"), "peal", "peal", &none) < 0);
	unit_write_file(in_folder("empty"), "");
	assert_true(token_keys_load(NULL, in_folder("empty"), "peal", "peal", &none) < 0);
	chmod(private_file, 0604);
	assert_true(token_keys_load(private_file, public_file, "peal", "peal", &none) < 0);
	chmod(private_file, 0600);
	assert_null(none);
}

/* While the key that signs is exchanged the file has the old one and the new one. */
static void
several_public_keys(void **state)
{
	struct token_keys *both;
	FILE *f = fopen(in_folder("both.pub"), "w");

	(void)state;
	assert_true(PEM_write_PUBKEY(f, other_key) && PEM_write_PUBKEY(f, own_key));
	fclose(f);
	assert_int_equal(token_keys_load(private_file, in_folder("both.pub"), "peal", "peal", &both), 0);
	assert_int_equal(token_verify(both, arena, signed_by(own_key, HEADER, CLAIMS), NOW, &out), 0);
	assert_int_equal(token_verify(both, arena, signed_by(other_key, HEADER, CLAIMS), NOW, &out), 0);
	token_keys_free(both);
	assert_int_equal(token_keys_load(NULL, public_file, "peal", "peal", &both), 0);
	assert_int_equal(token_verify(both, arena, signed_by(other_key, HEADER, CLAIMS), NOW, &out), UNAUTHENTICATED);
	token_keys_free(both);
}

static void
a_damaged_key_among_several_is_refused(void **state)
{
	struct token_keys *none = NULL;
	FILE *f = fopen(in_folder("both.pub"), "w");

	(void)state;
	assert_true(PEM_write_PUBKEY(f, own_key));
	fputs("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", f);
	fclose(f);
	assert_true(token_keys_load(NULL, in_folder("both.pub"), "peal", "peal", &none) < 0);
	f = fopen(in_folder("five.pub"), "w");
	for (int i = 0; i < 5; i++)
		assert_true(PEM_write_PUBKEY(f, own_key));
	fclose(f);
	assert_true(token_keys_load(NULL, in_folder("five.pub"), "peal", "peal", &none) < 0);
	assert_null(none);
}

static void
a_key_with_a_passphrase_is_refused_without_asking(void **state)
{
	struct token_keys *none = NULL;
	FILE *f = fopen(in_folder("locked.key"), "w");

	(void)state;
	assert_int_equal(PEM_write_PKCS8PrivateKey(f, own_key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL), 1);
	fclose(f);
	chmod(in_folder("locked.key"), 0600);
	assert_true(token_keys_load(in_folder("locked.key"), public_file, "peal", "peal", &none) < 0);
}

static void
public_keys_verify_and_cannot_issue(void **state)
{
	struct token_claims c = { .user_id = 1, .session_id = STR(SID), .issued_at = NOW, .expires_at = NOW + 1 };
	struct token_keys *public;
	struct str token;

	(void)state;
	assert_int_equal(token_keys_load(NULL, public_file, "peal", "peal", &public), 0);
	assert_int_equal(token_verify(public, arena, signed_token(HEADER, CLAIMS), NOW, &out), 0);
	assert_true(token_issue(public, arena, &c, &token) < 0);
	token_keys_free(public);
	assert_int_equal(token_keys_load(NULL, public_file, "peal", "elsewhere", &public), 0);
	assert_int_equal(token_verify(public, arena, signed_token(HEADER, CLAIMS), NOW, &out), UNAUTHENTICATED);
	token_keys_free(public);
}

/* More tokens than places, all in one memory: a place that was taken over must neither accept nor refuse wrongly. */
static void
remembered_signatures_do_not_mix(void **state)
{
	struct token_claims c = { .user_id = 1, .session_id = STR(SID), .issued_at = NOW, .expires_at = NOW + 600 };
	struct str tokens[300];

	(void)state;
	for (int i = 0; i < 300; i++) {
		c.user_id = i + 1;
		assert_int_equal(token_issue(keys, arena, &c, &tokens[i]), 0);
	}
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 300; i++) {
			assert_int_equal(verify(tokens[i]), 0);
			assert_int_equal(out.user_id, i + 1);
		}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(what_is_issued_is_accepted),
		T(the_header_is_exactly_ours),
		T(our_own_signer_agrees),
		T(hs256_with_the_public_key_as_secret),
		T(alg_none_and_its_spellings),
		T(headers_that_are_not_ours),
		T(claims_that_are_wrong),
		T(times_have_a_leeway_of_thirty_seconds),
		T(expired_is_said_only_when_all_else_is_right),
		T(shapes_that_are_no_tokens),
		T(base64_that_is_not_canonical),
		T(blanks_and_other_alphabets_inside),
		T(signatures_of_another_kind),
		T(every_flipped_bit_counts),
		T(length_ends_at_4_kib),
		T(deep_claims_are_refused),
		T(keys_that_are_refused),
		T(several_public_keys),
		T(a_damaged_key_among_several_is_refused),
		T(a_key_with_a_passphrase_is_refused_without_asking),
		T(public_keys_verify_and_cannot_issue),
		T(remembered_signatures_do_not_mix),
	};

	return cmocka_run_group_tests_name("token", tests, group_setup, group_teardown);
}
