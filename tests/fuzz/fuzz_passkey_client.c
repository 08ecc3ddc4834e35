/* fuzz_passkey_client -- clientDataJSON: what is taken from it are strings of it, and everything else is refused with a reason. */
#include "base/arena.h"
#include "base/err.h"
#include "base/webauthn.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *arena = arena_new((size_t)64 << 20);
	struct str input = str_n((const char *)data, n);
	struct webauthn_client c;
	const char *why = NULL;
	int r = webauthn_client_read(arena, input, &c, &why);

	MUST(r == 0 || (r == INVALID && why));
	if (!r) {
		MUST(str_present(c.type) && str_present(c.challenge) && str_present(c.origin) && str_eq(c.text, input));
		MUST(memmem(input.p, input.n, c.type.p, c.type.n) || memchr(input.p, '\\', input.n));
		MUST(str_utf8_valid(c.origin) && str_utf8_valid(c.challenge));
	}
	arena_free(arena);
	return 0;
}
