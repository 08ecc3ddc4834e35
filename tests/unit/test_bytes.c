/* bytes: vectors of the RFCs, and decoders that accept one spelling only. */
#include "unit.h"

#include "base/bytes.h"

static int
setup(void **state)
{
	*state = arena_new(1 << 20);
	return 0;
}

static int
teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static void
digests_match_their_vectors(void **state)
{
	unsigned char out[SHA256_BYTES];

	/* FIPS 180-4 "abc", RFC 4231 case 2 */
	bytes_sha256(STR("abc"), out);
	assert_str(hex(*state, out, sizeof out), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	bytes_sha256(STR_NONE, out);
	assert_str(hex(*state, out, sizeof out), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	bytes_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out);
	assert_str(hex(*state, out, sizeof out), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	bytes_hmac_sha256(STR_NONE, STR(""), out);
	assert_str(hex(*state, out, sizeof out), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void
hmac_sha1_matches_rfc_2202(void **state)
{
	unsigned char out[SHA1_BYTES];

	bytes_hmac_sha1(STR("Jefe"), STR("what do ya want for nothing?"), out);
	assert_str(hex(*state, out, sizeof out), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	bytes_hmac_sha1(STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
	                STR("Hi There"), out);
	assert_str(hex(*state, out, sizeof out), "b617318655057264e28bc0b6fb378c8ef146be00");
	bytes_hmac_sha1(STR_NONE, STR(""), out);
	assert_str(hex(*state, out, sizeof out), "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
}

static void
base64url_matches_rfc_4648(void **state)
{
	static const struct {
		const char *plain, *text;
	} cases[] = {
		{ "", "" },           { "f", "Zg" },          { "fo", "Zm8" },          { "foo", "Zm9v" },
		{ "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbe", "-_--" },
	};
	struct str back;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_str(base64url(*state, cases[i].plain, strlen(cases[i].plain)), cases[i].text);
		assert_true(base64url_decode(*state, str_c(cases[i].text), &back));
		assert_str(back, cases[i].plain);
	}
}

static void
base64url_has_one_spelling(void **state)
{
	static const char *const bad[] = { "Z",    "Zg=",  "Zg==",  "Zh",     "Zm9=",  "Zm-",
		                           "Zm+v", "Zm/v", "Zm 9v", "Zm9v\n", "Zm9vY", "Zm9ü" };
	struct str back = STR("untouched");

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(base64url_decode(*state, str_c(bad[i]), &back));
	assert_str(back, "untouched");
}

static void
random_bytes_survive_both_forms(void **state)
{
	for (size_t n = 0; n < 200; n++) {
		unsigned char in[200];
		struct str back;

		bytes_random(in, n);
		assert_true(base64url_decode(*state, base64url(*state, in, n), &back));
		assert_int_equal(back.n, n);
		assert_memory_equal(back.p, in, n);
		assert_true(hex_decode(*state, hex(*state, in, n), &back));
		assert_int_equal(back.n, n);
		assert_memory_equal(back.p, in, n);
	}
}

static void
hex_refuses_what_is_not_hex(void **state)
{
	struct str back;

	assert_false(hex_decode(*state, STR("0"), &back));
	assert_false(hex_decode(*state, STR("0g"), &back));
	assert_false(hex_decode(*state, STR(" 0"), &back));
	assert_true(hex_decode(*state, STR("aBcD"), &back));
	assert_memory_equal(back.p, "\xab\xcd", 2);
}

static void
uuids_are_version_4(void **state)
{
	struct str before = STR("");

	for (int i = 0; i < 100; i++) {
		struct str u = uuid_new(*state);

		assert_true(uuid_valid(u));
		assert_int_equal(u.p[14], '4');
		assert_non_null(strchr("89ab", u.p[19]));
		assert_false(str_eq(u, before));
		before = u;
	}
	assert_false(uuid_valid(STR("")));
	assert_false(uuid_valid(STR("01234567-89AB-4def-8123-456789abcdef")));
	assert_false(uuid_valid(STR("0123456789ab-4def-8123-456789abcdef-")));
	assert_false(uuid_valid(STR("01234567-89ab-4def-8123-456789abcde")));
	assert_false(uuid_valid(STR("{1234567-89ab-4def-8123-456789abcdef")));
}

static void
comparing_sees_every_byte(void **state)
{
	(void)state;
	assert_true(bytes_equal("abc", "abc", 3));
	assert_false(bytes_equal("abc", "abd", 3));
	assert_false(bytes_equal("abc", "bbc", 3));
	assert_true(bytes_equal("a", "b", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_match_their_vectors), cmocka_unit_test(base64url_matches_rfc_4648),
		cmocka_unit_test(base64url_has_one_spelling),  cmocka_unit_test(random_bytes_survive_both_forms),
		cmocka_unit_test(hex_refuses_what_is_not_hex), cmocka_unit_test(uuids_are_version_4),
		cmocka_unit_test(comparing_sees_every_byte),   cmocka_unit_test(hmac_sha1_matches_rfc_2202),
	};

	return cmocka_run_group_tests_name("bytes", tests, setup, teardown);
}
