/* test_guess -- what passwords are made of. */
#include "base/guess.h"
#include "unit.h"

static struct arena *arena;
static const struct str own[] = { STR("alice.archer"), STR("Alice Archer") };

static size_t
pieces(const char *password)
{
	return guess_pieces(arena, str_c(password), own, 2);
}

static void
one_piece(void **state)
{
	static const char *const texts[] = { "password",
		                             "PASSWORD",
		                             "p4$$w0rd",
		                             "P\u00e4ssw\u00f6rd",
		                             "aaaaaaaaaaaaaaa",
		                             "abcdefghijklmno",
		                             "9876543210",
		                             "qwertyuiop",
		                             "poiuytrewq",
		                             "1q2w3e4r5t6y",
		                             "2024",
		                             "alice",
		                             "archer",
		                             "x" };

	(void)state;
	assert_int_equal(pieces(""), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (pieces(texts[i]) != 1)
			fail_msg("%s has %zu pieces", texts[i], pieces(texts[i]));
}

static void
several(void **state)
{
	(void)state;
	assert_int_equal(pieces("passwordpassword"), 2);
	assert_int_equal(pieces("Summer2024!Summer"), 4);
	assert_int_equal(pieces("alicearcher12345"), 3);
	assert_int_equal(pieces("letmein-x7x7"), 6); /* x7 is too short to count as said before */
	assert_int_equal(pieces("zq!zq!"), 4);       /* three, and the three again */
}

static void
phrases_are_good(void **state)
{
	static const char *const texts[] = {
		"correct horse battery staple", "ich wohne in einem blauen haus", "x7Gq!pLw2#vRt9z",
		"\u043c\u043e\u0439 \u0434\u044f\u0434\u044f \u0441\u0430\u043c\u044b\u0445",
		"\u79c1\u306e\u732b\u306f\u5bdd\u3066\u3044\u307e\u3059\u304b\u3089\u9759\u304b\u306b"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (pieces(texts[i]) < 2 * GUESS_PIECES)
			fail_msg("%s has %zu pieces", texts[i], pieces(texts[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_piece),
		cmocka_unit_test(several),
		cmocka_unit_test(phrases_are_good),
	};
	int failed;

	arena = arena_new(16u << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
