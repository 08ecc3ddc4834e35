/* fuzz_access_token -- access tokens and lists of scopes: only a whole token has a hash, and a scope is listed once it stands there. */
#include "base/arena.h"
#include "base/bytes.h"
#include "fcgi/access_token.h"
#include "fuzz.h"

static void
check_scopes(struct str list)
{
	for (enum scope scope = SCOPE_SESSION; scope < SCOPE_N; scope++) {
		struct str rest = list;
		bool stands = false;
		enum scope parsed;

		while (rest.n)
			if (scope_parse(str_cut(&rest, ' '), &parsed))
				stands |= parsed == scope;
		MUST(scope_listed(list, scope) == stands);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *arena = arena_new((size_t)1 << 20);
	struct str text = str_n((const char *)data, n), hash, made, again;

	if (access_token_hash(arena, text, &hash))
		MUST(access_token_form(text) && text.n == ACCESS_TOKEN_BYTES && hash.n == SHA256_BYTES);
	MUST(!access_token_session(text) || uuid_valid(text));
	made = access_token_make(arena, &hash);
	MUST(access_token_hash(arena, made, &again) && str_eq(hash, again));
	check_scopes(text);
	arena_free(arena);
	return 0;
}
