/* fuzz_sniff.c -- any first bytes are something or nothing, and more bytes never change what the first 64 say. */
#include "fuzz.h"

#include "media/sniff.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str all = str_n((const char *)data, n), head = str_n(all.p, n < SNIFF_BYTES ? n : SNIFF_BYTES);

	MUST(sniff(all) <= SNIFF_PROBE);
	MUST(sniff(all) == sniff(head));
	return 0;
}
