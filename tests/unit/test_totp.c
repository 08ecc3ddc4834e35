/* totp and seal: RFC 6238's vectors, the window, addresses for phones, codes on paper, and what only its key opens. */
#include "base/bytes.h"
#include "base/seal.h"
#include "base/totp.h"
#include "unit.h"

static struct arena *arena;
static const struct str secret = { "12345678901234567890", 20 };

/* RFC 6238, appendix B, SHA-1: eight digits there, of which ours are the last six. */
static const struct {
	int64_t time;
	uint32_t code;
} rfc[] = {
	{ 59, 94287082 % 1000000 },         { 1111111109, 7081804 % 1000000 },  { 1111111111, 14050471 % 1000000 },
	{ 1234567890, 89005924 % 1000000 }, { 2000000000, 69279037 % 1000000 }, { 20000000000, 65353130 % 1000000 },
};

static struct str
text(uint32_t code)
{
	return arena_printf(arena, "%06u", code);
}

static void
codes_of_the_rfc(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rfc) / sizeof(*rfc); i++) {
		assert_int_equal(totp_code(secret, rfc[i].time / 30), rfc[i].code);
		assert_int_equal(totp_find(secret, text(rfc[i].code), rfc[i].time), rfc[i].time / 30);
	}
}

static void
one_step_of_drift(void **state)
{
	int64_t now = 1234567890, step = now / 30;

	(void)state;
	for (int64_t off = -3; off <= 3; off++) {
		int64_t found = totp_find(secret, text(totp_code(secret, step + off)), now);

		assert_int_equal(found, off < -1 || off > 1 ? -1 : step + off);
	}
}

static void
only_six_digits_are_a_code(void **state)
{
	static const char *const bad[] = { "",       "5924",   "05924",  "0005924", "00592a",
		                           " 05924", "-05924", "+05924", "005924 ", "005924\n" };

	(void)state;
	assert_int_equal(totp_find(secret, STR("005924"), 1234567890), 1234567890 / 30);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(totp_find(secret, str_c(bad[i]), 1234567890), -1);
	assert_int_equal(totp_find(secret, str_n("00592\0", 6), 1234567890), -1);
}

/* RFC 4648, section 10, without the padding. */
static void
base32_of_the_rfc(void **state)
{
	static const char *const vectors[][2] = { { "", "" },
		                                  { "f", "MY" },
		                                  { "fo", "MZXQ" },
		                                  { "foo", "MZXW6" },
		                                  { "foob", "MZXW6YQ" },
		                                  { "fooba", "MZXW6YTB" },
		                                  { "foobar", "MZXW6YTBOI" } };

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
		assert_str(base32(arena, vectors[i][0], strlen(vectors[i][0])), vectors[i][1]);
}

static void
addresses(void **state)
{
	(void)state;
	assert_str(totp_uri(arena, STR("Peal"), STR("alice"), secret),
	           "otpauth://totp/Peal:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	           "&issuer=Peal&algorithm=SHA1&digits=6&period=30");
	assert_str(totp_uri(arena, STR("A&B: x"), STR("\xc3\xa4?"), STR("f")),
	           "otpauth://totp/A%26B%3A%20x:%C3%A4%3F?secret=MY&issuer=A%26B%3A%20x&algorithm=SHA1&digits=6&period=30");
}

static void
codes_on_paper(void **state)
{
	struct str a = recovery_code_new(arena), b = recovery_code_new(arena), read, again;

	(void)state;
	assert_int_equal(a.n, RECOVERY_CODE_DIGITS + 5);
	assert_false(str_eq(a, b));
	assert_true(recovery_code_read(arena, a, &read));
	assert_int_equal(read.n, RECOVERY_CODE_DIGITS);
	assert_true(recovery_code_read(arena, read, &again));
	assert_true(str_eq(read, again));
	assert_true(recovery_code_read(arena, STR(" OIL0-abcd EFGH-jkmn-pqrs-TVWX "), &read));
	assert_str(read, "0110abcdefghjkmnpqrstvwx");
	assert_false(recovery_code_read(arena, STR("OIL0-abcd-EFGH-jkmn-pqrs-TVW"), &read));
	assert_false(recovery_code_read(arena, STR("OIL0-abcd-EFGH-jkmn-pqrs-TVWXY"), &read));
	assert_false(recovery_code_read(arena, STR("OIL0-abcd-EFGH-jkmn-pqrs-TVWu"), &read));
	assert_false(recovery_code_read(arena, str_n("OIL0-abcd-EFGH-jkmn-pqrs-TVW\0", 29), &read));
	assert_false(recovery_code_read(arena, STR(""), &read));
}

static void
seals(void **state)
{
	struct str a = seal(arena, STR("key"), STR("7"), secret), b = seal(arena, STR("key"), STR("7"), secret), open;

	(void)state;
	assert_int_equal(a.n, secret.n + 28);
	assert_false(str_eq(a, b));
	assert_true(unseal(arena, STR("key"), STR("7"), a, &open));
	assert_true(str_eq(open, secret));
	assert_false(unseal(arena, STR("kez"), STR("7"), a, &open));
	assert_false(unseal(arena, STR("key"), STR("8"), a, &open));
	for (size_t i = 0; i < a.n; i++) {
		char *spoilt = (char *)arena_cstr(arena, a);

		spoilt[i] ^= 1;
		assert_false(unseal(arena, STR("key"), STR("7"), str_n(spoilt, a.n), &open));
		assert_false(unseal(arena, STR("key"), STR("7"), str_n(a.p, i), &open));
	}
	a = seal(arena, STR("key"), STR(""), STR(""));
	assert_true(unseal(arena, STR("key"), STR(""), a, &open));
	assert_int_equal(open.n, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_of_the_rfc),
		cmocka_unit_test(one_step_of_drift),
		cmocka_unit_test(only_six_digits_are_a_code),
		cmocka_unit_test(base32_of_the_rfc),
		cmocka_unit_test(addresses),
		cmocka_unit_test(codes_on_paper),
		cmocka_unit_test(seals),
	};
	int failed;

	arena = arena_new(1 << 22);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
