/* fuzz_jwk: whatever lies in a key file, it is refused with a reason, or is a few usable keys of the one algorithm. */
#include "fuzz.h"

#include "base/jwk.h"

/* Of nobody's key. */
#define TOKEN                                                                                                               \
	"eyJhbGciOiJFUzI1NiJ9.e30.AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"     \
	"AQ"

static void
look(struct arena *a, struct jwk_set *set, const char *why)
{
	struct jws jws;

	MUST(!set == !!why);
	if (!set)
		return;
	MUST(jwk_count(set) >= 1 && jwk_count(set) <= JWK_KEYS_MAX);
	MUST(jws_parse(a, STR(TOKEN), &jws) && !jwk_check(set, &jws));
	jwk_free(set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(64 << 20);
	struct str input = str_n((const char *)data, n);

	for (enum jws_alg alg = 0; alg < JWS_ALG_N; alg++) {
		const char *why = NULL;
		struct jwk_set *set = jwk_read_jwks(alg, input, &why);

		look(a, set, why);
		why = NULL;
		set = alg == JWS_HS256 ? jwk_read_secret(input, &why) : jwk_read_pem(alg, input, &why);
		look(a, set, why);
	}
	arena_free(a);
	return 0;
}
