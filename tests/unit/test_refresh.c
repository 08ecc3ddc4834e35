/* refresh tokens: made and read back, and nothing else is; message ids, names and blank text. */
#include "fcgi/auth.h"
#include "fcgi/text.h"
#include "unit.h"

#define ID "0b1e7d2c-8f00-4a11-9d3e-a1b2c3d4e5f6"

static struct arena *arena;
static const struct str key = { "0123456789abcdef0123456789abcdef", 32 };

static void
comes_back(void **state)
{
	static const int64_t generations[] = { 0, 1, 255, 256, INT32_MAX, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
		struct str token = refresh_make(arena, key, STR(ID), generations[i]), id;
		int64_t generation;

		assert_int_equal(token.n, 75);
		assert_true(refresh_parse(arena, key, token, &id, &generation));
		assert_str(id, ID);
		assert_int_equal(generation, generations[i]);
		assert_true(str_eq(token, refresh_make(arena, key, STR(ID), generations[i])));
	}
}

static void
no_other_token_does(void **state)
{
	struct str token = refresh_make(arena, key, STR(ID), 3), id;
	char *copy = (char *)arena_cstr(arena, token);
	int64_t generation;

	(void)state;
	for (size_t i = 0; i < token.n; i++) {
		char before = copy[i];

		copy[i] = before == 'A' ? 'B' : 'A';
		assert_false(refresh_parse(arena, key, str_n(copy, token.n), &id, &generation));
		copy[i] = before;
	}
	assert_true(refresh_parse(arena, key, str_n(copy, token.n), &id, &generation));
	for (size_t n = 0; n < token.n; n++)
		assert_false(refresh_parse(arena, key, str_n(copy, n), &id, &generation));
	assert_false(refresh_parse(arena, key, arena_printf(arena, "%s=", copy), &id, &generation));
	assert_false(refresh_parse(arena, STR("another key, also 32 bytes long."), token, &id, &generation));
}

static void
hashes_differ(void **state)
{
	struct str a = refresh_hash(arena, STR("a")), b = refresh_hash(arena, STR("b"));

	(void)state;
	assert_int_equal(a.n, 32);
	assert_false(str_eq(a, b));
}

static void
message_ids(void **state)
{
	static const char *const bad[] = { "",     ".",    "1",    "1.",   ".1",    "0.1",
		                           "1.0",  "01.1", "1.01", "1.2.", "1.2.3", "-1.2",
		                           "1.-2", " 1.2", "1.2 ", "a.b",  "1,2",   "9223372036854775808.1" };
	int64_t conversation, seq;

	(void)state;
	assert_true(message_id_parse(STR("12.881"), &conversation, &seq));
	assert_true(conversation == 12 && seq == 881);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (message_id_parse(str_c(bad[i]), &conversation, &seq))
			fail_msg("\"%s\" was taken", bad[i]);
}

static void
names_and_text(void **state)
{
	(void)state;
	assert_true(text_username(STR("bob")));
	assert_true(text_username(STR("9.a_b-C")));
	assert_true(text_username(STR("abcdefghijklmnopqrstuvwxyz012345")));
	assert_false(text_username(STR("abcdefghijklmnopqrstuvwxyz0123456")));
	assert_false(text_username(STR("ab")));
	assert_false(text_username(STR("_ab")));
	assert_false(text_username(STR("a b")));
	assert_false(text_username(STR("b\xc3\xb6se")));
	assert_true(text_blank(STR("")));
	assert_true(text_blank(STR(" \t\r\n\xc2\xa0\xe2\x80\x8b\xe3\x80\x80\xef\xbb\xbf")));
	assert_false(text_blank(STR("  .  ")));
	assert_false(text_blank(STR("\xf0\x9f\x99\x82")));
	assert_true(str_one_line(STR("Alice \xc3\x84rcher")));
	assert_false(str_one_line(STR("a\nb")));
	assert_false(str_one_line(STR("a\xe2\x80\xa8"
	                              "b")));
	assert_false(str_one_line(STR("a\x7f")));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),  cmocka_unit_test(no_other_token_does), cmocka_unit_test(hashes_differ),
		cmocka_unit_test(message_ids), cmocka_unit_test(names_and_text),
	};
	int failed;

	arena = arena_new(1 << 22);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
