/* fuzz_totp -- what people type as codes: line 1 as one on paper, line 2 as one by the clock. */
#include "base/arena.h"
#include "base/totp.h"
#include "fuzz.h"

#define NOW 1234567890

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *arena = arena_new((size_t)16 << 20);
	struct str input = str_n((const char *)data, n), paper = str_cut(&input, '\n'), read, again,
	           secret = STR("12345678901234567890");
	int64_t step = totp_find(secret, input, NOW);

	MUST(step == -1 || (step >= NOW / 30 - 1 && step <= NOW / 30 + 1));
	if (step >= 0)
		MUST(str_eq(input, arena_printf(arena, "%06u", totp_code(secret, step))));
	if (recovery_code_read(arena, paper, &read))
		MUST(read.n == RECOVERY_CODE_DIGITS && recovery_code_read(arena, read, &again) && str_eq(read, again));
	MUST(totp_uri(arena, paper, input, paper).n > 15);
	arena_free(arena);
	return 0;
}
