/* webpush: the vectors of RFC 8291 (section 5 and appendix A), padding, what is refused, and the VAPID header. */
#include "unit.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/jws.h"
#include "base/webpush.h"

#define THEIRS  "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
#define AUTH    "BTBZMqHH6r4Tts7J_aSIgg"
#define OURS    "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
#define OUR_PUB "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
#define SALT    "DGv6ra1nlYgDCS1FRnbzlw"
#define SEALED                                                                                                              \
	"DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"  \
	"7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"

static struct arena *arena;

static struct str
bytes_of(const char *text)
{
	struct str out;

	assert_true(base64url_decode(arena, str_c(text), &out));
	return out;
}

static EVP_PKEY *
private_key(const char *text, const char *public)
{
	struct str d = bytes_of(text), q = bytes_of(public);
	BIGNUM *n = BN_bin2bn((const unsigned char *)d.p, (int)d.n, NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, n);
	OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, q.p, q.n);
	params = OSSL_PARAM_BLD_to_param(b);
	assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
	assert_int_equal(EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(c);
	BN_free(n);
	return key;
}

static void
test_rfc_8291(void **state)
{
	EVP_PKEY *ours = private_key(OURS, OUR_PUB);
	struct str out;

	(void)state;
	assert_int_equal(webpush_encrypt(arena, bytes_of(THEIRS), bytes_of(AUTH),
	                                 STR("When I grow up, I want to be a watermelon"), ours,
	                                 (const unsigned char *)bytes_of(SALT).p, &out),
	                 0);
	assert_string_equal(arena_cstr(arena, base64url(arena, out.p, out.n)), SEALED);
	EVP_PKEY_free(ours);
}

/* Texts of different lengths look alike, each is sealed by other keys, and none is longer than what push services take. */
static void
test_padding(void **state)
{
	static const struct {
		size_t text, body;
	} cases[] = { { 0, 86 + 512 + 16 },        { 1, 86 + 512 + 16 },        { 511, 86 + 512 + 16 },
		      { 512, 86 + 1024 + 16 },     { 1023, 86 + 1024 + 16 },    { 3583, 86 + 3584 + 16 },
		      { 3584, WEBPUSH_BODY_MOST }, { 3992, WEBPUSH_BODY_MOST }, { 3993, WEBPUSH_BODY_MOST } };
	char *text = arena_alloc(arena, 5000);
	struct str one, other;

	(void)state;
	memset(text, 'x', 5000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str t = str_n(text, cases[i].text);

		assert_int_equal(webpush_encrypt(arena, bytes_of(THEIRS), bytes_of(AUTH), t, NULL, NULL, &one), 0);
		assert_int_equal(one.n, cases[i].body);
		assert_int_equal(webpush_encrypt(arena, bytes_of(THEIRS), bytes_of(AUTH), t, NULL, NULL, &other), 0);
		assert_false(str_eq(str_n(one.p, 16), str_n(other.p, 16)));
		assert_false(str_eq(str_n(one.p + 21, 65), str_n(other.p + 21, 65)));
	}
	assert_int_equal(webpush_encrypt(arena, bytes_of(THEIRS), bytes_of(AUTH), str_n(text, 3994), NULL, NULL, &one),
	                 INVALID);
}

static void
test_keys_that_are_none(void **state)
{
	char *bad = arena_alloc(arena, 80);
	struct str key = bytes_of(THEIRS), out;

	(void)state;
	assert_true(webpush_key_ok(key));
	assert_false(webpush_key_ok(str_n(key.p, 64)));
	assert_false(webpush_key_ok(STR("")));
	memcpy(bad, key.p, 65);
	bad[64] ^= 1; /* not on the curve */
	assert_false(webpush_key_ok(str_n(bad, 65)));
	assert_int_equal(webpush_encrypt(arena, str_n(bad, 65), bytes_of(AUTH), STR("x"), NULL, NULL, &out), INVALID);
	memcpy(bad, key.p, 65);
	bad[0] = 2;
	assert_false(webpush_key_ok(str_n(bad, 65)));
	memset(bad, 0, 65);
	bad[0] = 4;
	assert_false(webpush_key_ok(str_n(bad, 65)));
	assert_int_equal(webpush_encrypt(arena, key, STR("short"), STR("x"), NULL, NULL, &out), INVALID);
}

