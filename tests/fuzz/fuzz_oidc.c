/* fuzz_oidc: a cookie that we did not make is none, a path to return to is one of ours, and only https is asked, or the provider itself. */
#include "fuzz.h"

#include "fcgi/fetch.h"
#include "fcgi/oidc.h"

#define KEY      STR("a key of thirty-two random bytes, no")
#define PROVIDER STR("http://127.0.0.1:8080/realm")

static bool
has(struct str s, char c)
{
	return s.n && memchr(s.p, c, s.n);
}

/* What was made is read back, for its own issuer and until it expires. */
static void
round_trip_linking(struct arena *a, struct str path)
{
	const struct oidc_trip trip = { .seed = STR("12345678901234567890123456789012"),
		                        .return_to = path,
		                        .session = STR("f81d4fae-7dec-4d0b-a765-00a0c91e6bf6"),
		                        .expires_at = 100 };
	struct oidc_trip back;

	MUST(oidc_cookie_read(a, KEY, "x", oidc_cookie_make(a, KEY, "x", &trip), 99, &back) &&
	     str_eq(back.session, trip.session) && str_eq(back.return_to, path));
}

static void
round_trip(struct arena *a, struct str path)
{
	const struct oidc_trip trip = { .seed = STR("12345678901234567890123456789012"),
		                        .return_to = path,
		                        .expires_at = 100 };
	struct str cookie = oidc_cookie_make(a, KEY, "x", &trip);
	struct oidc_trip back;

	MUST(oidc_cookie_read(a, KEY, "x", cookie, 99, &back) && str_eq(back.return_to, path) &&
	     str_eq(back.seed, trip.seed));
	MUST(!str_present(back.session));
	MUST(!oidc_cookie_read(a, KEY, "x", cookie, 100, &back) && !oidc_cookie_read(a, KEY, "y", cookie, 99, &back));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(16 << 20);
	struct str input = str_n((const char *)data, n);
	struct oidc_trip trip;

	MUST(!oidc_cookie_read(a, KEY, "x", input, 0, &trip));
	if (oidc_path_ok(input)) {
		MUST(input.n <= OIDC_RETURN_MOST && input.p[0] == '/' && (input.n == 1 || input.p[1] != '/'));
		MUST(!has(input, '\\') && !has(input, '\n') && !has(input, '\r') && !has(input, 0));
		round_trip(a, input);
		round_trip_linking(a, input);
	}
	if (fetch_allowed(input, PROVIDER))
		MUST(str_has_prefix(input, STR("https://")) || fetch_same_host(input, PROVIDER));
	arena_free(a);
	return 0;
}
