/*
 * fuzz_nfc -- composition of any text is valid and is its own composition; what is no text stays as it is.
 */
#include "base/nfc.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena *arena;
	struct str text = str_n((const char *)data, size), once;

	if (!arena)
		arena = arena_new(64u << 20);
	arena_reset(arena);
	once = nfc(arena, text);
	if (!str_utf8_valid(text)) {
		MUST(str_eq(once, text));
		return 0;
	}
	MUST(str_utf8_valid(once));
	MUST(str_eq(nfc(arena, once), once));
	return 0;
}
