/* fuzz_clamd.c -- whatever a scanner says is one of four verdicts, and what it has found is a part of what it said. */
#include "fuzz.h"

#include "base/err.h"
#include "media/clamd.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str said = str_n((const char *)data, n), name = STR_NONE;
	int r = clamd_verdict(said, &name);

	MUST(r == 0 || r == INFECTED || r == TOO_LARGE || r == UNAVAILABLE);
	MUST((r == INFECTED) == str_present(name));
	MUST(r != INFECTED || (name.n && name.p > said.p && name.p + name.n < said.p + said.n));
	return 0;
}
