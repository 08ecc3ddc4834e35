/*
 * fuzz_guess -- a password and a name, apart by the first newline: no more pieces than places of the folded text, and none only of nothing.
 */
#include "base/fold.h"
#include "base/guess.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena *arena;
	struct str rest = str_n((const char *)data, size), password = str_cut(&rest, '\n'), own[] = { rest };
	struct folded folded;
	size_t n;

	if (!str_present(rest) || size > 512 || !str_utf8_valid(password) || !str_utf8_valid(rest))
		return 0;
	if (!arena)
		arena = arena_new(64u << 20);
	arena_reset(arena);
	n = guess_pieces(arena, password, own, 1);
	fold_text(arena, password, &folded);
	MUST(n <= folded.n);
	MUST((n == 0) == (folded.n == 0));
	return 0;
}
