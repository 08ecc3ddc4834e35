/* test_text.c -- what a file may be called. */
#include "unit.h"

#include "base/arena.h"
#include "fcgi/text.h"

static const struct {
	const char *sent, *kept; /* NULL: no name */
} samples[] = {
	{ "photo.jpg", "photo.jpg" },
	{ "../../etc/passwd", "passwd" },
	{ "C:\\Users\\ann\\a.png", "a.png" },
	{ "/", NULL },
	{ "a/", NULL },
	{ "...", NULL },
	{ ".bashrc", "bashrc" },
	{ "  . .x ", "x" },
	{ "a\nb\r\tc\x7f.png", "abc.png" },
	{ "\xE2\x80\xAEgpj.exe", "gpj.exe" }, /* U+202E turns what follows around */
	{ "\xE2\x81\xA6"
	  "a\xE2\x81\xA9",
	  "a" }, /* U+2066, U+2069 */
	{ "\xC2\x85"
	  "a\xEF\xBB\xBF",
	  "a" },                              /* NEL, byte order mark */
	{ "\xE2\x80\x8B\xE2\x80\x8B", NULL }, /* nothing to be seen */
	{ "\xE6\x97\xA5\xE6\x9C\xAC.png", "\xE6\x97\xA5\xE6\x9C\xAC.png" },
	{ "", NULL },
};

static void
test_file_names(void **state)
{
	struct arena *a = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		struct str got = text_file_name(a, str_c(samples[i].sent));

		if (samples[i].kept)
			assert_str(got, samples[i].kept);
		else
			assert_false(str_present(got));
	}
	assert_false(str_present(text_file_name(a, STR_NONE)));
	assert_false(str_present(text_file_name(a, STR_NULL)));
	arena_free(a);
}

/* 255 bytes, and never half a character. */
static void
test_long_name(void **state)
{
	struct arena *a = arena_new(1 << 20);
	char sent[600];
	struct str got;

	(void)state;
	for (size_t i = 0; i < sizeof(sent); i += 2)
		memcpy(sent + i, "\xC3\xA9", 2);
	got = text_file_name(a, str_n(sent, sizeof(sent)));
	assert_int_equal(got.n, 254);
	assert_true(str_utf8_valid(got));
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_file_names), cmocka_unit_test(test_long_name) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
