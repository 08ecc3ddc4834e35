/* test_terms.c -- folding, the terms of a text, and what is found in it: where, and where not. */
#include "unit.h"

#include "base/terms.h"

static struct arena *arena;

static struct str
unfolded(const struct folded *f)
{
	char *out = arena_alloc(arena, f->n * 8 + 1);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += (size_t)sprintf(out + n, "%s%x", i ? " " : "", f->c[i]);
	return str_n(out, n);
}

static const struct {
	const char *one, *other; /* the same when folded */
} same[] = {
	{ "Straße", "STRASSE" },
	{ "É", "e\u0301" },
	{ "Ångström", "angstrom" },
	{ "łódź", "LODZ" },
	{ "İstanbul", "istanbul" },
	{ "ΟΔΟΣ", "οδός" },
	{ "Ёлка", "елка" },
	{ "й", "и\u0306" },
	{ "ぱ", "は\u309a" },
	{ "ガ", "ｶﾞ" },
	{ "ヴ", "ウ\u3099" },
	{ "한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8" },
	{ "ｆｕｌｌ　ｗｉｄｔｈ", "full width" },
	{ "مُحَمَّد", "محمد" },
	{ "أحمد", "احمد" },
	{ "שָׁלוֹם", "שלום" },
	{ "٣٤", "34" },
	{ "می\u200cخواهم", "میخواهم" },
	{ "👍🏽", "👍" },
	{ "❤️", "❤" },
	{ "don’t", "don't" },
	{ "1–2", "1-2" },
	{ "ﬁn", "FIN" },
	{ "Việt Nam đẹp", "viet nam dep" },
};

static void
test_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		struct folded a, b;

		fold_text(arena, str_c(same[i].one), &a);
		fold_text(arena, str_c(same[i].other), &b);
		if (!str_eq(unfolded(&a), unfolded(&b)))
			fail_msg("%s and %s: %.*s and %.*s", same[i].one, same[i].other, STR_ARG(unfolded(&a)),
			         STR_ARG(unfolded(&b)));
	}
}

static void
test_letters_of_their_own(void **state)
{
	static const char *const pairs[][2] = { { "мой", "мои" },
		                                { "か", "が" },
		                                { "ка", "ка\u0306"
		                                        "х" } };

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct folded a, b;

		fold_text(arena, str_c(pairs[i][0]), &a);
		fold_text(arena, str_c(pairs[i][1]), &b);
		assert_false(str_eq(unfolded(&a), unfolded(&b)));
	}
}

static const struct {
	const char *text, *query;
	bool prefix;
	const char *cut; /* what the first match cuts out of the text; NULL: nothing is found */
} finds[] = {
	{ "The quick brown fox", "quick", false, "quick" },
	{ "The quick brown fox", "QUICK", false, "quick" },
	{ "The quick brown fox", "qui", false, NULL },
	{ "The quick brown fox", "qui", true, "qui" },
	{ "The quick brown fox", "uick", true, NULL },
	{ "The quick brown fox", "quick brown", false, "quick brown" },
	{ "The quick, brown fox", "quick brown", false, "quick, brown" },
	{ "The quick red, brown fox", "quick brown", false, NULL },
	{ "a b", "a", true, "a" },
	{ "ab", "a", true, NULL },
	{ "Straße 5", "strasse", false, "Straße" },
	{ "cafe\u0301!", "café", false, "cafe\u0301" },
	{ "see 192.168.1.10 now", "192.168.1.10", false, "192.168.1.10" },
	{ "see 192.168.1.10 now", "192.168", false, "192.168" },
	{ "see 192.168.1.10 now", "168.1", false, "168.1" },
	{ "see 192.168.1.10 now", "1.1", false, NULL },
	{ "see 192.168.1.10 now", "1.1", true, "1.1" },
	{ "see 192.168.1.10 now", "92.168", false, NULL },
	{ "v2.3.1-rc4 is out", "2.3.1", false, "2.3.1" },
	{ "v2.3.1-rc4 is out", "v2.3.1", false, "v2.3.1" },
	{ "v2.3.1-rc4 is out", "2.3.1-rc", false, "2.3.1-rc" },
	{ "v2.3.1-rc4 is out", "rc4", false, "rc4" },
	{ "v2.3.1-rc4 is out", "3.1-rc4", false, "3.1-rc4" },
	{ "v2.3.1-rc4 is out", "2.3.10", false, NULL },
	{ "https://example.com/a?b=1", "example.com", false, "example.com" },
	{ "https://example.com/a?b=1", "https://example.com", false, "https://example.com" },
	{ "https://example.com/a?b=1", "example.org", false, NULL },
	{ "mail bob.smith@example.com", "bob.smith@example.com", false, "bob.smith@example.com" },
	{ "mail bob.smith@example.com", "@example", false, "@example" },
	{ "call foo_bar-baz()", "foo_bar", false, "foo_bar" },
	{ "call foo_bar-baz()", "bar-baz", false, "bar-baz" },
	{ "call foo_bar-baz()", "bar", false, "bar" },
	{ "Report_2026-01.final.PDF", "report_2026", false, "Report_2026" },
	{ "Report_2026-01.final.PDF", "final.pdf", false, "final.PDF" },
	{ "in C++ and C#", "c++", false, "C++" },
	{ "in C and C#", "c++", false, NULL },
	{ "在北京大学读书", "北京", false, "北京" },
	{ "在北京大学读书", "京大学", false, "京大学" },
	{ "在北京大学读书", "书", false, "书" },
	{ "在北京大学读书", "北大", false, NULL },
	{ "東京タワーへ行く", "タワー", false, "タワー" },
	{ "서버가 죽었어요", "서버", false, "서버" },
	{ "ฉันชอบกินข้าว", "กิน", false, "กิน" },
	{ "iPhone手机很好", "iphone手机", false, "iPhone手机" },
	{ "great 👍🏽👍", "👍", false, "👍🏽" },
	{ "🇩🇪🇺🇸", "🇺🇸", false, "🇺🇸" },
	{ "🇩🇪🇺🇸", "🇪🇺", false, NULL },
	{ "what?!", "what?", false, "what" },
	{ "(see below)", "below", false, "below" },
	{ "#release is near", "#release", false, "#release" },
	{ "release is near", "#release", false, NULL },
	{ "one\x1etwo", "one two", false, NULL },
	{ "l'été", "ete", false, "été" },
	{ "abc123 x", "123", false, "123" },
	{ "a1b2c3", "b2", false, NULL },
	{ "a1b2c3", "a1b", true, "a1b" },
};

