/* fuzz_utf8: checking, counting and cutting UTF-8 agree with each other, and with a decoder of another make. */
#include "fuzz.h"

#include "base/str.h"

/* RFC 3629 section 4, table of well-formed sequences: length of the one at s, or 0. */
static size_t
by_table(const uint8_t *s, size_t n)
{
	static const struct {
		uint8_t first, last, low, high;
		size_t size;
	} rows[] = {
		{ 0x00, 0x7F, 0, 0, 1 },       { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
		{ 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
		{ 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (rows[i].size > n || (rows[i].size > 1 && (s[1] < rows[i].low || s[1] > rows[i].high)))
			return 0;
		for (size_t j = 2; j < rows[i].size; j++)
			if (s[j] < 0x80 || s[j] > 0xBF)
				return 0;
		return rows[i].size;
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = str_n((const char *)data, n);
	size_t at = 0, count = 0, step = 1;

	for (; at < n && step; at += step) {
		uint32_t cp;

		step = by_table(data + at, n - at);
		MUST(str_utf8_next(str_n(s.p + at, n - at), &cp) == step);
		count += step > 0;
	}
	MUST(str_utf8_valid(s) == (step != 0));
	if (!step)
		return 0;
	MUST(str_code_points(s) == count);
	MUST(str_eq(str_code_point_prefix(s, count), s));
	if (count) {
		struct str cut = str_code_point_prefix(s, count / 2);

		MUST(str_utf8_valid(cut) && str_code_points(cut) == count / 2);
	}
	return 0;
}
