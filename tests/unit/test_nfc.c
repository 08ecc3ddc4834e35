/* test_nfc -- canonical composition: examples of UAX #15 and of its test's kinds. */
#include "base/nfc.h"
#include "unit.h"

static struct arena *arena;

static void
is(const char *text, const char *want)
{
	struct str got = nfc(arena, str_c(text));

	assert_str(got, want);
	assert_str(nfc(arena, got), want);
}

static void
what_looks_the_same_is_the_same(void **state)
{
	(void)state;
	is("", "");
	is("plain", "plain");
	is("caf\u00e9", "caf\u00e9");
	is("cafe\u0301", "caf\u00e9");
	is("\u212b", "\u00c5"); /* the sign of the angstrom is the letter */
	is("\u2126", "\u03a9"); /* and that of the ohm */
	is("A\u030a", "\u00c5");
	is("\u1e69", "\u1e69"); /* s with two dots, spelt in four ways */
	is("s\u0323\u0307", "\u1e69");
	is("s\u0307\u0323", "\u1e69");
	is("\u1e61\u0323", "\u1e69");
}

static void
marks_stand_in_their_order(void **state)
{
	(void)state;
	is("a\u0315\u0300\u05ae\u0300b", "\u00e0\u05ae\u0300\u0315b");
	is("\u05d1\u05b0\u05bc", "\u05d1\u05b0\u05bc");
	is("\u0301a", "\u0301a"); /* without a letter before it */
	is("a\u0327\u0327\u0301", "\u00e1\u0327\u0327");
}

static void
some_are_never_put_together(void **state)
{
	(void)state;
	is("\u0958", "\u0915\u093c");
	is("\U0001d15e", "\U0001d157\U0001d165");
	is("\u2adc", "\u2add\u0338");
}

static void
hangul(void **state)
{
	(void)state;
	is("\u1100\u1161\u11a8", "\uac01");
	is("\u1100\u1161", "\uac00");
	is("\uac00\u11a8", "\uac01");
	is("\uac00\u11a7", "\uac00\u11a7");
	is("\ud55c\uae00", "\ud55c\uae00");
	is("\u1100\u1100\u1161", "\u1100\uac00");
}

static void
what_is_no_text_stays(void **state)
{
	(void)state;
	is("e\u0301\xff", "e\u0301\xff");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_looks_the_same_is_the_same), cmocka_unit_test(marks_stand_in_their_order),
		cmocka_unit_test(some_are_never_put_together),     cmocka_unit_test(hangul),
		cmocka_unit_test(what_is_no_text_stays),
	};
	int failed;

	arena = arena_new(1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
