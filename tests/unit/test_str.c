/* str: strict numbers, UTF-8 and percent-encoding, with their edges. */
#include "unit.h"

static void
absent_null_and_empty_differ(void **state)
{
	(void)state;
	assert_false(str_present(STR_NONE));
	assert_false(str_present(STR_NULL));
	assert_true(str_present(STR("")));
	assert_true(str_is_null(STR_NULL));
	assert_false(str_is_null(STR_NONE));
	assert_false(str_is_null(STR("")));
	assert_false(str_present(str_c(NULL)));
}

static void
compares(void **state)
{
	(void)state;
	assert_int_equal(str_cmp(STR("a"), STR("a")), 0);
	assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("a"), STR("ab")) < 0);
	assert_true(str_cmp(STR("b"), STR("ab")) > 0);
	assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
	assert_true(str_eq_ascii_case(STR("Content-TYPE"), STR("content-type")));
	assert_false(str_eq_ascii_case(STR("a@"), STR("a`")));
	assert_false(str_eq_ascii_case(STR("\xC3\x84"), STR("\xC3\xA4")));
	assert_false(str_eq_ascii_case(STR("a"), STR("ab")));
	assert_true(str_has_prefix(STR("Bearer x"), STR("Bearer ")));
	assert_false(str_has_prefix(STR("Bear"), STR("Bearer ")));
}

static void
cuts_and_trims(void **state)
{
	struct str s = STR("a,,b");

	(void)state;
	assert_str(str_cut(&s, ','), "a");
	assert_str(str_cut(&s, ','), "");
	assert_str(str_cut(&s, ','), "b");
	assert_null(s.p);
	assert_int_equal(str_cut(&s, ',').n, 0);
	s = STR("a,");
	assert_str(str_cut(&s, ','), "a");
	assert_non_null(s.p);
	assert_str(str_cut(&s, ','), "");
	assert_null(s.p);
	assert_str(str_trim(STR(" \t\r\n a b \v\f")), "a b");
	assert_int_equal(str_trim(STR(" \n ")).n, 0);
	assert_str(str_trim(STR("\xC2\xA0")), "\xC2\xA0");
}

static void
integers_are_strict(void **state)
{
	static const char *const bad[] = { "",
		                           "-",
		                           "+1",
		                           "01",
		                           "-0",
		                           "-01",
		                           "1 ",
		                           " 1",
		                           "1.0",
		                           "1e3",
		                           "0x1",
		                           "--1",
		                           "１",
		                           "9223372036854775808",
		                           "-9223372036854775809",
		                           "99999999999999999999999" };
	int64_t v = 42;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(str_int64(str_c(bad[i]), &v));
		assert_int_equal(v, 42);
	}
	assert_false(str_int64(str_n("1\0", 2), &v));
	assert_true(str_int64(STR("0"), &v) && v == 0);
	assert_true(str_int64(STR("-1"), &v) && v == -1);
	assert_true(str_int64(STR("9223372036854775807"), &v) && v == INT64_MAX);
	assert_true(str_int64(STR("-9223372036854775808"), &v) && v == INT64_MIN);
}

static void
ids_are_positive(void **state)
{
	int64_t v = 42;

	(void)state;
	assert_false(str_id(STR("0"), &v));
	assert_false(str_id(STR("-1"), &v));
	assert_false(str_id(STR("007"), &v));
	assert_false(str_id(STR("9223372036854775808"), &v));
	assert_int_equal(v, 42);
	assert_true(str_id(STR("9223372036854775807"), &v) && v == INT64_MAX);
}

static void
utf8_as_rfc_3629(void **state)
{
	static const char *const good[] = { "",
		                            "a",
		                            "\x7f",
		                            "\xC2\x80",
		                            "\xDF\xBF",
		                            "\xE0\xA0\x80",
		                            "\xED\x9F\xBF",
		                            "\xEE\x80\x80",
		                            "\xEF\xBF\xBF",
		                            "\xF0\x90\x80\x80",
		                            "\xF4\x8F\xBF\xBF",
		                            "grün 🙂" };
	static const char *const bad[] = { "\x80",
		                           "\xBF",
		                           "\xC0\x80",
		                           "\xC1\xBF",
		                           "\xC2",
		                           "\xC2z",
		                           "\xE0\x80\x80",
		                           "\xE0\x9F\xBF",
		                           "\xED\xA0\x80",
		                           "\xED\xBF\xBF",
		                           "\xE2\x82",
		                           "\xF0\x80\x80\x80",
		                           "\xF0\x8F\xBF\xBF",
		                           "\xF4\x90\x80\x80",
		                           "\xF5\x80\x80\x80",
		                           "\xF8\x88\x80\x80\x80",
		                           "\xFE",
		                           "\xFF",
		                           "a\xF0\x9F\x99" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(str_utf8_valid(str_c(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(str_utf8_valid(str_c(bad[i])));
	assert_true(str_utf8_valid(str_n("a\0b", 3)));
}

static void
counts_code_points(void **state)
{
	struct str s = STR("aß€🙂z");
	uint32_t cp;

	(void)state;
	assert_int_equal(str_code_points(s), 5);
	assert_int_equal(str_code_points(STR("")), 0);
	assert_str(str_code_point_prefix(s, 0), "");
	assert_str(str_code_point_prefix(s, 3), "aß€");
	assert_str(str_code_point_prefix(s, 4), "aß€🙂");
	assert_str(str_code_point_prefix(s, 5), "aß€🙂z");
	assert_str(str_code_point_prefix(s, 99), "aß€🙂z");
	assert_int_equal(str_utf8_next(STR("🙂z"), &cp), 4);
	assert_int_equal(cp, 0x1F642);
	assert_int_equal(str_utf8_next(STR(""), &cp), 0);
}

static void
percent_decoding_is_strict(void **state)
{
	static const char *const bad[] = { "%", "%4", "%zz", "a%2", "%00", "%0g", "%-1", "% 1" };
	struct arena *a = arena_new(1 << 16);
	struct str s = STR("untouched");

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(str_percent_decode(a, str_c(bad[i]), true, &s));
	assert_false(str_percent_decode(a, str_n("a\0", 2), true, &s));
	assert_str(s, "untouched");
	assert_true(str_percent_decode(a, STR("a%20b+c%2B%e2%82%AC"), true, &s));
	assert_str(s, "a b c+€");
	assert_true(str_percent_decode(a, STR("a+b"), false, &s));
	assert_str(s, "a+b");
	assert_true(str_percent_decode(a, STR(""), false, &s));
	assert_str(s, "");
	arena_free(a);
}

static void
lowers_ascii_only(void **state)
{
	struct arena *a = arena_new(1 << 16);

	(void)state;
	assert_str(str_lower(a, STR("@AZ[`az{ 0Ä\xE2\x84\xAA")), "@az[`az{ 0Ä\xE2\x84\xAA");
	assert_str(str_lower(a, STR_NONE), "");
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_null_and_empty_differ),
		cmocka_unit_test(compares),
		cmocka_unit_test(cuts_and_trims),
		cmocka_unit_test(integers_are_strict),
		cmocka_unit_test(ids_are_positive),
		cmocka_unit_test(utf8_as_rfc_3629),
		cmocka_unit_test(counts_code_points),
		cmocka_unit_test(percent_decoding_is_strict),
		cmocka_unit_test(lowers_ascii_only),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
