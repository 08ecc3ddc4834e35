/*
 * fuzz_terms -- a text and a query, apart by the first newline: wherever the query is found, the place lies inside of the text, and the
 * index has all terms that the query wants. Otherwise search would miss what it should find.
 */
#include <string.h>

#include "base/terms.h"
#include "fuzz.h"

static bool
among(const struct terms *terms, const struct term *want)
{
	for (size_t i = 0; i < terms->n; i++)
		if (want->prefix ? str_has_prefix(terms->list[i].text, want->text) : str_eq(terms->list[i].text, want->text))
			return true;
	return false;
}

static void
check_place(const struct folded *text, size_t from, size_t to)
{
	uint32_t offset, length;

	MUST(from < to && to <= text->n);
	fold_place(text, from, to, &offset, &length);
	MUST(length > 0 && offset + length <= text->points);
}

static void
check_query(struct arena *arena, const struct folded *text, struct str query, bool prefix)
{
	struct terms have = { 0 }, want = { 0 };
	struct needle needle;
	size_t from, to;

	if (!needle_parse(arena, query, prefix, &needle))
		return;
	terms_wanted(arena, &needle, &want);
	MUST(want.n > 0);
	if (!terms_find(text, &needle, 0, &from, &to))
		return;
	check_place(text, from, to);
	terms_of(arena, text, &have);
	for (size_t i = 0; i < want.n; i++) {
		MUST(str_utf8_valid(want.list[i].text) && want.list[i].text.n <= 1024);
		MUST(among(&have, &want.list[i]));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_n((const char *)data, n), query = text;
	struct arena *arena = arena_new((size_t)32 << 20);
	struct folded folded;

	query = str_cut(&text, '\n');
	if (n < 8192 && text.p && str_utf8_valid(query) && str_utf8_valid(text)) {
		fold_text(arena, text, &folded);
		MUST(folded.points == str_code_points(text));
		check_query(arena, &folded, query, false);
		check_query(arena, &folded, query, true);
		check_query(arena, &folded, str_code_point_prefix(text, folded.points / 2), true);
	}
	arena_free(arena);
	return 0;
}