static const char *
key_file(mode_t mode, const char *curve)
{
	static char path[] = "/tmp/peal-test-vapid-XXXXXX";
	EVP_PKEY *key = EVP_EC_gen(curve);
	FILE *f;
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	fchmod(fd, mode);
	f = fdopen(fd, "w");
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
	EVP_PKEY_free(key);
	return path;
}

/* As a push service checks it: by the key that is named beside it. */
static void
check_header(const struct vapid *v, struct str header, const char *origin, int64_t exp)
{
	struct str rest = header, point;
	EVP_PKEY *key;
	struct jws jws;
	int64_t until;

	assert_true(str_has_prefix(rest, STR("vapid t=")));
	rest = str_n(rest.p + 8, rest.n - 8);
	assert_true(jws_parse(arena, str_cut(&rest, ','), &jws));
	assert_true(str_has_prefix(rest, STR(" k=")));
	assert_true(str_eq(str_n(rest.p + 3, rest.n - 3), vapid_public(v)));
	assert_true(base64url_decode(arena, vapid_public(v), &point));
	assert_int_equal(point.n, WEBPUSH_POINT_BYTES);
	key = private_key(OURS, arena_cstr(arena, vapid_public(v)));
	assert_true(jws_check_es256(key, &jws));
	EVP_PKEY_free(key);
	assert_true(str_eq(jws_str(jws.header, "alg"), STR("ES256")));
	assert_true(str_eq(jws_str(jws.claims, "aud"), str_c(origin)));
	assert_true(str_eq(jws_str(jws.claims, "sub"), STR("mailto:a@example.org")));
	assert_true(jws_time(jws.claims, "exp", &until));
	assert_int_equal(until, exp);
}

static void
test_vapid(void **state)
{
	const char *why = NULL, *path = key_file(0640, "P-256");
	struct vapid *v = vapid_load(path, "mailto:a@example.org", &why);
	struct str first, again;

	(void)state;
	unlink(path);
	assert_non_null(v);
	first = vapid_authorization(v, arena, STR("https://push.example"), 1000000);
	assert_true(str_present(first));
	again = vapid_authorization(v, arena, STR("https://push.example"), 1000000 + 11 * 3600 - 1);
	assert_true(str_eq(first, again));
	again = vapid_authorization(v, arena, STR("https://push.example"), 1000000 + 11 * 3600);
	assert_false(str_eq(first, again));
	for (int i = 0; i < 40; i++) { /* more services than are kept */
		struct str origin = arena_printf(arena, "https://push%d.example", i);

		check_header(v, vapid_authorization(v, arena, origin, 5), arena_cstr(arena, origin), 5 + 12 * 3600);
	}
	vapid_free(v);
}

static void
test_vapid_files(void **state)
{
	const char *why = NULL, *path;

	(void)state;
	assert_null(vapid_load("/nonexistent/key", "mailto:a@b", &why));
	assert_string_equal(why, "cannot be opened");
	path = key_file(0644, "P-256");
	assert_null(vapid_load(path, "mailto:a@b", &why));
	assert_string_equal(why, "others may read it");
	unlink(path);
	path = key_file(0600, "P-384");
	assert_null(vapid_load(path, "mailto:a@b", &why));
	assert_string_equal(why, "not a private key on P-256");
	unlink(path);
}

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(1 << 22);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena = arena_free(arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rfc_8291, setup, teardown),
		cmocka_unit_test_setup_teardown(test_padding, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vapid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vapid_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