/* The bytes of so many code points. */
static struct str
points(struct str s, uint32_t offset, uint32_t length)
{
	struct str head = str_code_point_prefix(s, offset), rest = str_n(s.p + head.n, s.n - head.n);

	return str_code_point_prefix(rest, length);
}

static bool
among(const struct terms *terms, const struct term *want)
{
	for (size_t i = 0; i < terms->n; i++)
		if (want->prefix ? str_has_prefix(terms->list[i].text, want->text) : str_eq(terms->list[i].text, want->text))
			return true;
	return false;
}

static void
check_one(const char *text, const char *query, bool prefix, const char *cut)
{
	struct terms have = { 0 }, want = { 0 };
	struct needle needle;
	struct folded folded;
	uint32_t offset, length;
	size_t from, to;
	bool found;

	fold_text(arena, str_c(text), &folded);
	terms_of(arena, &folded, &have);
	assert_true(needle_parse(arena, str_c(query), prefix, &needle));
	terms_wanted(arena, &needle, &want);
	found = terms_find(&folded, &needle, 0, &from, &to);
	if (found != (cut != NULL))
		fail_msg("%s in %s: %s", query, text, found ? "found" : "not found");
	if (!found)
		return;
	fold_place(&folded, from, to, &offset, &length);
	if (!str_eq(points(str_c(text), offset, length), str_c(cut)))
		fail_msg("%s in %s: cuts %.*s", query, text, STR_ARG(points(str_c(text), offset, length)));
	for (size_t i = 0; i < want.n; i++)
		if (!among(&have, &want.list[i]))
			fail_msg("%s in %s: the index lacks %.*s", query, text, STR_ARG(want.list[i].text));
	assert_true(want.n > 0);
}

static void
test_finds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(finds) / sizeof(*finds); i++)
		check_one(finds[i].text, finds[i].query, finds[i].prefix, finds[i].cut);
}

static void
test_nothing_to_look_for(void **state)
{
	static const char *const queries[] = { "", " ", "!?", "- -", "\"", "…", "。" };
	struct needle needle;

	(void)state;
	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++)
		assert_false(needle_parse(arena, str_c(queries[i]), true, &needle));
}

static void
test_long_runs(void **state)
{
	char run[300], text[320], query[320];

	(void)state;
	memset(run, 'x', 299);
	run[299] = '\0';
	check_one(run, run, false, run);
	sprintf(text, "%s-y", run);
	sprintf(query, "%s-y", run);
	check_one(text, query, false, query);
	run[200] = '\0';
	check_one(text, run, true, run);
	check_one(text, run, false, NULL);
}

static void
test_links(void **state)
{
	(void)state;
	assert_true(terms_link(STR("see HTTPS://x.y")));
	assert_true(terms_link(STR("www.example.com")));
	assert_false(terms_link(STR("https:// alone")));
	assert_false(terms_link(STR("awww.nice")));
	assert_false(terms_link(STR_NONE));
}

static int
begin(void **state)
{
	(void)state;
	arena = arena_new((size_t)64 << 20);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	arena = arena_free(arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same),  cmocka_unit_test(test_letters_of_their_own),
		cmocka_unit_test(test_finds),     cmocka_unit_test(test_nothing_to_look_for),
		cmocka_unit_test(test_long_runs), cmocka_unit_test(test_links),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
