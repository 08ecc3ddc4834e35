/* fuzz_percent: what decodes has no NUL and decodes to itself again after encoding; the numbers of str ride along. */
#include "fuzz.h"

#include "base/arena.h"

static struct str
encode(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, 3 * s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		sprintf(out + 3 * i, "%%%02X", (unsigned char)s.p[i]);
	return str_n(out, 3 * s.n);
}

static void
check_number(struct arena *a, struct str s)
{
	int64_t v;

	if (str_int64(s, &v))
		MUST(str_eq(arena_printf(a, "%lld", (long long)v), s));
	if (str_id(s, &v))
		MUST(v > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(64 << 20);
	struct str s = str_n((const char *)data, n), out, again;

	for (int plus = 0; plus < 2; plus++)
		if (str_percent_decode(a, s, plus, &out)) {
			MUST(out.n <= n && !memchr(out.p, '\0', out.n));
			MUST(str_percent_decode(a, encode(a, out), plus, &again) && str_eq(out, again));
		}
	check_number(a, s);
	arena_free(a);
	return 0;
}
