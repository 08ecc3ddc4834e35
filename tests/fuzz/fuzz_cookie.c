/* fuzz_cookie -- Cookie headers, and whatever then stands for a refresh token: only what our key made is one. */
#include "base/arena.h"
#include "fcgi/auth.h"
#include "fcgi/query.h"
#include "fuzz.h"

static const struct str key = { "0123456789abcdef0123456789abcdef", 32 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *arena = arena_new((size_t)1 << 24);
	struct str header = str_n((const char *)data, n), id;
	struct str value = cookie_get(header, STR("peal_refresh"));
	int64_t generation;

	if (str_present(value)) {
		MUST(value.p >= header.p && value.p + value.n <= header.p + header.n);
		MUST(!memchr(value.p, ';', value.n));
		if (refresh_parse(arena, key, value, &id, &generation))
			MUST(str_eq(refresh_make(arena, key, id, generation), value));
	}
	arena_free(arena);
	return 0;
}
