/* test_emoji.c -- what is one emoji, and in which form it comes back. */
#include "unit.h"

#include "base/arena.h"
#include "fcgi/emoji.h"

#define VS  "\uFE0F"
#define ZWJ "\u200D"

static const struct {
	const char *sent, *kept; /* NULL: no emoji */
} samples[] = {
	{ "\U0001F600", "\U0001F600" },
	{ "\U0001F600" VS, "\U0001F600" }, /* where it need not stand it goes */
	{ "\u2764", "\u2764" VS },
	{ "\u2764" VS, "\u2764" VS },
	{ "\u00A9", "\u00A9" VS },
	{ "\u231A", "\u231A" },
	{ "\u2764\uFE0E", NULL },                           /* as text */
	{ "\U0001F44D\U0001F3FD", "\U0001F44D\U0001F3FD" }, /* with a skin tone */
	{ "\u261D\U0001F3FF", "\u261D\U0001F3FF" },         /* which makes it an emoji */
	{ "\U0001F44D" VS "\U0001F3FD", NULL },             /* a thumb, and a patch of colour */
	{ "\U0001F600\U0001F3FD", NULL },                   /* faces have none */
	{ "\U0001F3FD", "\U0001F3FD" },                     /* by itself */
	{ "\U0001F1E9\U0001F1EA", "\U0001F1E9\U0001F1EA" }, /* DE */
	{ "\U0001F1E6\U0001F1E6", NULL },                   /* AA is no region */
	{ "\U0001F1E9", NULL },
	{ "\U0001F1E9\U0001F1EA\U0001F1E9", NULL },
	{ "\U0001F1E9" VS "\U0001F1EA", NULL },
	{ "#" VS "\u20E3", "#" VS "\u20E3" },
	{ "7\u20E3", "7" VS "\u20E3" },
	{ "a" VS "\u20E3", NULL },
	{ "7" VS, NULL },
	{ "7", NULL },
	{ "\u20E3", NULL },
	{ "\U0001F3F4", "\U0001F3F4" },
	{ "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F",
	  "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F" },       /* England */
	{ "\U0001F3F4\U000E0067\U000E0062\U000E0078\U000E0078\U000E0078\U000E007F", NULL }, /* gbxxx */
	{ "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067", NULL },           /* without its end */
	{ "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E007F", NULL },           /* gben */
	{ "\U0001F600\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", NULL },
	{ "\U0001F9D1\U0001F3FD" ZWJ "\U0001F680", "\U0001F9D1\U0001F3FD" ZWJ "\U0001F680" }, /* astronaut */
	{ "\U0001F3F3" ZWJ "\U0001F308", "\U0001F3F3" VS ZWJ "\U0001F308" },
	{ "\U0001F3F3" VS ZWJ "\U0001F308" VS, "\U0001F3F3" VS ZWJ "\U0001F308" },
	{ "\U0001F575\U0001F3FB" ZWJ "\u2642", "\U0001F575\U0001F3FB" ZWJ "\u2642" VS },
	{ "\U0001F468" ZWJ "\U0001F469" ZWJ "\U0001F467" ZWJ "\U0001F466",
	  "\U0001F468" ZWJ "\U0001F469" ZWJ "\U0001F467" ZWJ "\U0001F466" }, /* a family */
	{ "\U0001F469\U0001F3FF" ZWJ "\u2764" VS ZWJ "\U0001F48B" ZWJ "\U0001F468\U0001F3FB",
	  "\U0001F469\U0001F3FF" ZWJ "\u2764" VS ZWJ "\U0001F48B" ZWJ "\U0001F468\U0001F3FB" },
	{ "\U0001F469\U0001F3FF" ZWJ "\u2764" VS ZWJ "\U0001F468", NULL }, /* a tone on one of two */
	{ "\U0001F44D" ZWJ "\U0001F44D", NULL },
	{ "\U0001F44D" ZWJ, NULL },
	{ ZWJ "\U0001F44D", NULL },
	{ "\U0001F468" ZWJ ZWJ "\U0001F4BB", NULL },
	{ "\U0001F468\U0001F4BB", NULL }, /* two */
	{ "\U0001F44D\U0001F44D", NULL },
	{ "\U0001F44D ", NULL },
	{ VS, NULL },
	{ ZWJ, NULL },
	{ "a", NULL },
	{ "", NULL },
	{ "\xF0\x9F\x98", NULL },
	{ "\xED\xA0\xBD\xED\xB8\x80", NULL }, /* surrogates */
};

static void
test_samples(void **state)
{
	struct arena *a = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		struct str got = STR_NONE;

		assert_int_equal(emoji_parse(a, str_c(samples[i].sent), &got), samples[i].kept != NULL);
		if (samples[i].kept)
			assert_str(got, samples[i].kept);
	}
	arena_free(a);
}

/* Names of regions are a table of their own: each pair of letters is tried. */
static void
test_flags(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct str got;
	int flags = 0;

	(void)state;
	for (int i = 0; i < 26; i++) {
		for (int k = 0; k < 26; k++) {
			const char pair[] = { '\xF0', '\x9F', '\x87', (char)(0xA6 + i),
				              '\xF0', '\x9F', '\x87', (char)(0xA6 + k) };

			flags += emoji_parse(a, str_n(pair, sizeof(pair)), &got);
		}
	}
	assert_int_equal(flags, 258 + 1); /* Unicode 17: with Sark */
	arena_free(a);
}

/* Nothing long is looked at; a NUL is a character like others. */
static void
test_limits(void **state)
{
	struct arena *a = arena_new(1 << 20);
	char text[4 * 100];
	struct str got;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i += 4)
		memcpy(text + i, "\U0001F468", 4);
	assert_false(emoji_parse(a, str_n(text, sizeof(text)), &got));
	assert_false(emoji_parse(a, str_n(text, EMOJI_MAX_BYTES), &got));
	assert_false(emoji_parse(a, str_n("\0", 1), &got));
	assert_false(emoji_parse(a, str_n("\U0001F468" ZWJ "\U0001F4BB" ZWJ "\0", 15), &got));
	assert_false(emoji_parse(a, STR_NONE, &got));
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
