/* fuzz_emoji -- what is taken comes back in one form, which is taken again and stays; nothing else is one. */
#include "fcgi/emoji.h"
#include "fuzz.h"

static bool
plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_n((const char *)data, n), out = STR_NONE, again = STR_NONE;
	struct arena *arena = arena_new((size_t)1 << 20);

	if (emoji_parse(arena, in, &out)) {
		MUST(str_utf8_valid(in) && !plain(in) && n <= EMOJI_MAX_BYTES);
		MUST(out.n && out.n <= 2 * EMOJI_MAX_BYTES && str_utf8_valid(out) && !memchr(out.p, '\0', out.n));
		MUST(emoji_parse(arena, out, &again) && str_eq(out, again));
	}
	arena_free(arena);
	return 0;
}
